"""Views of a finished network for people: they read it and change nothing."""
