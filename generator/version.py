"""The version of netgen, and of the torch whose layers it knows."""

__version__ = "0.1.0"
TORCH = "2.13"
