"""Rules in order: who ends a phase, who is counted, what is shared; and images that are refused."""

from dataclasses import replace

import pytest

from fastgw._core.rules.door import Asker, Part
from fastgw._core.rules.program import Rules
from fastgw.rules.compile import Rule, compile_rules
from fastgw.rules.errors import RuleError
from fastgw.rules.image import Image
from tests.rules.heads import USUAL, Known, load

LOG = False


def image(*phases: list[Rule], lists: dict[str, list[str]] | None = None) -> Image:
    return compile_rules(phases, lists)


def test_the_first_rule_that_ends_is_the_last_that_is_asked() -> None:
    rules = [
        Rule("ssl", LOG),
        Rule("not ssl"),
        Rule("ssl", LOG),
        Rule('http.host contains "x"'),
        Rule("ssl"),
        Rule("ssl"),
    ]
    program = Rules(image(rules))
    asker, hits = Asker(), [0] * 6
    assert asker.begin(program, Known().head())
    assert asker.decide(0, hits) == (3, [0, 2], 2)
    assert asker.decide(0, hits) == (3, [0, 2], 2)
    assert hits == [2, 0, 2, 2, 0, 0]


def test_no_rule_holds() -> None:
    asker = Asker()
    assert asker.begin(Rules(image([Rule("not ssl")], [])), Known().head())
    assert asker.decide(0) == (None, [], 0)
    assert asker.decide(1) == (None, [], 0)


def test_many_hits_are_counted_and_the_first_are_named() -> None:
    asker = Asker()
    program = Rules(image([Rule("ssl", LOG)] * 40))
    assert asker.begin(program, Known().head())
    ended, named, count = asker.decide()
    assert (ended, named, count) == (None, list(range(16)), 40)


def test_rules_are_numbered_through_all_phases_and_share_values() -> None:
    made = image(
        [Rule('lower(http.host) == "a"'), Rule("ssl", LOG)], [Rule('lower(http.host) contains "api"')]
    )
    assert len(made.nodes) == 3
    asker = Asker()
    assert asker.begin(Rules(made), Known().head())
    assert asker.decide(0) == (None, [1], 1)
    assert asker.decide(1) == (2, [], 0)


def test_one_value_is_made_once() -> None:
    rules = [Rule(f'concat(http.host, "-") == "{number}"') for number in range(100)]
    asker = Asker()
    assert asker.begin(Rules(image(rules)), Known(hostname=b"x" * 100).head())
    asker.decide()
    assert asker.scratch_used == 101
    assert asker.steps == 101


def test_a_program_with_more_values_than_there_is_memory_for_is_refused() -> None:
    asker = Asker(3, 100)
    wide = Rules(image([Rule(f'http.request.headers["x{number}"][0] == "a"') for number in range(4)]))
    assert not asker.begin(wide, Known().head())
    assert asker.begin(load("ssl"), Known().head())


def test_values_of_the_last_head_are_forgotten() -> None:
    asker, program = Asker(), load('http.host == "a"', ends=False)
    for number in range(10):
        assert asker.begin(program, Known(hostname=b"a" if number % 2 else b"b").head())
        assert asker.decide()[2] == number % 2


def test_another_program_does_not_see_this_ones_values() -> None:
    asker = Asker()
    one, two = load('http.host == "a"'), load('http.user_agent == "a"')
    known = Known([*USUAL[:6], (b"user-agent", b"b")], hostname=b"a")
    assert asker.begin(one, known.head())
    assert asker.decide()[0] == 0
    assert asker.begin(two, known.head())
    assert asker.decide()[0] is None


def test_the_count_of_heads_may_run_over() -> None:
    asker, program = Asker(), load('http.host == "a"')
    assert asker.begin(program, Known(hostname=b"b").head())
    asker.decide()
    asker.generation(0xFFFFFFFF)
    for hostname, rule in ((b"a", 0), (b"b", None), (b"a", 0)):
        assert asker.begin(program, Known(hostname=hostname).head())
        assert asker.decide()[0] == rule


def test_arrays_have_at_most_512_elements() -> None:
    """More of them, and nothing is true of the array."""
    asker = Asker(64, 1 << 20)
    for count, hits in ((512, 1), (513, 0)):
        path = b"/?" + b"&".join([b"a=1"] * count)
        fields = [field if field[0] != b":path" else (b":path", path) for field in USUAL]
        program = load('any(http.request.uri.args["a"][*] == "1")', ends=False)
        assert asker.begin(program, Known(fields).head())
        assert asker.decide()[2] == hits
    assert asker.exhausted == 1


