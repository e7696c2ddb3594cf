"""fastgw serve with [admin], as a process; a gateway that a program embeds; what has no packages for it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time

import cloudflare
import httpx
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.routing import Mount

from fastgw.cli import group
from fastgw.config.load import load
from fastgw.errors import ConfigError, StoreError
from fastgw.gateway import Gateway
from fastgw.store import tokens
from fastgw.store.sqlite import SqliteStore
from fastgw.store.zones import Zones
from tests.support.grpc_echo import Echo, channel
from tests.support.served import Served

FILE = """\
[server]
listen = ["127.0.0.1:0"]
workers = 1
drain_timeout = "1s"

[store]
kind = "sqlite"

[admin]
listen = "127.0.0.1:0"
socket = "admin.sock"
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "served.toml"
    path.write_text(FILE)
    return path


def url_of(gateway: Served) -> str:
    found = re.search(r"admin API at (http://\S+)", gateway.logged("admin API at http"))
    assert found is not None
    return found[1]


def command(*words: str) -> str:
    result = CliRunner().invoke(group, words, prog_name="fastgw")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_from_an_empty_store_to_a_call(file, tmp_path, ca, origin):
    control = str(tmp_path / "control.sock")
    with Served(file, "--control", control) as gateway:
        token = command("api-tokens", "create", "ci", "--scope", "*", "--expires", "1d", "--control", control)
        sdk = cloudflare.Cloudflare(api_token=token.strip(), base_url=url_of(gateway), max_retries=0)
        zone = sdk.zones.create(account={"id": ""}, name="shop.test").id
        leaf = ca.leaf("shop.test")
        sdk.custom_certificates.create(
            zone_id=zone, certificate=leaf.certificate.read_text(), private_key=leaf.key.read_text()
        )
        sdk.dns.records.create(
            zone_id=zone,
            name="@",
            type="A",
            content="127.0.0.1",
            proxied=True,
            ttl=1,
            extra_body={"origin_port": origin.port},
        )
        sdk.zones.settings.edit("grpc", zone_id=zone, value="on")
        with channel(gateway.address, ca_pem=ca.pem, name="shop.test") as opened:
            assert Echo(opened).unary(b"hello", timeout=5) == b"hello"
        (row,) = json.loads(command("api-tokens", "list", "--json", "--control", control))
        assert (row["name"], row["status"]) == ("ci", "active")
        assert "hash" not in row
        socket = tmp_path / "admin.sock"
        assert socket.stat().st_mode & 0o777 == 0o660
        headers = {"authorization": f"Bearer {token.strip()}"}
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), headers=headers) as local:
            root = "http://local/fastgw/v1"
            status = local.get(f"{root}/status").json()["result"]
            assert (status["state"], status["zones"], status["calls_started"]) == ("serving", 1, 1)
            events = []
            with local.stream("GET", f"{root}/tail", timeout=5) as stream:
                with channel(gateway.address, ca_pem=ca.pem, name="shop.test") as opened:
                    Echo(opened).unary(b"hello", timeout=5)
                for line in stream.iter_lines():
                    events.append(line)
                    if line.startswith("data: ") and '"shop.test"' in line:
                        break
            assert {"event: revision", "event: stats", "event: call"} <= set(events)
            fresh = command("api-tokens", "rotate", "ci", "--control", control).strip()
            assert local.get(f"{root}/status").status_code == 401
            headers = {"authorization": f"Bearer {fresh}"}
            assert (
                local.post(f"{root}/drain", headers=headers, json={}).json()["result"]["drain_timeout_s"]
                == 1.0
            )
        assert gateway.end(10)[0] == 0
        assert not socket.exists()


