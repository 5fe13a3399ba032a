"""The smoke-run: the worker process and its proofs."""
