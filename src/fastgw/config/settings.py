"""[zone.settings] as a pydantic model, made from the catalogue, and back to the values of a zone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, create_model

from fastgw.config.fields import ComplaintError, DurationText, Table, duration_ms, kind_of, switch
from fastgw.policy.catalogue import CATALOGUE, Setting
from fastgw.policy.limits import duration_text
from fastgw.policy.settings import Settings, settings_of


class _Settings(Table):
    """A zone's settings, by the names of the reference product: see settings.md."""


class _Object(Table):
    """The value of a setting that is a table."""


def _choice(row: Setting) -> Any:
    return Literal[row.values]


def _number(row: Setting) -> Any:
    hint = f"allowed: {row.range_text}"
    if row.values:
        allowed = row.values

        def pick(value: object) -> object:
            if isinstance(value, int) and not isinstance(value, bool) and value not in allowed:
                raise ComplaintError(f"is {value}, which is not one of the numbers that are allowed", hint)
            return value

        return Annotated[int, BeforeValidator(pick), Field(json_schema_extra={"enum": list(allowed)})]

    def judge(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and not row.least <= value <= row.most:
            raise ComplaintError(f"is {value}; it must be {row.range_text}")
        return value

    limits: dict[str, Any] = {"minimum": row.least, "maximum": row.most}
    return Annotated[int, BeforeValidator(judge), Field(json_schema_extra=limits)]


def _duration(row: Setting) -> Any:
    """Text with a unit; where the reference has them, also seconds: 120, 120.0 and "120"."""
    most = row.most / 1000

    def judge(value: object) -> object:
        number = value
        if row.seconds and isinstance(value, str) and value.isascii() and value.isdigit():
            number = int(value)
        if row.seconds and isinstance(number, int | float) and not isinstance(number, bool):
            if not 0 < number <= most:
                raise _out_of_range(row, value)
            return max(1, round(number * 1000))
        number = duration_ms(value)
        assert isinstance(number, int)
        if not row.least <= number <= row.most:
            raise _out_of_range(row, value)
        return number

    written: Any = DurationText
    if row.seconds:
        seconds = Annotated[float, Field(gt=0, le=most)]
        digits = Annotated[str, Field(pattern=r"^[0-9]{1,5}$")]
        written = DurationText | seconds | digits
    return Annotated[int, BeforeValidator(judge, json_schema_input_type=written)]


def _out_of_range(row: Setting, value: object) -> ComplaintError:
    if str(value).strip("0.smh") == "":
        if row.id == "proxy_read_timeout":
            return ComplaintError("is 0, so that no stream could wait", 'long_lived_grpc = "on" lifts it')
        return ComplaintError(
            "is 0, so that nothing could ever succeed", 'write a time above zero, as in "10s"'
        )
    return ComplaintError(f"is {value!r}; it must be {row.range_text}")


def _listed(row: Setting) -> Any:
    if not row.values:
        return list[Annotated[str, Field(min_length=1)]]
    known = row.values
    listed = ", ".join(map(str, known))

    def judge(value: object) -> object:
        if not isinstance(value, list):
            return value
        for one in value:
            if one not in known:
                sentence = f"has {one!r}, which may not be chosen"
                if isinstance(one, str) and one.startswith("TLS_"):
                    sentence = f"has {one!r}: the suites of TLS 1.3 are not chosen"
                elif isinstance(one, str) and row.id == "ciphers":
                    sentence = f"has {one!r}, which is no suite that HTTP/2 allows (RFC 9113 appendix A)"
                raise ComplaintError(sentence, f"allowed: {listed}")
        doubles = [one for index, one in enumerate(value) if one in value[:index]]
        if doubles:
            raise ComplaintError(f"has {doubles[0]!r} twice", "keep one of them")
        return value

    items = {"type": "string", "enum": list(known)}
    shown = WithJsonSchema({"type": "array", "items": items, "uniqueItems": True})
    return Annotated[list[str], BeforeValidator(judge), shown]


def _unset() -> None:
    """What is not written is not kept; a schema shows no default for it."""


def _table(row: Setting) -> Any:
    title = "".join(word.capitalize() for word in row.id.split("_")) + "Value"
    fields: dict[str, Any] = {
        field.id: Annotated[_type(field), Field(default_factory=_unset, description=field.effect)]
        for field in row.fields
    }
    return create_model(title, __base__=_Object, __doc__=f"The value of {row.id}.", **fields)


def _type(row: Setting) -> Any:
    if row.type == "on_off":
        return Annotated[Literal["on", "off"], BeforeValidator(switch)]
    if row.type == "boolean":
        return bool
    if row.type == "enum":
        return _choice(row)
    if row.type == "duration":
        return _duration(row)
    if row.type == "integer":
        return _number(row)
    if row.type == "list":
        return _listed(row)
    if row.type == "object":
        return _table(row)
    return str


def _locked(row: Setting) -> BeforeValidator:
    def judge(value: object) -> object:
        if value != row.default:
            raise ComplaintError(
                f"is {kind_of(value)}, but cannot be changed", f"leave it out, or {row.text(row.default)}"
            )
        return value

    return BeforeValidator(judge)


def _field(row: Setting) -> Any:
    kind = _type(row)
    if not row.editable:
        kind = Annotated[kind, _locked(row)]
    shown: dict[str, Any] = {}
    if row.type == "duration" and isinstance(row.default, int):
        shown = {"default": duration_text(row.default)}
    elif row.type == "object":
        shown = {"default": row.default}
    field = Field(description=row.effect, json_schema_extra=shown or None)
    return Annotated[kind, field], None if row.type == "object" else row.default


SettingsTable: type[Table] = create_model(
    "SettingsTable",
    __base__=_Settings,
    __doc__=_Settings.__doc__,
    **{row.id: _field(row) for row in CATALOGUE.values()},
)
"""What may be written; every row of the catalogue once."""


_DEFAULT = Settings()


def take_settings(table: Table) -> Settings:
    """The values of a judged table; what was not written has its default."""
    written: dict[str, object] = {}
    if not table.model_fields_set:
        return _DEFAULT
    for key in table.model_fields_set:
        value = getattr(table, key)
        written[key] = value.model_dump(exclude_unset=True) if isinstance(value, Table) else value
    return settings_of(written)
