"""What a running gateway answers to commands: how it is, and orders to reload, to drain, to change zones."""

from __future__ import annotations

import datetime
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastgw import __version__
from fastgw.errors import CertificateError, StoreError
from fastgw.gateway import Gateway
from fastgw.policy.certificates import CertificateFiles
from fastgw.serve.reload import Reloader
from fastgw.store.requests import Answer, Request, answer, is_about_zones, refusal, refused
from fastgw.store.zones import Zones
from fastgw.tls.material import Material, read_material

CERTIFICATES_SHOWN = 20  # those that end first


class Desk:
    """Answers requests; `draining` is told by who drains. `zones`: where they come from, if from anywhere."""

    def __init__(self, gateway: Gateway, reloader: Reloader, zones: Zones | None = None) -> None:
        self.draining = False
        self._gateway = gateway
        self._reloader = reloader
        self._zones = zones
        self._started = time.time()
        self._known = _Certificates()

    def answer(self, request: Request, actor: str) -> Answer:
        """The answer to one request; `actor`: who asks."""
        verb = self._verbs.get(str(request.get("do")))
        if verb is not None:
            return verb(self)
        if request.get("do") == "usage":
            return self._usage(request)
        if is_about_zones(request):
            if self._zones is None:
                hint = "fastgw serve -c FILE --state-dir DIR keeps zones"
                return refused("this gateway was started without a file, so it has no zones to manage", hint)
            return answer(self._zones, request, actor)
        return refused(f"{request.get('do')!r} is not something this gateway can do")

    def _status(self) -> Answer:
        gateway = self._gateway
        stats = gateway.stats()
        total = stats["total"]
        rules = [row for zone in stats["rules"].values() for row in zone.values()]
        last = self._reloader.last
        return {
            "ok": True,
            "version": __version__,
            "pid": os.getpid(),
            "state": "draining" if self.draining else "serving" if gateway.running else "failed",
            "revision": gateway.revision,
            "started": _time_text(self._started),
            "uptime_s": round(time.time() - self._started, 3),
            "listeners": gateway.listeners,
            "workers": gateway.workers,
            "config": None if gateway.config.source is None else str(gateway.config.source.resolve()),
            "zones": len(gateway.config.zones),
            "store": self._store(),
            "connections": total["connections_open"],
            "origin_connections": total["origin_connections_open"],
            "calls": total["exchanges_open"],
            "calls_started": total["exchanges_started"],
            "rules": {name: sum(row[name] for row in rules) for name in ("held", "denied")},
            "rate_limit_shared": stats["rate_limit_shared"],
            "certificates": self._certificates()[:CERTIFICATES_SHOWN],
            "warnings": [str(warning) for warning in gateway.warnings],
            "last_reload": None
            if last is None
            else {"at": _time_text(last.at), "ok": not last.why, "error": last.why},
        }

    def _usage(self, request: Request) -> Answer:
        try:
            rows = self._gateway.usage(**{key: value for key, value in request.items() if key != "do"})
        except StoreError as error:
            return refusal(error)
        return {"ok": True, "usage": rows, "place": self._gateway.usage_place}

    def _store(self) -> Mapping[str, Any] | None:
        zones = self._zones
        if zones is None or zones.store is None:
            return None
        return {
            "path": zones.store.place,
            "revision": zones.seen,
            "trouble": zones.trouble,
            "left_out": dict(zones.left_out),
        }

    def _certs(self) -> Answer:
        return {"ok": True, "certificates": self._certificates()}

    def _certificates(self) -> list[Answer]:
        """Those of all zones, the first to end first."""
        rows = []
        for zone in self._gateway.config.zones:
            if zone.certificate is not None:
                found = self._known.of(zone.certificate)
                if found is not None:
                    rows.append((found.not_after, zone.name, str(zone.certificate.file), list(found.names)))
        now = datetime.datetime.now(datetime.UTC)
        return [
            {"zone": name, "file": file, "names": names, "not_after": _iso(ends), "days": (ends - now).days}
            for ends, name, file, names in sorted(rows)
        ]

    def _rules(self) -> Answer:
        """Zone -> id -> how often each rule that has held did, and how many calls it has denied."""
        return {"ok": True, "rules": self._gateway.stats()["rules"]}

    def _reload(self) -> Answer:
        verdict = self._reloader.reload()
        if verdict.why:
            return refused(verdict.why, kind="config")
        return {"ok": True, "revision": verdict.revision, "warnings": list(verdict.warnings)}

    def drain(self) -> None:
        """As SIGTERM does, once."""
        if not self.draining:
            self.draining = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _drain(self) -> Answer:
        calls = self._gateway.stats()["total"]["exchanges_open"]
        self.drain()
        return {"ok": True, "calls": calls, "drain_timeout_s": self._gateway.drain_timeout}

    _verbs: Mapping[str, Callable[[Desk], Answer]] = {
        "status": _status,
        "reload": _reload,
        "drain": _drain,
        "certs": _certs,
        "rules": _rules,
    }


class _Certificates:
    """What is in certificates; each file is read once as long as it does not change."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, Material | None]] = {}

    def of(self, files: CertificateFiles) -> Material | None:
        """None if it cannot be read now."""
        try:
            changed = files.file.stat().st_mtime_ns
        except OSError:
            return None
        known = self._known.get(files.file)
        if known is None or known[0] != changed:
            try:
                found = read_material(files.file, files.key)
            except CertificateError:
                found = None
            known = self._known[files.file] = changed, found
        return known[1]


def _time_text(at: float) -> str:
    return _iso(datetime.datetime.fromtimestamp(at, datetime.UTC))


def _iso(at: datetime.datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
