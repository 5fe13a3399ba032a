"""Sizes and values that carry the expression that gave them."""
