"""The managed rules: a versioned set of conditions on heads of calls that comes with the package."""

from fastgw.managed.rules import DATE, GROUPS, RULES, SET, VERSION, unknown

__all__ = ["DATE", "GROUPS", "RULES", "SET", "VERSION", "unknown"]
