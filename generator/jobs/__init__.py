"""Jobs: one spec of a command, from reading to writing."""
