"""What a live network does when it is called, as plain records."""
