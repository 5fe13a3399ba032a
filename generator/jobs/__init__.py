"""One spec, from reading to writing."""
