"""Specs that come with netgen."""
