"""What a probe says when the other side does not do what it should."""


class ProbeError(Exception):
    """One sentence a person can act on."""
