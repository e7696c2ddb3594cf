"""Access applications, policies and service tokens through the SDK: they decide about the next call."""

import cloudflare
import grpc
import pytest

from tests.support.grpc_echo import Echo, channel

NO = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
ANY = {"name": "machines", "decision": "non_identity", "include": [{"any_valid_service_token": {}}]}


def call(api, name="shop.test", token=None):
    """One call with a service token: its answer, or how it fails."""
    sent = [] if token is None else [
        ("cf-access-client-id", token.client_id), ("cf-access-client-secret", token.client_secret)
    ]  # fmt: skip
    host, _, port = api.gateway.addresses[0].rpartition(":")
    with channel((host, int(port)), ca_pem=api.ca.pem, name=name) as opened:
        try:
            return Echo(opened).unary(b"hello", timeout=5, metadata=sent)
        except grpc.RpcError as error:
            return error.code()


@pytest.fixture
def access(api):
    return api.sdk.zero_trust.access


def app(api, access, zone, *policies, domain="shop.test", **more):
    said = {"domain": domain, "type": "self_hosted", "policies": list(policies), **more}
    return access.applications.create(zone_id=zone, **said)


def test_a_service_token_opens_and_a_rotation_closes(api, access):
    zone = api.zone()
    served = b"hello"
    assert call(api) == served
    made = access.service_tokens.create(account_id=api.account, name="ci")
    assert made.client_secret
    assert (made.duration, made.enabled) == ("8760h", True)
    app(api, access, zone, ANY, name="shop")
    assert call(api) in NO
    assert call(api, token=made) == served
    seen = access.service_tokens.get(made.id, account_id=api.account).to_dict()
    assert "client_secret" not in seen
    assert made.client_secret not in str(api.zones.get("shop.test")[0].document)
    turned = access.service_tokens.rotate(made.id, account_id=api.account)
    assert call(api, token=made) in NO
    assert call(api, token=turned) == served
    later = access.service_tokens.rotate(
        made.id, account_id=api.account, previous_client_secret_expires_at="2099-01-01T00:00:00Z"
    )
    assert call(api, token=turned) == call(api, token=later) == served
    off = access.service_tokens.update(made.id, account_id=api.account, enabled=False)
    assert off.enabled is False
    assert call(api, token=later) in NO
    access.service_tokens.update(made.id, account_id=api.account, enabled=True, name="deploy")
    assert call(api, token=later) == served
    log = api.http.get(f"/accounts/{api.account}/audit_logs", params={"per_page": "100"}).text
    assert "deploy" in log
    assert "sha256" not in log
    fresh = access.service_tokens.refresh(made.id, account_id=api.account)
    assert (fresh.id, fresh.client_id) == (made.id, made.client_id)
    found = access.service_tokens.list(account_id=api.account, name="deploy")
    assert [one.id for one in found] == [made.id]
    assert list(access.service_tokens.list(zone_id=zone)) == []


def test_who_is_named(api, access):
    zone = api.zone()
    ours, others = (access.service_tokens.create(zone_id=zone, name=name) for name in ("a", "b"))
    named = {**ANY, "include": [{"service_token": {"token_id": ours.id}}]}
    made = app(api, access, zone, named)
    assert call(api, token=ours) == b"hello"
    assert call(api, token=others) in NO
    with pytest.raises(cloudflare.ConflictError, match="names the token"):
        access.service_tokens.delete(ours.id, zone_id=zone)
    with pytest.raises(cloudflare.NotFoundError):
        access.service_tokens.get(ours.id, account_id=api.account)
    access.service_tokens.delete(others.id, zone_id=zone)
    assert access.applications.delete(made.id, zone_id=zone).id == made.id
    assert call(api) == b"hello"
    access.service_tokens.delete(ours.id, zone_id=zone)
    assert "access" not in api.zones.get("shop.test")[0].document
    for duration in ("1 year", "", "0s", "5x"):
        with pytest.raises(cloudflare.BadRequestError):
            access.service_tokens.create(zone_id=zone, name="x", duration=duration)
    assert access.service_tokens.create(zone_id=zone, name="x", duration="forever").duration == "forever"


