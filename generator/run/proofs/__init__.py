"""Proofs: the checks that the worker process runs with torch, a module for each kind."""
