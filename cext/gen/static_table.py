"""Write static_table.h: the 61 entries of RFC 7541 appendix A and a perfect hash to a name's first.

`--check` writes nothing and exits 1 if the file beside us is not what would be written.
"""
import sys
from itertools import groupby
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "static_table.h"
SLOT_BITS = 7
FACTOR = 0x9B18B231  # found by trying odd numbers at random: every name gets a slot of its own

# RFC 7541 appendix A, in order, the first entry has index 1.
ENTRIES = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    *((":status", status) for status in "200 204 206 304 400 404 500".split()),  # noqa: SIM905
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    *((name, "") for name in """
        accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control
        content-disposition content-encoding content-language content-length content-location content-range
        content-type cookie date etag expect expires from host if-match if-modified-since if-none-match
        if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate
        proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security
        transfer-encoding user-agent vary via www-authenticate""".split()),  # noqa: SIM905
]


def key(name: str) -> int:
    """What static_name_key in the header computes: no two names of the table agree in it."""
    return ord(name[0]) | ord(name[len(name) // 2]) << 8 | ord(name[-1]) << 16 | len(name) << 24


def slot(name: str) -> int:
    return (key(name) * FACTOR & 0xFFFFFFFF) >> (32 - SLOT_BITS)


def text() -> str:
    if len(ENTRIES) != 61:
        raise SystemExit("the table is not complete")
    first = {name: next(group)[0] for name, group in groupby(enumerate(ENTRIES, 1), lambda row: row[1][0])}
    run = {name: sum(1 for other, _ in ENTRIES if other == name) for name in first}
    if len({slot(name) for name in first}) != len(first):
        raise SystemExit("two names share a slot: look for another FACTOR")
    slots = ["0"] * (1 << SLOT_BITS)
    for name, index in first.items():
        slots[slot(name)] = str(index)
    values = [run[name] if first[name] == index else 0 for index, (name, _) in enumerate(ENTRIES, 1)]
    entries = [f'    {{"{name}", "{value}", {len(name)}, {len(value)}, {values[index - 1]}}},'
               for index, (name, value) in enumerate(ENTRIES, 1)]
    slot_rows = ["    " + ", ".join(slots[at : at + 24]) + "," for at in range(0, len(slots), 24)]
    return "\n".join([
        "/* Written by cext/gen/static_table.py; edit that. The static table of RFC 7541 appendix A. */",
        "#ifndef FASTGW_STATIC_TABLE_H",
        "#define FASTGW_STATIC_TABLE_H",
        "",
        "#include <stdint.h>",
        "#include <string.h>",
        "",
        "#define STATIC_ENTRIES 61",
        "",
        "typedef struct {",
        "  const char *name;",
        "  const char *value;",
        "  uint8_t name_length;",
        "  uint8_t value_length;",
        "  uint8_t values; /* in the first entry of a name: how many entries have it; 0 elsewhere */",
        "} StaticEntry;",
        "",
        "/* By index; 0 is no entry. */",
        "static const StaticEntry static_table[STATIC_ENTRIES + 1] = {",
        '    {"", "", 0, 0, 0},',
        *entries,
        "};",
        "",
        f"static const uint8_t static_slots[{1 << SLOT_BITS}] = {{",
        *slot_rows,
        "};",
        "",
        "static inline uint32_t static_name_key(const uint8_t *name, uint32_t length) {",
        "  uint32_t middle = name[length / 2], last = name[length - 1];",
        "  return name[0] | middle << 8 | last << 16 | length << 24;",
        "}",
        "",
        "/* The first index whose entry has this name, 0 if there is none. */",
        "static inline uint32_t static_name_find(const uint8_t *name, uint32_t length) {",
        "  if (length == 0) {",
        "    return 0;",
        "  }",
        f"  uint32_t slot = static_name_key(name, length) * 0x{FACTOR:08x}u >> {32 - SLOT_BITS};",
        "  uint32_t index = static_slots[slot];",
        "  const StaticEntry *entry = &static_table[index];",
        "  return entry->name_length == length && memcmp(entry->name, name, length) == 0 ? index : 0;",
        "}",
        "",
        "/* The index of the entry that has the name of entry `first` and this value, 0 if there is none. */",
        "static inline uint32_t static_value_find(uint32_t first, const uint8_t *value, uint32_t length) {",
        "  for (uint32_t index = first; index < first + static_table[first].values; index++) {",
        "    const StaticEntry *entry = &static_table[index];",
        "    if (entry->value_length == length &&",
        "        ((const uint8_t *)entry->value == value || memcmp(entry->value, value, length) == 0)) {",
        "      return index;",
        "    }",
        "  }",
        "  return 0;",
        "}",
        "",
        "#endif",
        "",
    ])


def main() -> int:
    wanted = text()
    if "--check" in sys.argv[1:]:
        same = TARGET.exists() and TARGET.read_text() == wanted
        if not same:
            print(f"{TARGET.name} is not what {Path(__file__).name} writes", file=sys.stderr)
        return 0 if same else 1
    TARGET.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