def test_steps_are_bounded_by_the_code_and_the_longest_array() -> None:
    path = b"/?" + b"&".join(b"a=%d" % number for number in range(512))
    fields = [field if field[0] != b":path" else (b":path", path) for field in USUAL]
    rules = [
        f'all((http.request.uri.args["a"][*] != "x{n}" and http.request.uri.args["a"][*] != "y"))'
        for n in range(20)
    ]
    program, asker = load(*rules, ends=False), Asker(4096, 1 << 20)
    assert asker.begin(program, Known(fields).head())
    assert asker.decide()[2] == 20
    assert asker.steps <= 512 * program.step_count


def test_regular_expressions_have_a_matcher_each() -> None:
    made = image(
        [Rule('http.host matches "b"'), Rule('http.host matches "api" and ssl'), Rule('http.host ~ "b"')]
    )
    assert made.regexes == (b"b", b"api")
    asker = Asker()
    assert asker.begin(Rules(made, [Part(b"nothing"), Part(b"api")]), Known().head())
    assert asker.decide()[0] == 1
    with pytest.raises(ValueError, match="2 regular expressions and 0 matchers"):
        Rules(made)


def test_a_list_that_is_not_there() -> None:
    with pytest.raises(RuleError) as raised:
        image([Rule("ssl and ip.src in $offices")], lists={"office": ["10.0.0.0/8"]})
    assert str(raised.value) == (
        "1:19: there is no list $offices\n"
        "  ssl and ip.src in $offices\n"
        "                    ^~~~~~~~\n"
        "  hint: did you mean office?"
    )


def test_a_member_of_a_list_that_is_wrong() -> None:
    with pytest.raises(RuleError, match="expected an IP address"):
        image([Rule("ip.src in $offices")], lists={"offices": ["somewhere"]})


def test_the_same_sets_and_texts_are_kept_once() -> None:
    made = image([Rule("ip.src in {10.0.0.0/9 10.128.0.0/9}"), Rule("cf.edge.server_ip in {10.0.0.0/8}")])
    assert made.address_sets == ((((10 << 24, (11 << 24) - 1),), ()),)


GOOD = 'any(lower(http.request.headers["a"][*])[*] == "b") xor (ip.src == ::1 or cf.threat_score in {1})'


@pytest.mark.parametrize("part", ["then", "otherwise", "node", "operand", "operation"])
def test_an_image_with_a_number_that_leads_out_is_refused(part: str) -> None:
    """Each number of each step, one after the other, is too large: loading says so, or it is not used."""
    made = image([Rule(GOOD)])
    refused = 0
    for at, step in enumerate(made.code):
        code = list(made.code)
        code[at] = replace(step, **{part: 60000})
        try:
            asker = Asker()
            assert asker.begin(Rules(replace(made, code=tuple(code))), Known().head())
            asker.decide()
        except ValueError:
            refused += 1
    assert refused


def test_an_image_that_goes_round_is_refused() -> None:
    made = image([Rule(GOOD)])
    code = list(made.code)
    code[3] = replace(code[3], then=0)
    with pytest.raises(ValueError, match="leads back"):
        Rules(replace(made, code=tuple(code)))


@pytest.mark.parametrize(
    "change", [{"kind": 99}, {"what": 99}, {"number": 4000}, {"arguments": (5,)}, {"text": 999}]
)
def test_an_image_with_a_node_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    made = image([Rule('lower(cf.ray_id) == "a"')])
    refused = 0
    for at, node in enumerate(made.nodes):
        nodes = list(made.nodes)
        nodes[at] = replace(node, **change)  # type: ignore[arg-type]
        try:
            Rules(replace(made, nodes=tuple(nodes)))
        except ValueError:
            refused += 1
    assert refused


def test_too_many_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastgw.rules.compile.NODES_MOST", 9)
    rules = [Rule(f'http.request.headers["{number}"][0] == "a"') for number in range(5)]
    image(rules[:4])
    with pytest.raises(OverflowError, match="10 values, at most are 9"):
        image(rules)
