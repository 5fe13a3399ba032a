"""Diagnostics: what is wrong, where, and how it is mended."""
