"""Floor 3: one HTTP/2 connection, without its socket."""
