"""A spec's text, read to what a person may write."""
