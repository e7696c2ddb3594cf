"""Records through the unmodified SDK: every field, filter and way in and out."""

import cloudflare
import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.admin.dnsdata import PARTS, content_of, data_of


def test_a_record_comes_changes_and_goes(api):
    zone = api.zone()
    assert api.refused("api.shop.test") is grpc.StatusCode.UNIMPLEMENTED
    made = api.record(zone, "api", comment="hand made", tags=["team:payments"])
    assert (made.name, made.proxied, made.proxiable, made.ttl) == ("api.shop.test", True, True, 1)
    assert api.call("api.shop.test") == b"hello"
    assert api.sdk.dns.records.get(made.id, zone_id=zone).to_dict() == made.to_dict()
    edited = api.sdk.dns.records.edit(
        made.id, zone_id=zone, name="api.shop.test", type="A", ttl=1, proxied=False, content="127.0.0.1"
    )
    assert (edited.id, edited.proxied, edited.comment) == (made.id, False, "hand made")
    assert edited.created_on == made.created_on
    assert edited.modified_on > made.modified_on
    assert api.refused("api.shop.test") is grpc.StatusCode.UNIMPLEMENTED, "DNS only: not served"
    put = api.sdk.dns.records.update(
        made.id,
        zone_id=zone,
        name="other.shop.test",
        type="A",
        content="127.0.0.1",
        proxied=True,
        ttl=1,
        extra_body={"origin_port": api.origin.port},
    )
    assert (put.id, put.comment, put.tags) == (made.id, None, []), "what is not given has its default"
    assert api.call("other.shop.test") == b"hello"
    assert api.sdk.dns.records.delete(made.id, zone_id=zone).id == made.id
    assert api.refused("other.shop.test") is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(cloudflare.NotFoundError) as caught:
        api.sdk.dns.records.get(made.id, zone_id=zone)
    assert caught.value.errors[0].code == 81044


def test_a_record_without_an_id_gets_one_that_stays(api):
    zone = api.zone()
    document = dict(api.zones.get("shop.test")[0].document)
    document["dns"] = [*document["dns"], {"name": "plain", "content": "127.0.0.1"}]
    from fastgw.store.base import Edit

    api.zones.write([Edit("shop.test", document)], "somebody")
    (one,) = list(api.sdk.dns.records.list(zone_id=zone, name={"exact": "plain.shop.test"}))
    edited = api.sdk.dns.records.edit(
        one.id, zone_id=zone, name="plain", type="A", content="127.0.0.2", ttl=1
    )
    assert (edited.id, edited.content) == (one.id, "127.0.0.2")
    assert [found.id for found in api.sdk.dns.records.list(zone_id=zone)].count(one.id) == 1


@pytest.mark.parametrize(
    ("said", "code", "inner"),
    [
        ({"type": "A", "content": "127.0.0"}, 1004, 9005),
        ({"type": "AAAA", "content": "127.0.0.1"}, 1004, 9006),
        ({"type": "CNAME", "content": "127.0.0.1"}, 1004, 9007),
        ({"type": "A", "content": "127.0.0.1", "ttl": 5}, 1004, 9021),
        ({"type": "A", "content": "127.0.0.1", "name": "a b"}, 1004, 9000),
        ({"type": "TXT", "content": "x", "proxied": True}, 1004, 9004),
        ({"type": "MX"}, 1004, None),
        ({"type": "WKS", "content": "x"}, 100400, None),
        ({"type": "A", "content": "127.0.0.1", "name": "twice"}, 81058, None),
        ({"type": "CNAME", "content": "x.other", "name": "twice", "proxied": False}, 81053, None),
    ],
)
def test_records_that_cannot_be(api, said, code, inner):
    zone = api.zone()
    api.record(zone, "twice", proxied=False, extra_body={"origin_port": 443})
    before = api.zones.store.revision
    answer = api.http.post(f"/zones/{zone}/dns_records", json={"name": "new", "ttl": 1, **said})
    assert answer.status_code == 400
    error = answer.json()["errors"][0]
    assert error["code"] == code, answer.json()
    assert error.get("error_chain", [{"code": None}])[0]["code"] == inner, answer.json()
    assert api.zones.store.revision == before


def test_without_a_certificate_the_sentence_says_what_to_do(api):
    zone = api.sdk.zones.create(account={"id": api.account}, name="bare.test").id
    with pytest.raises(cloudflare.BadRequestError, match="no certificate yet"):
        api.record(zone, "bare.test")


FILTERS = [
    ({"type": "CNAME"}, ["alias"]),
    ({"proxied": True}, ["", "api"]),
    ({"name": {"exact": "API.shop.test"}}, ["api"]),
    ({"name": {"contains": "al", "endswith": ".test"}}, ["alias"]),
    ({"name": {"startswith": "api"}, "content": {"exact": "origin.other"}, "match": "any"}, ["alias", "api"]),
    ({"comment": {"contains": "hand"}}, ["api"]),
    ({"tag": {"present": "team"}}, ["api"]),
    ({"tag": {"exact": "team:payments"}}, ["api"]),
    ({"search": "origin.oth"}, ["alias"]),
    ({"order": "name", "direction": "desc"}, ["text", "", "api", "alias"]),
]


