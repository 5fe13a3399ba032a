"""The graph that lowering gives, and what is worked out from it alone."""
