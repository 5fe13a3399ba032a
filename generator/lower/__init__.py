"""A spec to a graph."""
