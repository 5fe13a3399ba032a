"""Merging all uses of a block into one class."""
