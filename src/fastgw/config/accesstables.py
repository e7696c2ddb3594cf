"""[zone.access] as pydantic models: who may call what, and what proves who a caller is."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fastgw.config.fields import ComplaintError, Table, Text, kind_of
from fastgw.config.routing import MetadataName
from fastgw.config.ruletables import between
from fastgw.policy.access import SECRET_DIGEST, Algorithm

_DIGEST = re.compile(rf"[0-9a-fA-F]{{{SECRET_DIGEST}}}")


def _digest(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _DIGEST.fullmatch(value):
        raise ComplaintError("is no SHA-256 digest", f"{SECRET_DIGEST} hex digits")
    return value.lower()


def _instant(value: object) -> object:
    """A time of TOML or as text (RFC 3339), as seconds since 1970."""
    found = value
    if isinstance(value, str):
        try:
            found = datetime.datetime.fromisoformat(value)
        except ValueError:
            raise ComplaintError(f"is {value!r}, which is no time", 'write "2027-01-31T00:00:00Z"') from None
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if isinstance(found, datetime.datetime):
        if found.tzinfo is None:
            raise ComplaintError("has no time zone", 'write a Z behind it, as in "2027-01-31T00:00:00Z"')
        return int(found.timestamp())
    if isinstance(found, datetime.date):
        noon = datetime.datetime(found.year, found.month, found.day, tzinfo=datetime.UTC)
        return int(noon.timestamp())
    raise ComplaintError(f"must be a time, not {kind_of(value)}", 'write "2027-01-31T00:00:00Z"')


def _many(value: object) -> object:
    """One text stands for an array of it."""
    return [value] if isinstance(value, str) else value


def _algorithm(value: object) -> object:
    if isinstance(value, str) and (value.lower() == "none" or value.upper().startswith("HS")):
        raise ComplaintError(
            f"is {value!r}, with which everybody could sign" if value.lower() == "none"
            else f"is {value!r}, a secret that the issuer and the gateway would share",
            "write RS256, ES256 or EdDSA",
        )  # fmt: skip
    return value


Instant = Annotated[int, BeforeValidator(_instant, json_schema_input_type=str)]
Digest = Annotated[str, BeforeValidator(_digest)]
Texts = Annotated[list[Text], BeforeValidator(_many, json_schema_input_type=list[Text] | Text)]
_Values = Annotated[list[Text], Field(min_length=1, max_length=1000)]


class RequirementTable(Table):
    """An entry of `include`, `require` or `exclude`: one key, one thing asked of the caller."""

    everyone: Annotated[Literal[True] | None, Field(description="whoever calls")] = None
    ip: Annotated[_Values | None, Field(description="calls from these addresses and networks")] = None
    ip_list: Annotated[Text | None, Field(description="calls from a list of [lists] or [zone.lists]")] = None
    country: Annotated[_Values | None, Field(description="calls from these countries, by ISO code")] = None
    service_token: Annotated[
        _Values | None, Field(description="these service tokens, by client id or name")
    ] = None
    any_valid_service_token: Annotated[Literal[True] | None, Field(description="any of the zone's")] = None
    jwt: Annotated[
        Literal[True] | _Values | None, Field(description="a valid token, of any issuer or of these")
    ] = None
    email: Annotated[_Values | None, Field(description="the claim `email` of a valid token")] = None
    email_domain: Annotated[_Values | None, Field(description="what follows the @ in it")] = None
    claim: Annotated[Text | None, Field(description="the name of a claim; goes with values")] = None
    values: Annotated[_Values | None, Field(description="what the claim is, or has among its items")] = None
    certificate: Annotated[
        Literal[True] | None, Field(description="a client certificate that was found good")
    ] = None
    common_name: Annotated[_Values | None, Field(description="the common name of its subject")] = None
    fingerprint: Annotated[
        list[Digest] | None, Field(min_length=1, max_length=1000, description="its SHA-256 digest")
    ] = None
    san: Annotated[_Values | None, Field(description="a DNS name, address or URI it bears")] = None


_Requirements = Annotated[list[RequirementTable], Field(max_length=100)]


class PolicyTable(Table):
    """An entry of an application's `policies`."""

    name: Annotated[Text, Field(max_length=200, description="for people, in logs and denials")]
    decision: Annotated[
        Literal["allow", "deny", "bypass", "service_auth", "non_identity"],
        Field(
            description="service_auth (non_identity is the same) and bypass are asked first; "
            "bypass asks for no identity"
        ),
    ]
    include: Annotated[_Requirements, Field(min_length=1, description="one of these must hold")]
    require: Annotated[_Requirements, Field(description="and each of these")] = Field(default=[])
    exclude: Annotated[_Requirements, Field(description="and none of these")] = Field(default=[])


