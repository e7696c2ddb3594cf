"""TLS, the part that is not hot: contexts, trust and certificates, built here and handed to the core finished."""
