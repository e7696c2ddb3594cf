"""Floor 2, next door: bytes to the kernel and back, without a protocol."""
