"""One gateway process per file; what a file needs beside the defaults is in its LIMITS, SERVER, SETTINGS and HOSTILE.

`others(ca, origin_leaf, stack)` of a file starts further origins and returns their ports by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.support.certs import Authority, Leaf
from tests.support.siege import Siege


@pytest.fixture(scope="module")
def siege(
    request: pytest.FixtureRequest,
    ca: Authority,
    gateway_leaf: Leaf,
    origin_leaf: Leaf,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Siege]:
    wants = request.module
    with contextlib.ExitStack() as stack:
        others = wants.others(ca, origin_leaf, stack) if hasattr(wants, "others") else None
        started = stack.enter_context(
            Siege(
                ca,
                gateway_leaf,
                origin_leaf,
                tmp_path_factory.mktemp("siege"),
                hostile=getattr(wants, "HOSTILE", None),
                others=others,
                limits=getattr(wants, "LIMITS", ""),
                server=getattr(wants, "SERVER", ""),
                settings=getattr(wants, "SETTINGS", ""),
            )
        )
        yield started
        started.origin_is_idle()
