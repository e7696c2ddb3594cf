"""cext/fieldscan: scalar and vector twins, the whole and its parts, what a judged field section then says."""

from fastgw._core.wire.fields import FieldKind, Section, octet_classes, scan

NAME, VALUE = 1, 4
SCALAR = 0
TWINS = [twin for twin in (1, 2, 3) if scan("name", b"x", twin) is not None]


def one(data: bytes) -> None:
    """Any octets; behind a `;`, a field section as well: names and values, each behind its length."""
    for what, bit in (("name", NAME), ("value", VALUE)):
        for start in (0, 1, 3):
            # A view, not a copy: its end is where the input ends, and what is behind must not be read.
            octets = memoryview(data)[start:]
            legal = bool(octet_classes(data[start:]) & bit)
            assert scan(what, octets) is legal
            for twin in (SCALAR, *TWINS):
                assert scan(what, octets, twin) is legal, (what, twin)
    if data[:1] == b";":
        sections(data[1:])


def sections(data: bytes) -> None:
    """Judging never depends on the twin that judges, and what was found is a field of the section."""
    parts = []
    at = 0
    while at < len(data) and len(parts) < 64:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    fields = list(zip(parts[::2], parts[1::2], strict=False))
    section = Section(fields)
    strange = False
    for (name, value), (kind, fault) in zip(fields, section.judged(), strict=True):
        bare = name[1:] if name[:1] == b":" else name
        strange = strange or kind == FieldKind.PSEUDO_UNKNOWN
        if fault == 0:
            assert scan("value", value, SCALAR)
            assert kind == FieldKind.PSEUDO_UNKNOWN or (bare and scan("name", bare, SCALAR))
    values = [value for _, value in fields]
    reason, found = section.request_head()
    if reason == 0:
        for word in ("method", "path", "authority"):
            assert found[word] is None or found[word] in values
        assert found["content_length"] >= -1
    assert reason != 0 or not strange
    reason, found = section.response_head()
    if reason == 0:
        assert 100 <= found["status"] <= 599
        assert (b":status", b"%d" % found["status"]) in fields
    assert reason != 0 or not strange
    assert section.trailers()[0] != 0 or not strange
