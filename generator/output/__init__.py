"""Output: files, and all printing."""