class ApplicationTable(Table):
    """[[zone.access.applications]]: a part of the zone that only some may call."""

    name: Annotated[Text, Field(max_length=200, description="for people, in logs and denials")]
    host: Annotated[
        Text | None, Field(description="a name of the zone, as in dns; default: all of the zone")
    ] = None
    path: Annotated[
        Text | None,
        Field(description='"/pkg.Service" and all below it, "/pkg.*" all that begins so; default: all'),
    ] = None
    policies: Annotated[
        list[PolicyTable], Field(max_length=100, description="of whom none decides is denied")
    ] = Field(default=[])


class ServiceTokenTable(Table):
    """[[zone.access.service_tokens]]: a client id, and the digest of its secret."""

    id: Annotated[Text, Field(max_length=200, description="the client id, sent as cf-access-client-id")]
    secret_sha256: Annotated[
        Digest, Field(description="SHA-256 of the secret, which itself is never written")
    ]
    name: Annotated[str, Field(max_length=200, description="for people, and for policies to name it")] = ""
    enabled: Annotated[bool, Field(description="is it good at all")] = True
    expires_at: Annotated[Instant | None, Field(description="until when; default: for ever")] = None
    previous_sha256: Annotated[Digest | None, Field(description="of the secret before the last change")] = (
        None
    )
    previous_until: Annotated[Instant | None, Field(description="until when that is good too")] = None


class JwtTable(Table):
    """[[zone.access.jwt]]: an issuer whose tokens are believed."""

    issuer: Annotated[Text, Field(description="as in the claim iss")]
    audience: Annotated[Texts, Field(min_length=1, description="one of these must be in the claim aud")]
    jwks_file: Annotated[Text | None, Field(description="the issuer's public keys, a JWK set in JSON")] = None
    jwks_url: Annotated[
        Text | None, Field(description="or where they are fetched: https, or http on this machine")
    ] = None
    header: Annotated[
        MetadataName,
        Field(description="where clients put the token; in authorization it follows the word Bearer"),
    ] = "authorization"
    algorithms: Annotated[
        list[Annotated[Algorithm, BeforeValidator(_algorithm)]],
        Field(min_length=1, description="of signatures that are believed"),
    ] = Field(default=["RS256", "ES256"])
    leeway: between(0, 300, "seconds that clocks may differ") = 30  # type: ignore[valid-type]
    refresh: between(10, 86_400, "seconds after which keys are fetched anew") = 300  # type: ignore[valid-type]


class AuthoritiesTable(Table):
    """`certificates` of [zone.access]: which client certificates count."""

    ca: Annotated[
        Text, Field(description="PEM certificates of who vouches for clients, who are asked for one")
    ]
    crl: Annotated[Text | None, Field(description="revoked ones: lists in PEM, or one in DER")] = None


class IdentityTable(Table):
    """[zone.access.identity]: how the origin is told who calls."""

    key: Annotated[Text, Field(description="PEM, RSA or EC P-256; what signs the token for the origin")]
    issuer: Annotated[Text, Field(description="the claim iss of it")]
    audience: Annotated[
        Texts | None, Field(description="the claim aud; default: the name of the application")
    ] = None
    header: Annotated[
        MetadataName, Field(description="where it is put; what clients put there is removed")
    ] = "cf-access-jwt-assertion"
    lifetime: between(10, 3600, "seconds, never beyond the caller's own token") = 60  # type: ignore[valid-type]


class AccessTable(Table):
    """[zone.access]: who may call."""

    grpc: Annotated[
        Literal["enforce", "bypass"],
        Field(description="bypass: gRPC calls pass unjudged, as at the reference product"),
    ] = "enforce"
    applications: Annotated[
        list[ApplicationTable],
        Field(max_length=500, description="what is protected; the most special one judges"),
    ] = Field(default=[])
    service_tokens: Annotated[
        list[ServiceTokenTable], Field(max_length=10_000, description="of machines")
    ] = Field(default=[])
    jwt: Annotated[list[JwtTable], Field(max_length=20, description="issuers of tokens")] = Field(default=[])
    certificates: Annotated[AuthoritiesTable | None, Field(description="of clients")] = None
    identity: Annotated[IdentityTable | None, Field(description="what the origin is told")] = None
    recheck: Annotated[
        bool, Field(description="does a stream end when the token it was allowed by expires or is withdrawn")
    ] = False
    read_service_tokens_from_header: Annotated[
        MetadataName | None,
        Field(description="a header that may hold both parts of a service token as JSON"),
    ] = None
