"""What leaves netgen: files, and what is said."""
