"""The spec that `netgen init` writes for who begins."""
