"""The thread that lets gateways count together: what passed here goes to Redis, what passed elsewhere comes.

No call waits for it. In each turn it takes what workers have written down, sends it in one round trip, and
leaves new leases. Redis holds sums by hashed keys, for two windows each.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from fastgw._core.inspect.counters import Counters
from fastgw._core.inspect.shares import ShareMode, Shares
from fastgw.policy.sharing import BATCH, RECORDS, SharedLimits

CONNECT = 1.0  # seconds that a connection may take
ANSWER_LEAST = 0.2  # seconds that an answer may take; at long leases four of them
AGAIN_LEAST, AGAIN_MOST = 0.1, 5.0  # seconds between attempts while Redis is away
PRESENT = 1.0  # seconds between two signs of life of a gateway that has nothing to tell
GONE_MS = 3000  # without a sign of life for so long, a gateway is not counted any more
STEP_MS = 5  # by so much two clocks may part before windows are moved

_MODES = {"local": ShareMode.ALONE, "deny": ShareMode.CLOSED, "allow": ShareMode.OPEN}
_MEANS = {
    "local": "each gateway counts alone",
    "deny": "calls that a limit is about are refused",
    "allow": "rate limits let all calls pass",
}

SCRIPT = """\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local prefix, told, gateways = ARGV[1], ARGV[4], ARGV[1] .. ':gateways'
redis.call('ZADD', gateways, now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', gateways, '-inf', now - ARGV[3])
redis.call('PEXPIRE', gateways, 60000)
local function add(key, calls, keep)
  local sum = redis.call('INCRBY', key, calls)
  if sum == calls then redis.call('PEXPIRE', key, keep) end
  return sum
end
local heard, at = {}, 1
while at <= #told do
  local name, window, calls, late, back, keep
  name, window, calls, late, back, keep, at = struct.unpack('<c32I8I4I4I4I4', told, at)
  local key = prefix .. ':' .. name .. ':'
  if late > 0 then add(key .. string.format('%.0f', window - back), late, keep) end
  local this, last = key .. string.format('%.0f', window), key .. string.format('%.0f', window - 1)
  local sum = calls > 0 and add(this, calls, keep) or tonumber(redis.call('GET', this) or '0')
  local before = tonumber(redis.call('GET', last) or '0')
  heard[#heard + 1] = struct.pack('<I4I4', math.min(sum, 4294967295), math.min(before, 4294967295))
end
return {now, redis.call('ZCARD', gateways), table.concat(heard)}
"""

logger = logging.getLogger("fastgw")


class Sharing:
    """The shared rate limits of one gateway."""

    def __init__(self, asked: SharedLimits, records: int = RECORDS) -> None:
        self._asked = asked
        seed = hashlib.blake2b(
            asked.prefix.encode(), digest_size=16, key=hashlib.sha256(asked.secret.encode()).digest()
        )
        self.core = Shares(records, BATCH, asked.lease_ms, seed.digest())
        self._counters: Counters | None = None
        self._name = os.urandom(8).hex()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._client: Any = None
        self._script: Any = None
        self._ahead: int | None = None
        self._lost_said = False
        self.up = False
        self._turns = self._errors = 0
        self._seconds = self._last = 0.0
        self._gateways = 1
        self.core.mode(_MODES[asked.on_loss], 1, int((time.time() - time.monotonic()) * 1000))

    def join(self, counters: Counters) -> None:
        """These counters are those of the process: rules made from now on count for all gateways."""
        counters.shares = self.core
        self._counters = counters

    def name(self, zone: str, rules: Sequence[tuple[int, str]]) -> None:
        """The numbers under which the core knows rules of a zone, and their ids."""
        for number, id_ in rules:
            digest = hashlib.blake2b(f"{zone}\0{id_}".encode(), digest_size=8).digest()
            self.core.own(number, int.from_bytes(digest) | 1)

    def start(self) -> None:
        """Begin; until Redis has answered it is away."""
        self._thread = threading.Thread(target=self._run, name="fastgw-shared-limits", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; what was not told is told, if that works at once."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(CONNECT + self._patience + 1.0)
            self._thread = None

    def stats(self) -> dict[str, Any]:
        """How it goes: metrics have the names with `fastgw_rate_limit_shared_` in front."""
        core = self.core.stats()
        with self._lock:
            return {
                "up": int(self.up),
                "on_loss": self._asked.on_loss,
                "gateways": self._gateways,
                "turns": self._turns,
                "errors": self._errors,
                "round_trip_seconds_sum": self._seconds,
                "round_trip_seconds_count": self._turns,
                **core,
            }

    @property
    def _patience(self) -> float:
        return max(ANSWER_LEAST, 4 * self._asked.lease_ms / 1000)

    # the thread

    def _run(self) -> None:
        wait = AGAIN_LEAST
        while not self._end.is_set():
            begun = time.monotonic()
            try:
                self._turn()
            except Exception as error:  # whatever it is: calls go on, and it is tried again
                self._lost(error)
                self._end.wait(wait)
                wait = min(2 * wait, AGAIN_MOST)
                continue
            wait = AGAIN_LEAST
            self._end.wait(max(0.001, self._asked.lease_ms / 1000 - (time.monotonic() - begun)))
        try:
            if self.up:
                self._turn(last=True)
        except Exception:
            logger.debug("the last calls were not told to Redis", exc_info=True)
        if self._client is not None:
            self._client.close()

    def _turn(self, *, last: bool = False) -> None:
        """Tell and hear once. Raise whatever Redis and the network raise."""
        if self._client is None:
            self._connect()
        told = b"" if not self.up else self.core.take(time.monotonic_ns())
        if not told and self.up and not last and time.monotonic() - self._last < PRESENT:
            return
        begun = time.monotonic()
        try:
            now, gateways, heard = self._script(keys=(), args=(self._asked.prefix, self._name, GONE_MS, told))
            ended = time.monotonic()
            ahead = int(now) - int((begun + ended) * 500)
            if self._ahead is None or abs(ahead - self._ahead) > STEP_MS + int((ended - begun) * 1000):
                self._ahead = ahead
            with self._lock:
                self._turns += 1
                self._seconds += ended - begun
                self._gateways = int(gateways)
                self._last = ended
            self.core.mode(ShareMode.SHARED, int(gateways), self._ahead)
            if self._counters is not None and told:
                self.core.give(self._counters, heard, time.monotonic_ns())
        except BaseException:
            self.core.undo()
            raise
        if not self.up:
            self.up = True
            if self._lost_said:
                logger.warning("Redis is back: rate limits hold for all gateways together again")
                self._lost_said = False

    def _connect(self) -> None:
        redis = importlib.import_module("redis")
        options: dict[str, Any] = {"password": self._asked.password} if self._asked.password else {}
        retry = importlib.import_module("redis.retry").Retry(
            importlib.import_module("redis.backoff").NoBackoff(), 0
        )
        self._client = redis.Redis.from_url(
            self._asked.place,
            socket_connect_timeout=CONNECT,
            socket_timeout=self._patience,
            retry=retry,
            **options,
        )
        self._script = self._client.register_script(SCRIPT)

    def _lost(self, error: Exception) -> None:
        self.up = False
        with self._lock:
            self._errors += 1
            gateways = self._gateways
        self.core.mode(
            _MODES[self._asked.on_loss],
            gateways,
            self._ahead if self._ahead is not None else int((time.time() - time.monotonic()) * 1000),
        )
        if not self._lost_said:
            self._lost_said = True
            means = _MEANS[self._asked.on_loss]
            logger.warning("Redis is away (%s): until it is back, %s", type(error).__name__, means)
