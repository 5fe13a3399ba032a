"""Sizes and values that know the expression that they come from."""
