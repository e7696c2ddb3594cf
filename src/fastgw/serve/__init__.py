"""The keeper of a gateway: sockets, lookups, the access log, signals."""
