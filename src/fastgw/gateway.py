"""The bridge: the one place where the control plane hands work to the compiled core and reads its meters."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from fastgw import hooks
from fastgw._core.proxy.endpoints import Endpoints
from fastgw._core.proxy.snapshot import Snapshot
from fastgw._core.proxy.worker import Worker
from fastgw.config import Config, load
from fastgw.config.load import ConfigLike
from fastgw.doorkeeper import Doorkeeper
from fastgw.errors import CertificateError, FastgwError, Problem, StartupError
from fastgw.inspected import LimitCounters, RuleBook
from fastgw.policy.limits import PER_PROCESS
from fastgw.probe.health import Health
from fastgw.published import Change, Checks, Published
from fastgw.serve.access_log import AccessLog
from fastgw.serve.handover import Bequest, Inherited
from fastgw.serve.lookup import Lookup
from fastgw.serve.sockets import Listening, bind_all, network_row
from fastgw.serve.upkeep import Expiring, Upkeep
from fastgw.serve.usage import Usage
from fastgw.sharing import Sharing
from fastgw.store.usage import UsageBook, asked
from fastgw.tls.trust import Shelf

HookT = TypeVar("HookT", bound=hooks.Hook)

GRACE = 1.0  # seconds a worker may take to end beyond the drain timeout
SETTLE = 0.5  # seconds that workers may take to see what was published
ABORT_GRACE = 5.0  # seconds a worker may take to end at once

# What a running gateway cannot take over from another configuration.
_FIXED = ("listen", "workers", "drain_timeout_ms", "access_log", "limits", "sharing")

logger = logging.getLogger("fastgw")


class Gateway:
    """A gateway in this process: `with Gateway(config)` or `async with Gateway(config)`.

    `config` is the path of a TOML file, a dictionary of the same shape, or a `Config`. The constructor judges
    it and raises ConfigError; `start` raises StartupError. Worker threads run without the GIL. Nothing global
    is touched: no signal handler, no logging set-up, no event loop; a process may hold several gateways.
    A child process made by fork cannot use it.
    """

    def __init__(self, config: ConfigLike) -> None:
        self.config: Config = load(config)
        self._written = config if isinstance(config, Mapping) else None
        self._drain_timeout_ms = self.config.drain_timeout_ms
        self._process = os.getpid()
        self._changing = threading.Lock()  # one start or publish at a time
        self._lock = threading.RLock()  # guards the lists below; held for moments only
        self._shelf = Shelf()
        self._lookup = Lookup(self._names_changed)
        self._endpoints = Endpoints()
        self._rules = RuleBook(self._rule_tallies)
        sharing = None if self.config.sharing is None else Sharing(self.config.sharing)
        self._counters = LimitCounters(dict(self.config.limits)["counters_memory"], sharing)
        self._doorkeeper = Doorkeeper()
        self._published = self._nothing()
        self._health: Health | None = None
        self._workers: list[Worker] = []
        self._threads: list[threading.Thread] = []
        self._listening: list[Listening] = []
        self._snapshots: list[Snapshot] = []  # published ones that a worker may still hold, newest last
        self._zone_numbers: dict[str, int] = {}
        self._zone_names: list[str] = []
        self._revision = 0
        self._upkeep = Upkeep(self._renew, self._expiring, self.config.tls.ticket_rotation_ms)
        self._access_log: AccessLog | None = None
        self._usage_book = UsageBook(keep_days=self.config.usage_days)
        self._usage = Usage(self._usage_book, (), self._zone_names)
        self._hook_rows: list[hooks.Row] = []
        self._hooks: hooks.Hooks | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._last_stats: dict[str, Any] | None = None
        self._ended = False

    # what can be asked

    @property
    def addresses(self) -> list[str]:
        """Where it listens: `host:port` or `[v6]:port` with real ports, in the order of the configuration."""
        return [listening.address for listening in self._listening]

    @property
    def listeners(self) -> list[str]:
        """The same with the scheme in front: `https://127.0.0.1:8443`, `h2c://127.0.0.1:8080`."""
        return [str(listening) for listening in self._listening]

    @property
    def revision(self) -> int:
        """How many configurations have been published so far."""
        return self._revision

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the configuration in force does that is hardly meant."""
        return self.config.warnings

    @property
    def workers(self) -> int:
        """How many threads carry calls."""
        return len(self._workers)

    @property
    def drain_timeout(self) -> float:
        """How long running calls may take to end once it drains, in seconds."""
        return self._drain_timeout_ms / 1000

    @property
    def failure(self) -> BaseException | None:
        """What ended a worker against our will, or None."""
        return self._failure

    @property
    def running(self) -> bool:
        """Has it been started, and are its workers at work?"""
        return bool(self._threads) and not self._ended and all(thread.is_alive() for thread in self._threads)

    def stats(self) -> dict[str, Any]:
        """Counters since the start: `total` over all workers, `workers` one by one, `zones` by name.

        `endpoints`: state and counters of each address that calls have been or are sent to.
        `rules`: by zone and id, how often each rule that has held did, and how many calls it has denied.
        `rate_limit_shared`: how counting together with other gateways goes; None: it is not wanted.
        `certificates`: those in force and how long they are good for.
        `usage`: where it is kept, for how many days, and how many rows wait to be written there.
        """
        with self._lock:
            if self._last_stats is not None:
                return self._last_stats
            self._reap()
            workers = [worker.stats() for worker in self._workers]
            zones: dict[str, dict[str, Any]] = {name: {} for name in self._zone_names}
            for worker in self._workers:
                for number, row in enumerate(worker.zone_stats(len(self._zone_names))):
                    _add(zones[self._zone_names[number]], row)
            total: dict[str, Any] = {}
            for one in workers:
                _add(total, one)
            total |= self._counters.stats()
            return {
                "revision": self._revision,
                "total": total,
                "workers": workers,
                "zones": zones,
                "rules": self._rules.rows(self._rule_tallies()),
                "rate_limit_shared": None
                if self._counters.sharing is None
                else self._counters.sharing.stats(),
                "endpoints": self._endpoints.stats(),
                "certificates": [one.row for one in self._expiring()],
                "usage": self._usage_book.row,
            }

    def usage(self, **wanted: str | None) -> list[dict[str, Any]]:
        """What zones have used by day (UTC) and product, in calls that have ended.

        `zone`, `product`, `since` and `until` (days, both included) leave others out; `by`: "day", "month" or
        "all". Products: traffic, which is all calls, smart_routing, rules, bots, access. Raise StoreError.
        """
        self._usage.collect()
        return self._usage_book.read(**asked(wanted))

    @property
    def usage_place(self) -> str:
        """The file that usage is kept in, or `memory`."""
        return self._usage_book.place

    def keep_usage(self, path: str | Path) -> None:
        """Keep usage in this SQLite file from now on, not in memory alone. Raise StoreError."""
        self._usage_book.keep(Path(path))

    def on_request(
        self,
        *,
        host: str | None = None,
        service: str | None = None,
        method: str | None = None,
        budget: float = hooks.BUDGET,
        on_failure: Literal["deny", "pass"] = "deny",
        cache_by: Iterable[str] = (),
        cache_for: float = 0.0,
    ) -> Callable[[HookT], HookT]:
        """Ask the decorated function about each call to `host` (`*.name`: below it), `service` and `method`.

        The function gets the head of the call and returns None, `Pass` or `Deny`; a coroutine runs on the
        event loop the gateway was started on, anything else on a thread. The call waits for at most `budget`
        seconds; what happens without an answer says `on_failure`. An answer with `remember` holds for
        `cache_for` seconds for calls whose fields `cache_by` are the same. Before the start only. What it
        costs stands in docs/hooks.md.
        """
        if self._workers or self._ended:
            raise StartupError("hooks are named before the gateway starts")

        def take(function: HookT) -> HookT:
            row = hooks.row_of(
                function,
                host=host,
                service=service,
                method=method,
                budget=budget,
                on_failure=on_failure,
                cache_by=cache_by,
                cache_for=cache_for,
            )
            self._hook_rows.append(row)
            return function

        return take

    # life

    @property
    def bequest(self) -> Bequest:
        """The places it listens at and the descriptors there, which are the workers' until it drains."""
        return [(str(listening.place), tuple(listening.descriptors)) for listening in self._listening]

    def start(self, inherited: Inherited | None = None) -> None:
        """Bind, build, publish and begin; all listeners accept when this returns. Raise StartupError.

        What `inherited` has for a place is used instead of being bound anew; its other sockets are closed.
        """
        self._check_process()
        try:
            with self._changing:
                if self._workers or self._ended:
                    raise StartupError("this gateway has been started before; make a new one")
                self._start(inherited)
        except BaseException:
            if not self._workers:
                if self._health is not None:
                    self._health.close()
                    self._health = None
                self._lookup.close()  # outside the lock, for which its thread may be waiting
                self._lookup = Lookup(self._names_changed)
                self._doorkeeper.close()
                self._doorkeeper = Doorkeeper()
                self._published = self._nothing()
            raise

    def _start(self, inherited: Inherited | None) -> None:
        count = self.config.workers or len(os.sched_getaffinity(0))
        self._listening = bind_all(self.config.listen, count, inherited)
        if inherited is not None:
            for left in inherited.left():
                logger.warning("the socket %s was passed on, but is not listened at any more", left)
            inherited.close()
        try:
            self._begin(count)
        except BaseException as error:
            for listening in self._listening:
                listening.close()
            self._listening = []
            if isinstance(error, CertificateError):
                raise StartupError(f"a certificate cannot be used: it {error}") from error
            raise

    def _begin(self, count: int) -> None:
        change = self._change(self.config)
        snapshot = change.snapshot
        self._take(change)
        log = self.config.access_log is not None or self.config.admin is not None
        limits = {name: value for name, value in self.config.limits if name not in PER_PROCESS}
        balancers = [network_row(text) for text in self.config.tls.proxy_protocol]
        workers = [
            Worker(
                number=number,
                drain_timeout_ms=self._drain_timeout_ms,
                log=log,
                limits=limits,
                balancers=balancers,
            )
            for number in range(count)
        ]
        self._hooks = hooks.Hooks(self._hook_rows, self._loop, self._doorkeeper.answer)
        for worker in workers:
            worker.hook(self._hooks.core)
        if log:
            takes = [worker.take_finished for worker in workers]
            self._access_log = AccessLog(
                self.config.access_log, takes, self._zone_name, self._reap, self._rules.name
            )
        self._usage = Usage(self._usage_book, [worker.take_usage for worker in workers], self._zone_names)
        # Nothing that can fail comes after this: who has connected will be served.
        for listening in self._listening:
            listening.open()
        for number, worker in enumerate(workers):
            for listening in self._listening:
                # The worker owns the descriptor: a copy kept here would go on to accept while draining.
                for descriptor in listening.take(number):
                    worker.listen(descriptor, tls=listening.tls)
            worker.publish(snapshot)
        self._snapshots = [snapshot]
        self._workers = workers
        self._threads = [
            threading.Thread(target=self._run, args=(worker,), name=f"fastgw-worker-{number}", daemon=True)
            for number, worker in enumerate(workers)
        ]
        self._hooks.start()
        if self._published.guarded:
            self._hooks.know_callers()
        for thread in self._threads:
            thread.start()
        self._upkeep.start()
        if self._counters.sharing is not None:
            self._counters.sharing.start()
        self._usage.start()
        if self._access_log is not None:
            self._access_log.start()

    def publish(self, config: ConfigLike) -> int:
        """Put another configuration in force for calls that begin afterwards; return its revision.

        Listeners, number of workers, drain timeout, access log and limits stay as they were at the
        start; a change of one of them is logged. Nothing is changed if the configuration is refused.
        """
        self._check_process()
        judged = load(config)
        with self._changing:
            if not self._workers or self._ended:
                raise StartupError("this gateway is not running")
            revision = self._put_in_force(judged)
            self._await_workers()
            return revision

    def _put_in_force(self, config: Config) -> int:
        change = self._change(config)
        snapshot = change.snapshot
        if change.guarded and self._hooks is not None:
            self._hooks.know_callers()
        with self._lock:
            for worker in self._workers:
                worker.publish(snapshot)
            self._snapshots.append(snapshot)
            self._take(change)
            for name in _FIXED:
                if getattr(config, name) != getattr(self.config, name):
                    shown = "rate_limits" if name == "sharing" else name
                    logger.warning("%s has changed, which takes effect at the next start", shown)
            if config.tls.proxy_protocol != self.config.tls.proxy_protocol:
                logger.warning("proxy_protocol has changed, which takes effect at the next start")
            self._upkeep.rotation = config.tls.ticket_rotation_ms / 1000
            self._usage_book.keep_days = config.usage_days
            self.config = config
            self._reap()
            return snapshot.revision

    def _renew(self, rotate: bool) -> None:
        """Certificate files have changed, or the key of tickets is to: publish what is in force again."""
        with self._changing:
            if not self._workers or self._ended:
                return
            if rotate:
                self._shelf.rotate()
            self._put_in_force(self.config)
            self._await_workers()

    def _expiring(self) -> list[Expiring]:
        return [
            Expiring(shown.files.file, material.names, material.not_after)
            for shown, material in self._shelf.shown.items()
        ]

    def _await_workers(self) -> None:
        """Return when every worker decides by the newest snapshot; a very busy one is not waited for long."""
        deadline = time.monotonic() + SETTLE
        while not all(worker.settled for worker in self._workers) and time.monotonic() < deadline:
            time.sleep(0.0002)

    def _names_changed(self) -> None:
        """Names of origins lead elsewhere: publish what is in force again. Runs on a thread of the lookup."""
        with self._changing:
            if self._workers and not self._ended and self._published.looked != self._lookup.revision:
                self._put_in_force(self.config)

    def reopen_access_log(self) -> None:
        """Write the next lines to the place where the access log is by then: it may have been moved away."""
        log = self._access_log
        if log is not None:
            log.reopen()

    def tap(self, told: Callable[[list[str]], None]) -> Callable[[], None]:
        """Show `told` the lines of finished calls from now on, on another thread; returns what ends that.

        There are none if the configuration has neither an access log nor an admin API.
        """
        log = self._access_log
        if log is None:
            return lambda: None
        with self._lock:
            log.taps = (*log.taps, told)

        def untap() -> None:
            with self._lock:
                log.taps = tuple(one for one in log.taps if one is not told)

        return untap

    @property
    def tells_calls(self) -> bool:
        """Does `tap` show anything?"""
        return self._access_log is not None

    def admin_app(self, store: str | Path | None = None) -> Any:
        """The admin API of this gateway, to be mounted in a Starlette or FastAPI application.

        `store`: the database of its zones and tokens; None: the one that the configuration names. What the
        gateway was made of stays as it is; zones of the store come to it, now and with each change.
        """
        # The one look upwards, by name: the API needs packages that a gateway alone does without.
        made = importlib.import_module("fastgw.admin").embedded(self, self._written, store)
        return made

    def drain(self) -> None:
        """Take no new connections and let running calls end; returns at once."""
        for worker in self._workers:
            worker.drain()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all workers have ended; `timeout` in seconds. Have they?"""
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self, drain: bool = True) -> None:
        """End: once running calls have ended or the drain timeout is over, or now. Harmless if repeated."""
        if self._ended or os.getpid() != self._process:
            return
        workers, threads = self._workers, self._threads
        if drain and threads:
            self.drain()
            self.wait(self.drain_timeout + GRACE)
        for worker, thread in zip(workers, threads, strict=True):
            if thread.is_alive():
                worker.stop()
        if not self.wait(ABORT_GRACE):
            # Memory a running worker looks at must not go away under it: all stays where it is.
            raise FastgwError("a worker did not end")
        with self._changing:
            if self._access_log is not None:
                self._access_log.close()
                self._access_log = None
            with self._lock:
                if workers and not self._ended:
                    self._usage.close()
                    self._last_stats = self.stats()
                self._ended = True
                self._workers, self._threads, self._snapshots = [], [], []
        if self._counters.sharing is not None:
            self._counters.sharing.close()
        self._upkeep.close()
        self._usage_book.close()
        self._lookup.close()
        if self._hooks is not None:
            self._hooks.close()
        self._doorkeeper.close()
        if self._health is not None:
            self._health.close()

    async def start_async(self) -> None:
        """`start`, without holding up the event loop."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self.start)

    async def apply(self, config: ConfigLike) -> int:
        """`publish`, without holding up the event loop."""
        return await asyncio.to_thread(self.publish, config)

    async def stop_async(self, drain: bool = True) -> None:
        """`stop`, without holding up the event loop."""
        await asyncio.to_thread(self.stop, drain)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(drain=error is None)

    async def __aenter__(self) -> Self:
        await self.start_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_async(drain=error is None)

    # within

    def _run(self, worker: Worker) -> None:
        try:
            worker.run()
        except BaseException as error:
            self._failure = error
            logger.exception("a worker has failed")

    def _nothing(self) -> Published:
        return Published(
            self._lookup,
            self._shelf,
            self._endpoints,
            self._zone_number,
            self._rules,
            self._counters,
            self._doorkeeper,
        )

    def _change(self, config: Config) -> Change:
        """The snapshot of `config`, next in number. Nothing of the gateway has changed if it raises."""
        return self._published.change(config, self._revision + 1)

    def _take(self, change: Change) -> None:
        """The change is in force, or about to be."""
        self._revision = change.snapshot.revision
        self._check(self._published.take(change))
        if change.atlas is not None or any(one.stamps for one in (*change.made, *change.gone)):
            self._upkeep.watch(self._published.files)

    def _check(self, checks: Checks) -> None:
        """Ask these endpoints how they are; what nobody asks any more counts as healthy."""
        if self._health is not None:
            if checks.gone or checks.new:
                self._health.update(checks.gone, checks.new)
        elif checks.new:
            self._health = Health(checks.new, self._on_health)
        for number in checks.gone:
            self._endpoints.set_health(number, True)

    def _on_health(self, key: Hashable, healthy: bool, why: str) -> None:
        assert isinstance(key, int)
        self._endpoints.set_health(key, healthy)

    def _rule_tallies(self) -> dict[int, tuple[int, int]]:
        """What all workers have counted so far, by the number of the counter."""
        total: dict[int, tuple[int, int]] = {}
        for worker in self._workers:
            for slot, (held, denied) in worker.rule_stats().items():
                before = total.get(slot, (0, 0))
                total[slot] = before[0] + held, before[1] + denied
        return total

    def _zone_number(self, name: str) -> int:
        """The meter row of a zone: the same for a name as long as the gateway lives."""
        number = self._zone_numbers.get(name)
        if number is None:
            number = self._zone_numbers[name] = len(self._zone_names)
            self._zone_names.append(name)
        return number

    def _zone_name(self, number: int) -> str:
        return self._zone_names[number] if 0 <= number < len(self._zone_names) else ""

    def _reap(self) -> None:
        """Let go of snapshots that no worker holds and every worker has passed."""
        with self._lock:
            if len(self._snapshots) < 2:
                return
            passed = min((worker.revision for worker in self._workers), default=0)
            newest = self._snapshots[-1]
            self._snapshots = [
                snapshot
                for snapshot in self._snapshots
                if snapshot is newest or snapshot.users > 0 or snapshot.revision >= passed
            ]
            for snapshot in self._snapshots:
                if snapshot is not newest and not snapshot.seekers:
                    snapshot.release()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StartupError("this gateway was made before a fork; make a new one in the child process")


def _add(total: dict[str, Any], row: Mapping[str, Any]) -> None:
    """Add the counters of `row` to those of `total`, table by table."""
    for key, value in row.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(key, {}), value)
        else:
            total[key] = total.get(key, 0) + value