@pytest.mark.parametrize(("query", "labels"), FILTERS)
def test_filters(api, query, labels):
    zone = api.zone()
    api.record(zone, "api", comment="hand made", tags=["team:payments"])
    api.record(
        zone, "alias", type="CNAME", content="origin.other", proxied=False, extra_body={"origin_port": 443}
    )
    api.record(zone, "text", type="TXT", content="v=1", proxied=False, extra_body={"origin_port": 443})
    found = [
        one.name.removesuffix("shop.test").removesuffix(".")
        for one in api.sdk.dns.records.list(zone_id=zone, **query)
    ]
    assert found == labels if "order" in query else sorted(found) == labels


def test_pages(api):
    zone = api.zone()
    for number in range(6):
        api.record(zone, f"n{number}", proxied=False)
    assert len(list(api.sdk.dns.records.list(zone_id=zone, per_page=2))) == 7


def test_a_batch_is_one_revision_or_nothing(api):
    zone = api.zone()
    ids = [api.record(zone, name, proxied=False).id for name in ("gone", "patched", "put")]
    before = api.zones.store.revision
    done = api.sdk.dns.records.batch(
        zone_id=zone,
        deletes=[{"id": ids[0]}],
        patches=[{"id": ids[1], "content": "127.0.0.5", "name": "patched", "type": "A", "ttl": 1}],
        puts=[{"id": ids[2], "name": "put", "type": "A", "content": "127.0.0.6", "ttl": 1}],
        posts=[{"name": "posted", "type": "A", "content": "127.0.0.7", "ttl": 1}],
    )
    assert api.zones.store.revision == before + 1
    assert [one[0].content for one in (done.patches, done.puts, done.posts)] == [
        "127.0.0.5",
        "127.0.0.6",
        "127.0.0.7",
    ]
    names = {one.name for one in api.sdk.dns.records.list(zone_id=zone)}
    assert names == {"shop.test", "patched.shop.test", "put.shop.test", "posted.shop.test"}
    with pytest.raises(cloudflare.BadRequestError):
        api.sdk.dns.records.batch(
            zone_id=zone,
            deletes=[{"id": ids[1]}],
            posts=[{"name": "bad", "type": "A", "content": "nonsense", "ttl": 1}],
        )
    assert names == {one.name for one in api.sdk.dns.records.list(zone_id=zone)}


def test_a_zone_file_out_and_in_again(api):
    zone = api.zone()
    api.record(zone, "api", extra_body={"weight": 3})
    kinds = {"MX": "mail.shop.test", "TXT": 'quoted "text"; and more', "NS": "ns.other", "CNAME": "a.b.test"}
    for kind, content in kinds.items():
        api.record(
            zone,
            kind.lower(),
            type=kind,
            content=content,
            proxied=False,
            priority=7 if kind == "MX" else None,
        )
    text = api.sdk.dns.records.export(zone_id=zone)
    shown = {(one.name, one.type, one.proxied) for one in api.sdk.dns.records.list(zone_id=zone)}
    again = api.sdk.dns.records.import_(zone_id=zone, file=text)
    assert (again.total_records_parsed, again.recs_added) == (6, 0)
    other = api.sdk.zones.create(account={"id": api.account}, name="copy.test").id
    leaf = api.leaf("copy.test")
    api.sdk.custom_certificates.create(
        zone_id=other, certificate=leaf.certificate.read_text(), private_key=leaf.key.read_text()
    )
    api.sdk.dns.records.import_(zone_id=other, file=text.replace("shop.test", "copy.test"))
    copied = {
        (one.name.replace("copy", "shop"), one.type, one.proxied)
        for one in api.sdk.dns.records.list(zone_id=other)
    }
    assert copied == shown
    api.sdk.zones.settings.edit("grpc", zone_id=other, value="on")
    assert api.call("api.copy.test") == b"hello", "the port of the origin came along"


@pytest.mark.parametrize(
    "text",
    ["", "nonsense here", "@ IN A 999.1.1.1", "$INCLUDE /etc/passwd\n", "$GENERATE 1-99999999 a$ A 1.1.1.1"],
)
def test_files_that_are_none(api, text):
    zone = api.zone()
    answer = api.http.post(f"/zones/{zone}/dns_records/import", files={"file": text})
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.json()["result"]["recs_added"] == 0
    assert "root:" not in answer.text


@given(st.sampled_from(sorted(PARTS)), st.data())
def test_data_and_content_say_the_same(kind, data):
    word = st.text("abcdefghij.-", min_size=1, max_size=12)
    numbers = st.integers(0, 65535)
    said = {
        part.removesuffix("'"): data.draw(
            word if part in ("target", "value", "tag") or "'" in part else st.one_of(numbers, word)
        )
        for part in PARTS[kind]
    }
    content = content_of(kind, said)
    assert content is not None
    assert data_of(kind, content) == said
