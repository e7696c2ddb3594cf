"""What the README shows works: its configurations are good, its commands exist."""

import re
from pathlib import Path

import click
import pytest

from fastgw import cli
from fastgw.config import load
from tests.guards.tree import ROOT
from tests.support.certs import Authority

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


@pytest.mark.parametrize("toml", blocks("toml"))
def test_each_configuration_is_good(toml: str, tmp_path: Path, ca: Authority) -> None:
    file = tmp_path / "fastgw.toml"
    file.write_text(toml)
    zone = re.search(r'^name = "(.+)"$', toml, re.M)
    assert zone is not None
    leaf = ca.leaf(zone[1], f"*.{zone[1]}")
    for part, name in re.findall(r'\b(file|key|trust_store) = "([^"]+)"', toml):
        source = {"file": leaf.certificate, "key": leaf.key, "trust_store": ca.file}[part]
        (tmp_path / name).write_bytes(source.read_bytes())
        (tmp_path / name).chmod(0o600)
    config = load(file)
    assert [str(warning) for warning in config.warnings] == []


def test_the_smallest_one_has_five_lines() -> None:
    assert len(blocks("toml")[0].splitlines()) == 5


def test_there_are_examples() -> None:
    assert len(blocks("toml")) >= 2
    assert len(blocks("python")) >= 2


@pytest.mark.parametrize("python", blocks("python"))
def test_the_python_is_python(python: str) -> None:
    compile(f"async def example():\n{re.sub('^', '    ', python, flags=re.M)}", "README.md", "exec")


@pytest.mark.parametrize(
    "text", [README, (ROOT / "CONTRIBUTING.md").read_text()], ids=["README", "CONTRIBUTING"]
)
def test_each_make_command_is_in_the_makefile(text: str) -> None:
    used = set(re.findall(r"^ {4}make (\w+)|`make (\w+)", text, re.M))
    names = {first or second for first, second in used}
    assert names
    assert names <= set(re.findall(r"^(\w+):", MAKEFILE, re.M))


def test_each_fastgw_command_is_there() -> None:
    used = set(re.findall(r"^ {4}fastgw ([\w-]+)|`fastgw ([\w-]+)", README, re.M))
    names = {first or second for first, second in used}
    commands = cli.group.list_commands(None)  # type: ignore[arg-type]
    assert names
    assert names <= set(commands)


def test_each_option_is_there() -> None:
    shown = re.findall(r"fastgw ([\w-]+)(?: ([\w-]+))?[^\n`]*? (-c|--[a-z-]+)\b", README)
    for command, word, option in shown:
        found = cli.group.get_command(None, command)  # type: ignore[arg-type]
        if isinstance(found, click.Group):
            found = found.get_command(None, word)  # type: ignore[arg-type]
        assert found is not None
        assert any(option in parameter.opts for parameter in found.params), f"fastgw {command} {option}"


def _links(text: str) -> set[str]:
    return set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text))


@pytest.mark.parametrize("page", ["README.md", "docs/README.md"])
def test_each_link_leads_somewhere(page: str) -> None:
    links = _links((ROOT / page).read_text())
    assert links
    assert [link for link in sorted(links) if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_each_page_is_in_the_list_of_pages() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= _links((ROOT / "docs" / "README.md").read_text())
    assert "docs/README.md" in _links(README)
