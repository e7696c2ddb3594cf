"""The part of the bridge that makes of what a zone asks what the core asks: programs, rows and counters."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, get_args
from weakref import WeakValueDictionary

from fastgw._core.inspect import rows as core
from fastgw._core.inspect.counters import Counters
from fastgw._core.inspect.entries import ChangeEntry, LimitEntry, ResponseEntry, RuleEntry
from fastgw._core.inspect.rewrite import Rewriting
from fastgw._core.inspect.rows import InspectPhase, RuleAction
from fastgw._core.rules.program import Rules
from fastgw._core.rules.regex import CompiledRegex
from fastgw.policy.inspection import HeaderChange, Inspection, Managed, Phase, Product, Response, Rule
from fastgw.policy.variants import Way, mode_of, way_of, ways_of
from fastgw.rules.compile import Rule as Condition
from fastgw.rules.compile import compile_rules
from fastgw.rules.fields import NUMBER_FACTS
from fastgw.rules.image import Image
from fastgw.rules.regex.judge import judge, tables_of
from fastgw.sharing import Sharing

PHASES: tuple[Phase, ...] = get_args(Phase)
SLOTS_KEPT = 4096  # counters of rules that are gone, before one is given to another rule
_LABEL_MOST = 80  # characters of a description that messages repeat

_OF_PRODUCT: Mapping[Product, InspectPhase] = {
    "zoneLockdown": InspectPhase.ZONE_LOCKDOWN,
    "uaBlock": InspectPhase.USER_AGENT,
    "rateLimit": InspectPhase.RATE_LIMIT,
    "waf": InspectPhase.MANAGED,
}
_ALLOWED: tuple[Phase, ...] = (
    "http_request_firewall_custom",
    "http_ratelimit",
    "http_request_firewall_managed",
)
"""What an IP access rule passes unless it says so."""

_ACTIONS = {
    "allow": RuleAction.ALLOW,
    "block": RuleAction.BLOCK,
    "log": RuleAction.LOG,
    "skip": RuleAction.SKIP,
    "rewrite": RuleAction.EFFECT,
    "route": RuleAction.EFFECT,
    "set_config": RuleAction.EFFECT,
}


_SCORE = "cf.bot_management.score"
_SCORED = 1 << NUMBER_FACTS.index(_SCORE)

Choices = tuple[tuple[Way, ...], tuple[str, ...]]


class ManagedRow(Protocol):
    """A rule of the package's managed set; `action` is its default: block, log or off."""

    @property
    def id(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def expression(self) -> str: ...
    @property
    def action(self) -> str: ...


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Inspected:
    """What zones that ask the same share.

    rules  those that are on, by their number in the program; a rate limit that counts other calls than those
           it is about has two numbers, of which the second counts: what it has refused is not counted
    values  expressions whose values rules want -> their number
    scored  is the score of the client computed for each call?
    """

    core: core.Inspection
    rules: tuple[Rule, ...]
    managed: tuple[ManagedRow, ...]
    values: Mapping[str, int]
    scored: bool = False

    @property
    def keys(self) -> tuple[tuple[str, bool], ...]:
        """Id of each rule with a counter, and is it a managed one?"""
        return (*((rule.id, False) for rule in self.rules), *((row.id, True) for row in self.managed))


class LimitCounters:
    """The counters of all rate limits of the process: memory is taken when the first limit wants them."""

    def __init__(self, octets: int = 1 << 20, sharing: Sharing | None = None) -> None:
        self._octets = octets
        self.sharing = sharing
        self._table: Counters | None = None

    @property
    def table(self) -> Counters:
        """Of the core."""
        if self._table is None:
            self._table = Counters(self._octets)
            if self.sharing is not None:
                self.sharing.join(self._table)
        return self._table

    def name(self, zone: str, slots: Sequence[int], rules: Sequence[Rule]) -> None:
        """Other gateways are to know rate limits of a zone, whatever number they have here."""
        if self.sharing is not None:
            limits = zip(slots, rules, strict=False)
            self.sharing.name(zone, [(slot, rule.id) for slot, rule in limits if rule.ratelimit is not None])

    def stats(self) -> dict[str, int]:
        """How many are there, how many have a key, how often they were too few."""
        stats = {} if self._table is None else self._table.stats()
        return {
            "counters": stats.get("counters", 0),
            "counters_used": stats.get("used", 0),
            "counters_displaced": stats.get("displaced", 0),
            "counters_uncounted": stats.get("uncounted", 0),
        }


class Inspections:
    """Makes what the core asks; equal inspections are made once, as long as somebody holds one of them."""

    def __init__(self, managed: Iterable[ManagedRow] = (), counters: LimitCounters | None = None) -> None:
        self._managed = tuple(managed)
        self._counters = LimitCounters() if counters is None else counters
        self._numbers = {row.id: number for number, row in enumerate(self._managed)}
        self._made: WeakValueDictionary[Inspection, Inspected] = WeakValueDictionary()
        self._regexes: WeakValueDictionary[bytes, CompiledRegex] = WeakValueDictionary()
        self._program: Rules | None = None

    def of(self, asked: Inspection) -> Inspected | None:
        """What is to be asked; None: nothing is. Raise RuleError, OverflowError."""
        if not asked:
            return None
        made = self._made.get(asked)
        if made is None:
            made = self._made[asked] = self._make(asked)
        return made

    def _make(self, asked: Inspection) -> Inspected:
        phases: dict[Phase, list[tuple[Rule, str, RuleAction]]] = {phase: [] for phase in PHASES}
        for phased in asked.phases:
            for rule in phased.rules:
                if rule.enabled:
                    phases[phased.phase] += _numbered(rule)
        flat = [one for phase in PHASES for one in phases[phase]]
        values = {text: number for number, text in enumerate(dict.fromkeys(_values(asked)))}
        image = compile_rules(
            [[Condition(expression) for _, expression, _ in phases[phase]] for phase in PHASES],
            {name: list(items) for name, items in asked.lists},
            judge,
            tuple(values),
        )
        possible = ways_of(asked)
        entries = [
            self._entry(rule, number, action, values, possible)
            for number, phase in enumerate(PHASES)
            for rule, _, action in phases[phase]
        ]
        rules = self._loaded(image)
        numbers = _SCORED if asked.bots else 0
        scored = asked.bots or any(_SCORE in text for text in (*values, *(text for _, text, _ in flat)))
        if asked.managed.enabled and self._managed:
            choices, off = self._choices(asked.managed)
            made = core.Inspection(rules, entries, self._managed_program(), choices, off, numbers)
        else:
            made = core.Inspection(rules, entries, numbers=numbers)
        managed = self._managed if asked.managed.enabled else ()
        return Inspected(made, tuple(rule for rule, _, _ in flat), managed, values, scored)

    def _loaded(self, image: Image) -> Rules:
        matchers = []
        for pattern in image.regexes:
            regex = self._regexes.get(pattern)
            if regex is None:
                regex = self._regexes[pattern] = CompiledRegex(tables_of(pattern))
            matchers.append(regex)
        return Rules(image, matchers)

    def _managed_program(self) -> Rules:
        if self._program is None:
            conditions = [Condition(row.expression) for row in self._managed]
            self._program = self._loaded(compile_rules([conditions], judge=judge))
        return self._program

    def _choices(self, managed: Managed) -> tuple[list[RuleEntry], list[int]]:
        """What a zone does on a hit of each rule, and the numbers of those that are off."""
        chosen = dict(managed.overrides)
        entries, off = [], []
        for number, row in enumerate(self._managed):
            if row.action == "quiet":
                quiet = RuleEntry(
                    InspectPhase.MANAGED, RuleAction.SKIP, row.id, row.id, logging=False, stops=True
                )
                entries.append(quiet)
                continue
            action = chosen.get(row.id) or chosen.get(row.group) or row.action
            if action == "off":
                off.append(number)
            kind = RuleAction.BLOCK if action == "block" else RuleAction.LOG
            entries.append(RuleEntry(InspectPhase.MANAGED, kind, row.id, _label(row.id, row.description)))
        return entries, off

    def _entry(
        self, rule: Rule, phase: int, action: RuleAction, values: Mapping[str, int], choices: Choices
    ) -> RuleEntry:
        limit = rule.ratelimit
        stops = False
        spares: tuple[int, ...] = ()
        skips = sum(1 << PHASES.index(one) for one in left_out(rule))
        if rule.action == "allow":
            stops = True
        elif rule.skip is not None:
            stops = rule.skip.current
            spares = tuple(self._numbers[one] for one in rule.skip.rules if one in self._numbers)
        return RuleEntry(
            phase=phase,
            action=action,
            id=rule.id,
            label=_label(rule.id, rule.description),
            logging=rule.logging,
            stops=stops,
            skips=skips,
            spares=spares,
            response=None if rule.response is None else _response(rule.response),
            changes=[_change(change, values) for change in rule.changes],
            authority="" if rule.route is None else rule.route.host,
            way=0 if rule.route is None else choices[0].index(way_of(rule.route)),
            mode=choices[1].index(mode_of(rule)),
            limit=None
            if limit is None
            else LimitEntry(self._counters.table, [values[text] for text in limit.characteristics], limit),
        )


def _numbered(rule: Rule) -> list[tuple[Rule, str, RuleAction]]:
    """What a rule is in the program: one condition, or that by which it counts and that by which it acts."""
    if rule.ratelimit is None:
        return [(rule, rule.expression, _ACTIONS[rule.action])]
    action = RuleAction.LIMIT if rule.action == "block" else RuleAction.LIMIT_LOG
    acts = [(rule, rule.expression, action)]
    if rule.ratelimit.counting_expression:
        return [*acts, (rule, rule.ratelimit.counting_expression, RuleAction.COUNT)]
    return acts


def _values(asked: Inspection) -> Iterable[str]:
    """Expressions whose values rules want: of counters, and of metadata they write."""
    for phased in asked.phases:
        for rule in phased.rules:
            if rule.enabled:
                if rule.ratelimit is not None:
                    yield from rule.ratelimit.characteristics
                yield from (change.expression for change in rule.changes if change.expression)


def left_out(rule: Rule) -> frozenset[Phase]:
    """The phases that a call need not go through where this rule holds."""
    if rule.action == "allow" and rule.skip is None:
        return frozenset(_ALLOWED)
    if rule.skip is None:
        return frozenset()
    products = {PHASES[_OF_PRODUCT[one]] for one in rule.skip.products if one in _OF_PRODUCT}
    return frozenset(rule.skip.phases) | products


def _plain(text: str) -> str:
    """What may stand in any message: visible ASCII, without what JSON and HTML give a meaning."""
    return "".join(one if " " <= one <= "~" and one not in '"\\<>&' else "?" for one in text)


def _label(id_: str, description: str) -> str:
    name = _plain(id_)
    return f"{name} ({_plain(description)[:_LABEL_MOST]})" if description else name


_REWRITING = {"set": Rewriting.REWRITE_SET, "add": Rewriting.REWRITE_ADD, "remove": Rewriting.REWRITE_REMOVE}


def _change(change: HeaderChange, values: Mapping[str, int]) -> ChangeEntry:
    number = values[change.expression] if change.expression else -1
    return ChangeEntry(_REWRITING[change.operation], change.name, change.value, number)


def _response(response: Response) -> ResponseEntry:
    status = -1 if response.grpc_status is None else response.grpc_status
    return ResponseEntry(response.status_code, response.content, response.content_type, status)


Tallies = Mapping[int, tuple[int, int]]
"""By the number of the counter: how often the rule held, and how many calls it has ended."""


@dataclass(slots=True)
class _Page:
    """The rules of one zone that have a counter."""

    slots: dict[tuple[str, bool], int] = field(default_factory=dict)


class RuleBook:
    """Which counter is whose: a rule keeps its own as long as its zone has one of this id.

    `read` gives what workers have counted so far. Counter 0 is nobody's.
    """

    def __init__(self, read: Callable[[], Tallies]) -> None:
        self._read = read
        self._pages: dict[str, _Page] = {}
        self._names: list[tuple[str, str, bool]] = [("", "", False)]
        self._bases: dict[int, tuple[int, int]] = {}
        self._free: deque[int] = deque()

    def slots(self, zone: str, keys: Sequence[tuple[str, bool]]) -> list[int]:
        """The counters of these rules; new ones begin at zero."""
        page = self._pages.setdefault(zone, _Page())
        found = []
        for key in keys:
            slot = page.slots.get(key)
            if slot is None:
                slot = page.slots[key] = self._new(zone, key)
            found.append(slot)
        return found

    def settle(self, zone: str, keys: Iterable[tuple[str, bool]]) -> None:
        """The zone has these rules now and no others; none: it is gone, or asks nothing."""
        page = self._pages.get(zone)
        if page is None:
            return
        wanted = set(keys)
        for key in [key for key in page.slots if key not in wanted]:
            self._free.append(page.slots.pop(key))
        if not page.slots:
            del self._pages[zone]

    def name(self, slot: int) -> str:
        """The id of the rule with this counter; empty for nobody's."""
        return self._names[slot][1] if 0 <= slot < len(self._names) else ""

    def rows(self, tallies: Tallies) -> dict[str, dict[str, dict[str, int]]]:
        """Zone -> id -> what was counted, of rules that have held."""
        rows: dict[str, dict[str, dict[str, int]]] = {}
        for slot, (held, denied) in tallies.items():
            if not 0 < slot < len(self._names):
                continue
            zone, id_, managed = self._names[slot]
            page = self._pages.get(zone)
            before = self._bases.get(slot, (0, 0))
            if page is not None and page.slots.get((id_, managed)) == slot and held > before[0]:
                row = {"held": held - before[0], "denied": denied - before[1]}
                rows.setdefault(zone, {})[id_] = row
        return rows

    def _new(self, zone: str, key: tuple[str, bool]) -> int:
        if len(self._free) <= SLOTS_KEPT:
            self._names.append((zone, *key))
            return len(self._names) - 1
        slot = self._free.popleft()
        self._names[slot] = (zone, *key)
        self._bases[slot] = self._read().get(slot, (0, 0))
        return slot
