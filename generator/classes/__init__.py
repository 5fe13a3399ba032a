"""All uses of a block as one class."""
