"""Write huffman_tables.h: the code of RFC 7541 appendix B, to encode and to decode 12 bits at a time.

`--check` writes nothing and exits 1 if the file beside us is not what would be written.
"""
import sys
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "huffman_tables.h"
EOS = 256
WINDOW_BITS = 12

# RFC 7541 appendix B: which symbols have a code of how many bits. The code is canonical, so this says
# everything: codes count upwards, shorter ones first, by symbol among equals.
SYMBOLS = {
    5: [*b"012aceiost"],
    6: [*b" %-./3456789=A_bdfghlmnpru"],
    7: [*b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"],
    8: [*b"&*,;XZ"],
    10: [*b'!"()?'],
    11: [*b"'+|"],
    12: [*b"#>"],
    13: [0, *b"$@[]~"],
    14: [*b"^}"],
    15: [*b"<`{"],
    19: [*b"\\", 195, 208],
    20: [128, 130, 131, 162, 184, 194, 224, 226],
    21: [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230],
    22: [129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189,
         190, 196, 198, 228, 232, 233],
    23: [1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174,
         175, 180, 182, 183, 188, 191, 197, 231, 239],
    24: [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237],
    25: [199, 207, 234, 235],
    26: [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255],
    27: [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254],
    28: [*range(2, 9), 11, 12, *range(14, 22), *range(23, 32), 127, 220, 249],
    30: [10, 13, 22, EOS],
}


def codes() -> dict[int, tuple[int, int]]:
    """Symbol -> (code, bits)."""
    table: dict[int, tuple[int, int]] = {}
    code = bits = 0
    for length, symbols in SYMBOLS.items():
        code <<= length - bits
        bits = length
        for symbol in symbols:
            table[symbol] = code, bits
            code += 1
    if len(table) != 257 or code != 1 << 30:
        raise SystemExit("the code is not complete")
    return table


def windows(table: dict[int, tuple[int, int]]) -> Iterator[int]:
    """For each 12 bits: the one or two symbols they begin with, packed as in the header; 0 if none."""
    short = {(code, bits): symbol for symbol, (code, bits) in table.items() if bits <= WINDOW_BITS}

    def first(window: int, left: int) -> tuple[int, int] | None:
        for bits in range(5, left + 1):
            symbol = short.get((window >> (left - bits), bits))
            if symbol is not None:
                return symbol, bits
        return None

    for window in range(1 << WINDOW_BITS):
        one = first(window, WINDOW_BITS)
        if one is None:
            yield 0
            continue
        left = WINDOW_BITS - one[1]
        two = first(window & ((1 << left) - 1), left)
        total = one[1] + (two[1] if two else 0)
        second = two[0] if two else 0
        yield total | one[0] << 8 | second << 16 | (2 if two else 1) << 24 | one[1] << 28


def rows(numbers: list[str], per_line: int) -> str:
    return "\n".join("    " + ", ".join(numbers[at : at + per_line]) + ","
                     for at in range(0, len(numbers), per_line))


def text() -> str:
    table = codes()
    long_codes = []
    long_symbols: list[int] = []
    for bits, symbols in SYMBOLS.items():
        if bits > WINDOW_BITS:
            octets = [symbol for symbol in symbols if symbol != EOS]
            start = table[octets[0]][0]
            limit = (start + len(octets)) << (32 - bits)
            long_codes.append(f"    {{0x{limit:08x}u, 0x{start:08x}u, {bits}, {len(long_symbols)}}},")
            long_symbols += octets
    encode = [f"{{0x{table[symbol][0]:08x}u, {table[symbol][1]}}}" for symbol in range(256)]
    lengths = [str(table[symbol][1]) for symbol in range(256)]
    pairs = [f"0x{entry:08x}u" for entry in windows(table)]
    return "\n".join([
        "/* Written by cext/gen/huffman.py; edit that. The code of RFC 7541 appendix B. */",
        "#ifndef FASTGW_HUFFMAN_TABLES_H",
        "#define FASTGW_HUFFMAN_TABLES_H",
        "",
        "#include <stdint.h>",
        "",
        "/* Each octet's code, right-aligned, and its length in bits. */",
        "static const struct {",
        "  uint32_t code;",
        "  uint32_t bits;",
        "} huffman_codes[256] = {",
        rows(encode, 6),
        "};",
        "",
        "static const uint8_t huffman_bits[256] = {",
        rows(lengths, 24),
        "};",
        "",
        f"#define HUFFMAN_WINDOW_BITS {WINDOW_BITS}",
        "",
        "/* What a window of bits begins with: bits of all | symbol << 8 | symbol << 16 | count << 24 |",
        "   bits of the first << 28. 0: a longer code. */",
        "static const uint32_t huffman_pairs[1 << HUFFMAN_WINDOW_BITS] = {",
        rows(pairs, 9),
        "};",
        "",
        "/* Codes longer than a window, shortest first: those below `limit` (left-aligned in 32 bits) have",
        "   `bits` bits, count from `start`; their symbols are huffman_long_symbols from `at`. No EOS. */",
        "static const struct {",
        "  uint32_t limit;",
        "  uint32_t start;",
        "  uint32_t bits;",
        "  uint32_t at;",
        "} huffman_long[] = {",
        *long_codes,
        "};",
        "",
        "static const uint8_t huffman_long_symbols[] = {",
        rows([str(symbol) for symbol in long_symbols], 24),
        "};",
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
