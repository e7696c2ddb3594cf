"""How the admin API says no: a status of HTTP, a code clients of the reference product know, a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastgw.errors import CertificateError, ConfigError, FastgwError, Problem, StaleError, StoreError

# Codes of the reference product, where it has one for the case.
BAD_ZONE_ID = 1001
INVALID_TOKEN = 1000
UNKNOWN_ZONE = 1003
DNS_INVALID = 1004
UNKNOWN_SETTING = 1006
BAD_SETTING_VALUE = 1007
NOT_EDITABLE = 1015
ZONE_EXISTS = 1061
ZONE_INVALID = 1049
CERTIFICATE_INVALID = 2100
BAD_HEADERS = 6003
BAD_BODY = 6007
NO_ROUTE = 7000
NO_METHOD = 7001
BAD_ROUTE = 7003
NOT_ALLOWED = 10000
SLOW_DOWN = 971
RECORD_GONE = 81044
CNAME_CLASH = 81053
RECORD_TWICE = 81058
CHAIN = 9000  # and what follows: what exactly is wrong with a record

# Our own.
INVALID = 100400
READ_ONLY = 100403
NOT_FOUND = 100404
STALE = 100409
TOO_LARGE = 100413
FAILED = 100500
UNAVAILABLE = 100503
NOTE = 100200  # of a message beside a result

_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One entry of `errors`."""

    code: int
    message: str
    pointer: str = ""
    chain: tuple[tuple[int, str], ...] = ()

    @property
    def row(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.pointer:
            found["source"] = {"pointer": self.pointer}
        if self.chain:
            found["error_chain"] = [{"code": code, "message": text} for code, text in self.chain]
        return found


@dataclass(slots=True)
class ApiError(Exception):
    """What ends a request with another status than 2xx."""

    status: int
    complaints: Sequence[Complaint]
    headers: dict[str, str] = field(default_factory=dict)


def refuse(status: int, code: int, message: str, pointer: str = "") -> ApiError:
    """The usual one, with one complaint."""
    return ApiError(status, [Complaint(code, message, pointer)])


def missing(what: str, code: int = NOT_FOUND) -> ApiError:
    """There is none."""
    return refuse(404, code, f"there is no such {what}")


def pointer_of(path: str) -> str:
    """`dns[3].content` as `/dns/3/content`."""
    return "".join(f"/{number or name}" for number, name in _PART.findall(path))


Coded = Callable[[Problem], Complaint]


def plainly(code: int) -> Coded:
    """Each problem of a configuration under one code."""
    return lambda problem: Complaint(code, sentence_of(problem), pointer_of(problem.field))


def sentence_of(problem: Problem) -> str:
    """A problem as one line, without the file that the caller does not know."""
    named = f"{problem.field} " if problem.field else "the zone "
    return f"{named}{problem.sentence}" + (f" ({problem.hint})" if problem.hint else "")


def translated(error: FastgwError, coded: Coded) -> ApiError:
    """An error of the shelf for people who ask by HTTP."""
    if isinstance(error, ConfigError):
        wrong = [problem for problem in error.problems if not problem.warning]
        return ApiError(400, [coded(problem) for problem in wrong or error.problems])
    if isinstance(error, StaleError):
        return refuse(409, STALE, error.sentence)
    if isinstance(error, CertificateError):
        hint = f" ({error.hint})" if error.hint else ""
        return refuse(400, CERTIFICATE_INVALID, f"the certificate {error}{hint}", f"/{error.part}")
    if isinstance(error, StoreError):
        hint = f" ({error.hint})" if error.hint else ""
        return refuse(503, UNAVAILABLE, f"{error.sentence}{hint}")
    return refuse(503, UNAVAILABLE, str(error))
