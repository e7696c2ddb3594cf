"""The description of the admin API (OpenAPI 3.1), made of the table of resources and the models they use."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from fastgw import __version__
from fastgw.admin.call import Route
from fastgw.store.tokens import AREAS

_REF = "#/components/schemas/{model}"
_PART = re.compile(r"\{(\w+)\}")
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_TEXTS = (
    "setting_id",
    "hostname",
    "ruleset_phase",
    "ruleset_version",
    "rule_id",
    "ua_rule_id",
    "lock_downs_id",
)


class Complaint(BaseModel):
    """One thing that is wrong."""

    code: int
    message: str
    source: dict[str, str] | None = None
    error_chain: list[dict[str, Any]] | None = None


class Refusal(BaseModel):
    """An answer that says no."""

    success: bool
    errors: list[Complaint]
    messages: list[dict[str, Any]]
    result: None


def describe(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document."""
    models = _models(routes)
    _, definitions = models_json_schema([(model, mode) for model, mode in models], ref_template=_REF)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.root + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fastgw admin API",
            "version": __version__,
            "description": "Paths, envelope and error codes are those of the reference product, so that its "
            "SDK and its Terraform provider work; /fastgw/v1 is our own.",
        },
        "paths": paths,
        "components": {
            "schemas": {
                **definitions.get("$defs", {}),
                "Refusal": _plain(Refusal),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Refusal": {
                    "description": "It was refused; errors say why.",
                    "content": {"application/json": {"schema": {"$ref": _REF.format(model="Refusal")}}},
                }
            },
        },
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in sorted({route.tag for route in routes})],
        "x-scopes": dict(AREAS),
    }


def _plain(model: type[BaseModel]) -> dict[str, Any]:
    """Without references."""
    schema = model.model_json_schema()
    inner = schema.pop("$defs", {})
    if "Complaint" in inner:
        schema["properties"]["errors"]["items"] = inner["Complaint"]
    return schema


def _models(routes: Sequence[Route]) -> list[tuple[type[BaseModel], Any]]:
    found: dict[tuple[type[BaseModel], str], None] = {}
    for route in routes:
        if route.body is not None:
            found[route.body, "validation"] = None
        for inner in (route.result, *getattr(route.result, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found[inner, "serialization"] = None
    return list(found)


def _operation(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_params(route), *_query_params(route)],
        "responses": {"200": _answer(route), "4XX": {"$ref": "#/components/responses/Refusal"}},
    }
    if route.do.__doc__:
        said["description"] = route.do.__doc__.strip()
    if route.scope:
        said["x-scope"] = route.scope
    if route.body is not None:
        schema = {"$ref": _REF.format(model=route.body.__name__)}
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif route.octets:
        form = {
            "type": "object",
            "properties": {"file": {"type": "string"}, "proxied": {"type": "string"}},
            "required": ["file"],
        }
        said["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    return said


def _path_params(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"} if name in _TEXTS else _ID,
        }
        for name in _PART.findall(route.path)
    ]


def _query_params(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "in": "query", "description": one.description, "schema": one.schema}
        for one in route.query
    ]


def _answer(route: Route) -> dict[str, Any]:
    if not route.enveloped:
        return {"description": route.summary, "content": {route.media_type: {"schema": {"type": "string"}}}}
    properties: dict[str, Any] = {
        "success": {"const": True},
        "errors": {"type": "array", "maxItems": 0},
        "messages": {"type": "array", "items": {"type": "object"}},
        "result": _result(route.result),
    }
    if route.paging != "none":
        properties["result_info"] = {"type": "object"}
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["success", "errors", "messages", "result"],
    }
    return {"description": route.summary, "content": {"application/json": {"schema": schema}}}


def _result(result: Any) -> dict[str, Any]:
    if isinstance(result, type) and issubclass(result, BaseModel):
        return {"$ref": _REF.format(model=result.__name__)}
    inner = getattr(result, "__args__", ())
    if inner and isinstance(inner[0], type) and issubclass(inner[0], BaseModel):
        return {"type": "array", "items": {"$ref": _REF.format(model=inner[0].__name__)}}
    return {} if result is None else TypeAdapter(result).json_schema()


@functools.cache
def whole() -> dict[str, Any]:
    """The description of all that there is."""
    from fastgw.admin.resources import ROUTES

    return describe(ROUTES)
