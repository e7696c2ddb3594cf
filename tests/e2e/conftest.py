"""What end-to-end tests share beyond the house: configuration files for processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certs import Authority, Leaf


@pytest.fixture
def config_file(ca: Authority, gateway_leaf: Leaf, tmp_path: Path) -> Callable[[str], Path]:
    """Write a configuration for a `fastgw serve` process."""

    def write(text: str) -> Path:
        for word, path in (("ca", ca.file), ("cert", gateway_leaf.certificate), ("key", gateway_leaf.key)):
            text = text.replace(f"{{{word}}}", str(path))
        file = tmp_path / "served.toml"
        file.write_text(text)
        return file

    return write
