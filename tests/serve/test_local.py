"""A gateway without a file: which names lead where."""

from __future__ import annotations

import pytest

from fastgw.config import Listen
from fastgw.policy.compile import compile_zones
from fastgw.serve.local import local_config, parse_listen, parse_origin


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051, "h2")),
        ("https://Origin.Example:443/", ("origin.example", 443, "h2")),
        ("h2c://[::1]:50051", ("::1", 50051, "h2c")),
    ],
)
def test_origins(text, wanted):
    assert parse_origin(text) == wanted


@pytest.mark.parametrize("text", ["127.0.0.1", "ftp://a:1", "a:0", "::1:5", ":5", "a b:5", "a:b"])
def test_what_is_no_origin(text):
    with pytest.raises(ValueError, match="'"):
        parse_origin(text)


def test_listen():
    assert parse_listen("h2c://[::1]:0") == Listen("::1", 0, tls=False)


@pytest.mark.parametrize(
    ("origin", "host", "server_name"),
    [
        ("localhost:50051", "127.0.0.1", "localhost"),
        ("127.0.0.1:50051", "127.0.0.1", "localhost"),
        ("[::1]:50051", "::1", "localhost"),
        ("origin.example:50051", "origin.example", "origin.example"),
    ],
)
def test_every_name_of_this_machine_leads_to_the_origin(tmp_path, origin, host, server_name):
    config, authority = local_config(origin, [Listen("127.0.0.1", 0)], directory=tmp_path)
    (zone,) = config.zones
    rows = compile_zones([zone])[0]
    assert {row.hostname for row in rows.hosts} == {"localhost", "127.0.0.1", "::1"}
    targets = [target for origin in rows.origins for target in origin.targets]
    assert [(one.host, one.port, one.tls, one.verify, one.server_name) for one in targets] == [
        (host, 50051, True, False, server_name)
    ]
    assert rows.zone.grpc
    assert authority is not None
    assert authority.certificate == tmp_path / "ca.pem"
