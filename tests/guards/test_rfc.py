"""Every section of the RFCs that asks something of us has a test: what `make rfc` lists is complete."""

import pytest

from tests.support.rfc import SECTIONS, marks


@pytest.mark.parametrize("rfc", SECTIONS)
def test_no_section_is_without_a_test(rfc: str) -> None:
    marked = marks()
    assert [section for section in SECTIONS[rfc].split() if not marked.get(f"{rfc} {section}")] == []
