"""CVE-2023-44487 on one connection after the other, with a budget that an origin in Python can bear."""

from tests.abuse.live.test_floods import again_and_again
from tests.support.siege import Siege

LIMITS = "resets_burst = 100"


def test_a_smaller_budget_protects_the_origin(siege: Siege) -> None:
    again_and_again(siege)
