"""Health checks of a configuration reach the core: who says NOT_SERVING gets no calls."""

from __future__ import annotations

import time

import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.support.grpc_echo import Echo, Origin, channel


def until(look, timeout=5.0):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if look():
            return True
        time.sleep(0.005)
    return False


@pytest.mark.parametrize("check", ["watch", "grpc"])
def test_an_endpoint_that_does_not_serve_gets_no_calls(gateway, check):
    pair = [Origin(None), Origin(None)]
    servicers = []
    for one in pair:
        servicer = health.HealthServicer()
        servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, one._server)
        servicers.append(servicer)
    with pair[0], pair[1]:
        dns = "".join(
            '{ name = "@", proxied = true, origin_protocol = "h2c", content = "127.0.0.1", '
            f"origin_port = {one.port} }},\n"
            for one in pair
        )
        config = f"""
[server]
listen = ["h2c://127.0.0.1:0"]
workers = 1
[[zone]]
name = "gw.test"
settings = {{ grpc = "on" }}
dns = [
{dns}]
[zone.origin.health]
check = "{check}"
interval = "100ms"
timeout = "80ms"
fall = 1
"""
        house = gateway(toml=config)
        with channel(house.address, ca_pem=None) as opened:
            echo = Echo(opened)
            for _ in range(4):
                echo.unary(b"x", timeout=5)
            assert (pair[0].calls, pair[1].calls) == (2, 2)
            servicers[0].set("", health_pb2.HealthCheckResponse.NOT_SERVING)
            assert until(lambda: not house.gateway.stats()["endpoints"][0]["healthy"])
            for _ in range(4):
                echo.unary(b"x", timeout=5)
            assert (pair[0].calls, pair[1].calls) == (2, 6)
            servicers[0].set("", health_pb2.HealthCheckResponse.SERVING)
            assert until(lambda: house.gateway.stats()["endpoints"][0]["healthy"])
            servicers[0].set("", health_pb2.HealthCheckResponse.NOT_SERVING)
            assert until(lambda: not house.gateway.stats()["endpoints"][0]["healthy"])
            house.file.write_text(config.replace(f'"{check}"', '"none"'))
            house.gateway.publish(house.file)
            assert house.gateway.stats()["endpoints"][0]["healthy"]
