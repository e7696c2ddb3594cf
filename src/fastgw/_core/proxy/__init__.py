"""Floor 4: two connections, one call."""
