"""Who calls: service tokens, signed tokens, certificates, and the word about it that origins get."""
