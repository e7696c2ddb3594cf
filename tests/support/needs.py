"""What a test needs that is not ours: without it the test is skipped, or fails where CI has to install it."""

from __future__ import annotations

import importlib
import os
import shutil
from typing import Any, NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test, since `what` is not there. Where CI is set it fails: `.ci/run` has to see to it."""
    if "CI" in os.environ:
        pytest.fail(f"{what} is not installed; .ci/run has to install it", pytrace=False)
    pytest.skip(f"{what} is not installed")


def program(name: str, package: str = "") -> str:
    """The path of a program, also of one that only the administrator has on the path."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    return found or missing(package or name)


def module(name: str, package: str) -> Any:
    """An oracle from the development dependencies."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(package)
