"""Reading a spec: from its text to checked keys and values."""
