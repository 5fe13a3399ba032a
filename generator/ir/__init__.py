"""The graph: nodes, modules and uses."""
