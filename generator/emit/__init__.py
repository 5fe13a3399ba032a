"""A graph to source."""
