"""Every limit is counted (docs/principles.md, line 9): under a refusal or a local reply that exists."""

from fastgw._core.proxy import reply
from fastgw._core.reasons import TABLE
from fastgw.policy.limits import CATALOGUE


def test_each_metric_is_one_the_core_counts() -> None:
    known = {f"refused.{reason.name.lower()}" for reason in TABLE}
    known |= {f"replies.{local.name.lower()}" for local in reply.TABLE}
    named = {metric for row in CATALOGUE.values() for metric in row.metrics if "." in metric}
    assert sorted(named - known) == []
