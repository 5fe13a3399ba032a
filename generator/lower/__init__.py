"""Lowering: from a spec to a graph."""
