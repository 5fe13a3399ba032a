"""A recording as a spec with blocks: classes, what differs between their uses, and repeats."""
