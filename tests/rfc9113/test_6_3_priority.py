"""RFC 9113 section 6.3: PRIORITY; a wrong length ends the connection, which section 5.4.2 allows."""

import pytest

from tests.support.malformed import Case, cases
from tests.support.playbook import refused


@pytest.mark.rfc("9113 6.3")
@pytest.mark.parametrize("case", cases("6.3"))
def test_refused(case: Case) -> None:
    refused(case)
