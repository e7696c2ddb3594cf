"""What callgrind wrote is read as it means it: own cost only, names remembered."""

from __future__ import annotations

import pytest

from bench.instructions import by_room, per_call, plain, read_callgrind, report, room

OUT = """\
version: 1
events: Ir
fl=(1) a.c
ob=(1) /x/fastgw/_core/wire/hpack.cpython-311-x86_64-linux-gnu.so
fn=(1) decode
10 100
+2 20
cob=(2) /lib/libc.so.6
cfn=(2) memcpy
calls=5 0
* 5000
-1 3

ob=(2)
fn=(2)
0 70
fn=(1)
ob=(1)
12 7
totals: 200
""".splitlines()

HPACK = ("/x/fastgw/_core/wire/hpack.cpython-311-x86_64-linux-gnu.so", "decode")
MEMCPY = ("/lib/libc.so.6", "memcpy")


def test_only_own_cost_counts() -> None:
    assert read_callgrind(OUT) == {HPACK: 130, MEMCPY: 70}


def test_start_up_cancels_out() -> None:
    fewer = read_callgrind(OUT)
    more = read_callgrind(OUT)
    more[HPACK] += 400
    costs = per_call(fewer, more, 4)
    assert costs == {HPACK: 100, MEMCPY: 0}
    assert by_room(costs) == {"wire.hpack": 100, "libc": 0}
    assert "wire.hpack                           100  100.0%" in report(costs, 1)
    assert "libc " not in report(costs, 0)


@pytest.mark.parametrize(
    ("file", "whose"),
    [
        ("/x/fastgw/_core/buf.cpython-311-x86_64-linux-gnu.so", "buf"),
        ("/x/cryptography/hazmat/bindings/_rust.abi3.so", "OpenSSL (libcrypto, libssl)"),
        ("/usr/bin/python3.11", "Python"),
        ("/lib64/ld-linux-x86-64.so.2", "loader"),
        ("/lib/libz.so.1", "libz.so.1"),
        ("", "unknown"),
    ],
)
def test_rooms(file: str, whose: str) -> None:
    assert room(file) == whose


@pytest.mark.parametrize(
    ("where", "function", "name"),
    [
        ("wire.hpack", "__pyx_f_6fastgw_5_core_4wire_5hpack_hpack_decode", "hpack_decode"),
        ("h2.conn", "__pyx_f_6fastgw_5_core_2h2_4conn__take_block", "_take_block"),
        ("wire.hpack", "huffman_decode", "huffman_decode"),
        ("OpenSSL (libcrypto, libssl)", "aesni_ctr32", "aesni_ctr32"),
    ],
)
def test_functions_have_the_names_of_the_source(where: str, function: str, name: str) -> None:
    assert plain(where, function) == name
