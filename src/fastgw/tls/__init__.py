"""TLS, the part that is not hot: contexts, trust and certificates, handed to the core finished."""