def test_applications_and_their_policies(api, access):
    zone = api.zone()
    made = app(api, access, zone, {"name": "deny", "decision": "deny", "include": [{"everyone": {}}]})
    assert call(api) in NO
    assert access.applications.get(made.id, zone_id=zone).to_dict() == made.to_dict()
    assert access.applications.get(made.id, account_id=api.account).id == made.id
    local = {"name": "here", "decision": "bypass", "include": [{"ip": {"ip": "127.0.0.0/8"}}]}
    policies = access.applications.policies
    first = policies.create(made.id, zone_id=zone, extra_body={**local, "precedence": 1})
    assert call(api) == b"hello"
    shown = policies.list(made.id, zone_id=zone)
    assert {one.name for one in shown} == {"deny", "here"}
    policies.update(
        first.id, app_id=made.id, zone_id=zone,
        extra_body={**local, "include": [{"ip": {"ip": "192.0.2.0/24"}}]},
    )  # fmt: skip
    assert call(api) in NO
    policies.delete(first.id, app_id=made.id, zone_id=zone)
    moved = access.applications.update(
        made.id, zone_id=zone, domain="shop.test/other.Svc", type="self_hosted"
    )
    assert (moved.id, moved.domain, len(moved.policies)) == (made.id, "shop.test/other.Svc", 1)
    assert call(api) == b"hello"
    assert [one.id for one in access.applications.list(account_id=api.account, domain="other")] == [made.id]
    assert list(access.applications.list(zone_id=zone, name="nobody")) == []
    for wrong in (
        {"domain": "elsewhere.test"},
        {"type": "saas"},
        {"policies": [{**ANY, "include": [{"okta": {"name": "x"}}]}]},
        {"policies": ["0" * 32]},
        {"domain": "shop.test/other.Svc"},
    ):
        with pytest.raises(cloudflare.BadRequestError):
            app(api, access, zone, **{"policies": [], **wrong}) if "policies" not in wrong else app(
                api, access, zone, *wrong["policies"]
            )
    with pytest.raises(cloudflare.NotFoundError):
        access.applications.get("0" * 32, zone_id=zone)


def test_a_shared_policy_is_felt_in_all_zones_at_once(api, access):
    local = [{"ip": {"ip": "127.0.0.1"}}]
    made = access.policies.create(account_id=api.account, name="here", decision="bypass", include=local)
    for name in ("a.test", "b.test"):
        app(api, access, api.zone(name), made.id, domain=name)
    assert {call(api, "a.test"), call(api, "b.test")} == {b"hello"}
    before, far = api.gateway.revision, [{"ip": {"ip": "192.0.2.1"}}]
    access.policies.update(made.id, account_id=api.account, name="far", decision="bypass", include=far)
    assert api.gateway.revision == before + 1
    assert {call(api, "a.test"), call(api, "b.test")} <= NO
    with pytest.raises(cloudflare.ConflictError):
        access.policies.delete(made.id, account_id=api.account)
    with pytest.raises(cloudflare.BadRequestError):
        access.policies.create(account_id=api.account, name="x", decision="allow", include=[{"github": {}}])
    assert [one.name for one in access.policies.list(account_id=api.account)] == ["far"]


def test_a_list_of_the_account_may_be_asked_for(api, access):
    zone = api.zone()
    office = api.sdk.rules.lists.create(account_id=api.account, name="office", kind="ip")
    asked = [{"ip_list": {"id": office.id}}]
    app(api, access, zone, {"name": "office", "decision": "bypass", "include": asked})
    assert call(api) in NO
    api.sdk.rules.lists.items.create(office.id, account_id=api.account, body=[{"ip": "127.0.0.1"}])
    assert call(api) == b"hello"


def test_who_may_not(api):
    reader = api.client(api.new_token("access:read")).zero_trust.access
    assert list(reader.service_tokens.list(account_id=api.account)) == []
    with pytest.raises(cloudflare.PermissionDeniedError):
        reader.service_tokens.create(account_id=api.account, name="x")


async def test_the_async_client(api):
    zone = api.zone()
    async with cloudflare.AsyncCloudflare(api_token=api.token, base_url=api.url, max_retries=0) as client:
        access = client.zero_trust.access
        token = await access.service_tokens.create(zone_id=zone, name="ci")
        await access.applications.create(
            zone_id=zone, domain="shop.test", type="self_hosted", policies=[ANY], name="shop"
        )
        assert [one.name async for one in access.applications.list(zone_id=zone)] == ["shop"]
    assert call(api) in NO
    assert call(api, token=token) == b"hello"