def test_every_answered_write_survives_a_kill(file, tmp_path):
    with SqliteStore(tmp_path / "fastgw.db")._db:
        pass
    zones = Zones(None, None, tmp_path / "fastgw.db")
    zones.load()
    policy = tokens.Policy(tokens.judged_scopes(["*"]))
    _, token = tokens.create(zones, tokens.Token("", "t", "", (policy,)), "tests")
    answered: list[str] = []
    with Served(file) as gateway:
        url = url_of(gateway)
        headers = {"authorization": f"Bearer {token}"}
        zone = httpx.post(f"{url}/zones", json={"name": "shop.test"}, headers=headers).json()["result"]["id"]

        def write(start: int) -> None:
            with httpx.Client(headers=headers, timeout=5) as client:
                for number in range(start, start + 1000):
                    said = {"name": f"n{number}", "type": "A", "content": "10.0.0.1", "ttl": 1}
                    try:
                        answer = client.post(f"{url}/zones/{zone}/dns_records", json=said)
                    except httpx.HTTPError:
                        return
                    if answer.status_code == 200:
                        answered.append(answer.json()["result"]["id"])

        writers = [threading.Thread(target=write, args=(1000 * number,)) for number in range(4)]
        for one in writers:
            one.start()
        time.sleep(0.7)
        gateway.signal(signal.SIGKILL)
        for one in writers:
            one.join()
    assert len(answered) > 10
    with Served(file) as gateway, httpx.Client(headers=headers) as client:
        found = client.get(f"{url_of(gateway)}/zones/{zone}/dns_records", params={"per_page": 5000}).json()
    kept = {one["id"] for one in found["result"]}
    assert set(answered) <= kept
    assert len(kept) - len(answered) <= 4, "besides, at most one that was not answered yet for each writer"


async def test_a_program_mounts_it(tmp_path, ca, origin):
    config = {
        "server": {"listen": ["127.0.0.1:0"], "workers": 1},
        "store": {"kind": "sqlite", "path": str(tmp_path / "z.db")},
    }
    with Gateway({**config, "zone": [{"name": "declared.test", "grpc": "on"}]}) as gateway:
        app = Starlette(routes=[Mount("/gw", gateway.admin_app())])
        zones = Zones(None, None, tmp_path / "z.db")
        zones.load()
        _, token = tokens.create(
            zones, tokens.Token("", "t", "", (tokens.Policy(tokens.judged_scopes(["*"])),)), "tests"
        )
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://own",
            headers={"authorization": f"Bearer {token}"},
        )
        made = (await client.post("/gw/client/v4/zones", json={"name": "new.test"})).json()["result"]
        assert made["source"] == "store"
        names = [one["name"] for one in (await client.get("/gw/client/v4/zones")).json()["result"]]
        assert names == ["declared.test", "new.test"]
        assert [zone.name for zone in gateway.config.zones] == names
        drained = await client.post("/gw/fastgw/v1/drain", json={})
        assert drained.status_code == 403, "the program ends it itself"
        await client.aclose()
    alone = {**config, "store": {"kind": "file"}, "zone": [{"name": "declared.test"}]}
    with Gateway(alone) as gateway, pytest.raises(StoreError, match="needs a store"):
        gateway.admin_app()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"listen": "0.0.0.0:8099"}, "has no certificate"),
        ({"listen": "[::]:8099"}, "has no certificate"),
        ({"listen": "http://127.0.0.1:1"}, "no scheme"),
        ({"listen": "none"}, "no socket"),
        ({"listen": "127.0.0.1"}, "no port"),
        ({"socket": "gone/admin.sock"}, "not a directory"),
        ({"lisen": "127.0.0.1:1"}, "did you mean 'listen'"),
    ],
)
def test_places_that_cannot_be(table, said):
    with pytest.raises(ConfigError) as caught:
        load({"server": {"listen": ["127.0.0.1:0"]}, "store": {"kind": "sqlite"}, "admin": table})
    assert said in str(caught.value)


def test_it_needs_a_store():
    with pytest.raises(ConfigError, match="needs a store"):
        load({"server": {"listen": ["127.0.0.1:0"]}, "admin": {}, "zone": [{"name": "a.test"}]})


def test_beyond_this_machine_it_speaks_tls(tmp_path, ca):
    leaf = ca.leaf("admin.test", "127.0.0.1", file="admin")
    path = tmp_path / "served.toml"
    cert = f'cert = {{ file = "{leaf.certificate}", key = "{leaf.key}" }}'
    path.write_text(FILE.replace('listen = "127.0.0.1:0"\nsocket', f'{cert}\nlisten = "0.0.0.0:0"\nsocket'))
    with Served(path) as gateway:
        port = re.search(r"admin API at https://0\.0\.0\.0:(\d+)", gateway.logged("admin API at https"))[1]
        import ssl

        trust = ssl.create_default_context(cadata=ca.pem.decode())
        assert httpx.get(f"https://127.0.0.1:{port}/client/v4/zones", verify=trust).status_code == 401


def test_without_its_packages_one_sentence(file):
    blocked = "import sys; sys.modules['starlette'] = None; from fastgw.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", blocked, "serve", "-c", str(file), "--control", "none"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3
    assert "pip install 'fastgw[admin]'" in done.stderr
    assert "Traceback" not in done.stderr
