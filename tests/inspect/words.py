"""Rules in few words."""

from __future__ import annotations

from typing import Any

from fastgw.policy.inspection import Inspection, Phase, Phased, Response, Rule, Skip

SHORT: dict[str, Phase] = {
    "access": "ip_access",
    "lockdown": "zone_lockdown",
    "agent": "user_agent",
    "custom": "http_request_firewall_custom",
    "rate": "http_ratelimit",
    "managed": "http_request_firewall_managed",
    "transform": "http_request_late_transform",
    "origin": "http_request_origin",
    "config": "http_config_settings",
}


def block(id_: str, expression: str, response: Response | None = None, **more: Any) -> Rule:
    return Rule(id_, expression, "block", response=response, **more)


def log(id_: str, expression: str, **more: Any) -> Rule:
    return Rule(id_, expression, "log", **more)


def allow(id_: str, expression: str, **more: Any) -> Rule:
    return Rule(id_, expression, "allow", **more)


def skip(id_: str, expression: str, *phases: str, **more: Any) -> Rule:
    """Leaves these phases out; `current`, `products` and `rules` as in Skip."""
    said = {key: more.pop(key) for key in ("current", "products", "rules") if key in more}
    return Rule(
        id_, expression, "skip", skip=Skip(phases=tuple(SHORT[one] for one in phases), **said), **more
    )


def asking(*phases: Phased, **more: Any) -> Inspection:
    """An inspection; keywords are phases by their short names with their rules, or fields of Inspection."""
    named = [Phased(SHORT[name], tuple(more.pop(name))) for name in SHORT if name in more]
    return Inspection(phases=(*phases, *named), **more)
