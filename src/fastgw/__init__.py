"""fastgw: an HTTP/2 gateway for gRPC, to run or to embed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastgw.errors import CertificateError, ConfigError, FastgwError, Problem, StartupError

if TYPE_CHECKING:
    from fastgw.config import Config
    from fastgw.gateway import Gateway
    from fastgw.hooks import Deny, Head, Pass

__version__ = "0.1.0"

__all__ = [
    "CertificateError",
    "Config",
    "ConfigError",
    "Deny",
    "FastgwError",
    "Gateway",
    "Head",
    "Pass",
    "Problem",
    "StartupError",
    "__version__",
]


def __getattr__(name: str) -> object:
    # Late, so that `fastgw check` and `fastgw version` do not wait for the compiled core.
    if name == "Gateway":
        from fastgw.gateway import Gateway

        return Gateway
    if name in ("Deny", "Head", "Pass"):
        from fastgw import hooks

        return getattr(hooks, name)
    if name == "Config":
        from fastgw.config import Config

        return Config
    raise AttributeError(f"module 'fastgw' has no attribute {name!r}")
