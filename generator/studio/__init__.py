"""`netgen studio`: a page on this machine in which a spec is written, seen, run and saved."""
