"""Where zones are kept: a document per zone, and each change with its author."""
