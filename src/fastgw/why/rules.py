"""What the rules of a zone say to a call: which held, which decided, and what became of the others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastgw._core.inspect.bots import TABLE, BotReason
from fastgw._core.inspect.bots import score as score_of
from fastgw._core.inspect.door import Trial
from fastgw._core.rules.door import Head
from fastgw.inspected import PHASES, Inspected, Inspections, left_out
from fastgw.policy.inspection import Inspection, Phase, Response, Rule
from fastgw.rules.fields import NUMBER_FACTS, TEXT_FACTS

_CAME = {
    "went_on": "held",
    "phase_ended": "held, and ended the phase",
    "denied": "held, and denied the call",
    "lifted": "held; a skip rule lifts it",
    "spared": "held, but is off or left out",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known beside the head: the client's address ("": it is not), and does it speak TLS?"""

    address: str = ""
    tls: bool = True
    port: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """What rules have said.

    denied_by  None if the call goes on
    response   what its owner has written
    score      of the client, by its head alone: how it opened its connection is not known; None: nobody asks
    reasons    name and meaning of what took points off the score, the heaviest first
    """

    text: str
    denied_by: str | None
    response: Response | None
    phases: list[dict[str, object]]
    held: list[str]
    score: int | None
    reasons: dict[str, str]


def ask(
    asked: Inspection,
    zone: str,
    hostname: str,
    fields: Sequence[tuple[str, str]],
    caller: Caller,
) -> Answered | None:
    """Ask a zone's rules about a head; None: there are none. Rate limits are not counted."""
    inspected = Inspections().of(asked)
    if inspected is None:
        return None
    octets = [(name.encode(), value.encode(errors="surrogateescape")) for name, value in fields]
    score, reasons = score_of(octets) if inspected.scored else (None, [])
    numbers = {
        NUMBER_FACTS.index("cf.edge.server_port"): caller.port,
        NUMBER_FACTS.index("cf.edge.client_tcp"): 1,
        NUMBER_FACTS.index("cf.bot_management.score"): score or 0,
    }
    head = Head(
        octets,
        hostname.encode(),
        caller.address or None,
        None,
        caller.tls,
        int(time.time() * 1000),
        {TEXT_FACTS.index("cf.tls_version"): b"TLSv1.3"} if caller.tls else {},
        numbers,
        {TEXT_FACTS.index("cf.zone.name"): zone.encode()},
    )
    outcome, held, verdict = Trial(inspected.core, zone).ask(head)
    own = {number: came for number, managed, came in held if not managed}
    theirs = {number: came for number, managed, came in held if managed}
    denied = verdict["rule"] if outcome != "passed" else None
    response = None
    if denied is not None and "denied" in own.values():
        response = inspected.rules[next(number for number, came in own.items() if came == "denied")].response
    return Answered(
        text=verdict["text"],
        denied_by=denied,
        response=response,
        phases=_phases(asked, inspected, own, theirs),
        held=[(inspected.managed if managed else inspected.rules)[number].id for number, managed, _ in held],
        score=score,
        reasons={name: TABLE[BotReason[name.upper()]][1] for name in reasons},
    )


def _phases(
    asked: Inspection, inspected: Inspected, own: Mapping[int, str], theirs: Mapping[int, str]
) -> list[dict[str, object]]:
    """Each phase with its rules in their order, and what came of each."""
    came_of: dict[tuple[Phase, str], str] = {}
    for number, fate in own.items():
        came_of[_phase_of(asked, inspected.rules[number]), inspected.rules[number].id] = fate
    versions = {phased.phase: phased.version for phased in asked.phases}
    rules = {
        phase: [rule for one in asked.phases if one.phase == phase for rule in one.rules] for phase in PHASES
    }
    rows: list[dict[str, object]] = []
    skipped: set[Phase] = set()
    over = False
    for phase in PHASES:
        managed = phase == "http_request_firewall_managed" and inspected.managed
        if not rules[phase] and not managed:
            continue
        ended = over or phase in skipped
        why = "not asked" if over else "left out"
        found: list[dict[str, object]] = []
        for rule in rules[phase]:
            came = came_of.get((phase, rule.id))
            if not rule.enabled:
                said = "is off"
            elif came is not None:
                said = _CAME[came]
                over = over or came == "denied"
            else:
                said = why if ended else "does not hold"
            found.append(_row(rule.id, rule.description, rule.action, said))
            if came is not None:
                skipped |= left_out(rule)
            if came in ("denied", "phase_ended", "lifted"):
                ended, why = True, "not asked"
        if managed:
            for number, fate in theirs.items():
                row = inspected.managed[number]
                found.append(_row(row.id, row.description, row.action, _CAME[fate]))
                over = over or fate == "denied"
        rows.append({"phase": phase, "version": versions.get(phase), "rules": found})
    return rows


def _phase_of(asked: Inspection, wanted: Rule) -> Phase:
    return next(phased.phase for phased in asked.phases if any(rule is wanted for rule in phased.rules))


def _row(id_: str, description: str, action: str, said: str) -> dict[str, object]:
    return {"id": id_, "description": description, "action": action, "result": said}
