"""HTTP/2 and gRPC in Python for cold paths: an echo origin and a small client."""
