"""The description of the API is of what there is, and what there is keeps to it."""

import functools
import json
import os
from typing import Any

import pytest
import schemathesis
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings

from fastgw.admin.openapi import whole
from fastgw.admin.resources import ROUTES
from fastgw.cli import group


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(references(inner) for inner in value))
    return set()


def test_every_route_is_described_once_and_every_reference_leads_somewhere():
    document = whole()
    described = {(path, method) for path, ways in document["paths"].items() for method in ways}
    assert described == {(route.root + route.path, route.method.lower()) for route in ROUTES}
    assert len(described) == len(ROUTES)
    names = [way["operationId"] for ways in document["paths"].values() for way in ways.values()]
    assert len(names) == len(set(names))
    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_it_is_printed_and_served(api):
    printed = json.loads(CliRunner().invoke(group, ["schema", "--api"]).stdout)
    assert printed["openapi"] == "3.1.0"
    assert api.http.get("/openapi.json").json() == printed


def test_every_writing_route_asks_for_a_scope_to_write():
    for route in ROUTES:
        if route.method != "GET":
            assert route.scope.endswith(":write"), route


described = functools.cache(lambda: schemathesis.openapi.from_dict(whole()))
EXAMPLES = int(os.environ.get("FASTGW_API_EXAMPLES", "3"))
SHORT = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Those that end the token of the test or the gateway, or stream for ever.
LEFT_OUT = {"drain", "live", "tail"}
TRIED = [route for route in ROUTES if route.enveloped and not LEFT_OUT & set(route.path.split("/"))]


@pytest.mark.parametrize("route", TRIED, ids=lambda route: route.root.rpartition("/")[2] + "-" + route.name)
def test_whatever_is_asked_it_keeps_to_the_description(api, route):
    zone = api.sdk.zones.create(account={"id": api.account}, name="shop.test").id
    known = {"zone_id": zone, "account_id": api.account, "setting_id": "min_tls_version"}
    known = {key: value for key, value in known.items() if f"{{{key}}}" in route.path}
    operation = described()[route.root + route.path][route.method]
    api.admin.gatekeeper.requests.most = 10**9

    @SHORT
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        case.path_parameters.update(known)
        answer = case.call(base_url=api.root, headers={"authorization": f"Bearer {api.token}"})
        assert answer.status_code < 500, answer.text
        operation.validate_response(answer)

    ask()
