"""Proofs: what a worker process, which has torch, holds against reality. One room for each kind."""
