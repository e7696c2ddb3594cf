"""RFC 9113 section 6.2: HEADERS."""

import pytest

from tests.support.malformed import Case, cases
from tests.support.playbook import refused


@pytest.mark.rfc("9113 6.2")
@pytest.mark.parametrize("case", cases("6.2"))
def test_refused(case: Case) -> None:
    refused(case)
