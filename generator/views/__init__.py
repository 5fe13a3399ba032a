"""Views: what a person wants to see of a finished network. They read it and change nothing."""
