"""Templates of generated source."""
