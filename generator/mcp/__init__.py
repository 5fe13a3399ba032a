"""`netgen mcp`: answers coding agents, which ask in the Model Context Protocol."""
