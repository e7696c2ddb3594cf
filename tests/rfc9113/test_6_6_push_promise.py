"""RFC 9113 section 6.6: PUSH_PROMISE, which nobody may send us."""

import pytest

from tests.support.malformed import Case, cases
from tests.support.playbook import refused


@pytest.mark.rfc("9113 6.6")
@pytest.mark.parametrize("case", cases("6.6", "8.4"))
def test_refused(case: Case) -> None:
    refused(case)
