"""The worker and its proofs."""
