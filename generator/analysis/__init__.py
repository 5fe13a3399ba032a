"""What is known without a run."""
