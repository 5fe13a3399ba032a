"""Generated source: from a graph to the text of a Python file."""
