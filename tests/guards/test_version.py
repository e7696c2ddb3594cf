"""The version stands in one place: src/fastgw/__init__.py."""

import importlib.metadata
import re
import tomllib

import fastgw
from tests.guards.tree import ROOT
from tests.support.needs import missing


def test_the_installed_package_has_the_version_of_the_source() -> None:
    try:
        installed = importlib.metadata.version("fastgw")
    except importlib.metadata.PackageNotFoundError:
        missing("fastgw, which runs from its tree,")
    assert installed == fastgw.__version__


def test_no_other_file_says_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["scikit-build"]["metadata"]["version"]["input"] == "src/fastgw/__init__.py"
    said = re.escape(f'"{fastgw.__version__}"')
    for file in ("pyproject.toml", "setup.cfg", "CMakeLists.txt", "Makefile"):
        assert not re.search(said, (ROOT / file).read_text()), file
