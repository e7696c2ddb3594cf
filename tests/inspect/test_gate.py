"""What the rules of a zone do to real calls: who is denied, with which words, in both tongues."""

from __future__ import annotations

import grpc

from tests.inspect.conftest import Ask
from tests.inspect.words import block
from tests.support.calls import Refused
from tests.support.grpc_echo import Echo


def test_a_call_is_blocked_by_name(ask: Ask, open_channel) -> None:
    house = ask(custom=[block("no-admin", 'grpc.method eq "Fail"', description="no failing")])
    echo = Echo(open_channel(house.address))
    assert echo.unary(b"x", timeout=5) == b"x"
    refused = Refused(lambda: echo.fail(b"x", timeout=5))
    assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    assert refused.message == "zone gw.test: custom rule no-admin (no failing) blocks this call"
    assert refused.fastgw_error == "rule_blocked; side=gateway; phase=policy; rule=no-admin"
    assert house.gateway.stats()["rules"] == {"gw.test": {"no-admin": {"held": 1, "denied": 1}}}
