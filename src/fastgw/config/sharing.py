"""[rate_limits]: whether rate limits hold for several gateways together, judged."""

from __future__ import annotations

import re
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit

from fastgw.config.model import RateLimitsTable
from fastgw.config.report import Report
from fastgw.policy.sharing import LEASE_LEAST_MS, LEASE_MOST_MS, SharedLimits

_HINT = "write redis://HOST:PORT/0, rediss://HOST:PORT/0 or unix:///run/redis.sock"
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_OPTIONS = ("db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def take_sharing(report: Report, data: object) -> SharedLimits | None:
    """What [rate_limits] says; None: this gateway counts alone."""
    table = report.table(RateLimitsTable, data, ("rate_limits",))
    if table is None:
        return None
    if table.redis is None:
        for key in sorted(table.model_fields_set - {"redis"}):
            report.error(("rate_limits", key), "has no effect without redis", _HINT)
        return None
    wrong = _wrong(table.redis)
    if wrong:
        report.error(("rate_limits", "redis"), wrong, _HINT)
    if not LEASE_LEAST_MS <= table.redis_lease <= LEASE_MOST_MS:
        report.error(("rate_limits", "redis_lease"), 'must be "10ms" to "1s"', 'the default is "50ms"')
    if not _PREFIX.fullmatch(table.redis_prefix):
        sentence = f"is {table.redis_prefix!r}, which is not fit for the name of a key"
        report.error(("rate_limits", "redis_prefix"), sentence, "write up to 64 of A-Z a-z 0-9 _ . : -")
    if find_spec("redis") is None:
        sentence = "needs the package redis, which is not installed"
        report.error(("rate_limits", "redis"), sentence, "pip install 'fastgw[redis]'")
    return SharedLimits(
        place=table.redis,
        password=table.redis_password or "",
        secret=table.redis_secret or "",
        prefix=table.redis_prefix,
        on_loss=table.redis_on_loss,
        lease_ms=table.redis_lease,
    )


def _wrong(text: str) -> str:
    """What is wrong with the URL, without repeating it: it may hold a password."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return "is not a URL"
    if url.scheme not in ("redis", "rediss", "unix"):
        return f"has the scheme {url.scheme!r}, which is not known" if "://" in text else "is not a URL"
    if url.scheme == "unix":
        if not url.path.startswith("/") or len(url.path) < 2:
            return "names no socket"
    elif not url.hostname:
        return "names no host"
    elif port == 0 or not re.fullmatch(r"/?|/\d{1,5}", url.path):
        return "has a port or a database that cannot be"
    for name, _ in parse_qsl(url.query, keep_blank_values=True):
        if name not in _OPTIONS:
            return f"has the option {name!r}; known are {', '.join(_OPTIONS)}"
    return ""
