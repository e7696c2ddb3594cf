"""Floor 2: bytes to meaning and back, without a connection."""
