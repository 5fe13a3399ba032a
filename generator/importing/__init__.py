"""From a live network to a spec: what was recorded, as a person would write it."""
