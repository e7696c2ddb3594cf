"""RFC 8446 section 5: records after the handshake, from a client that keeps the rules and from others."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw._core.io.records import RecordsDoor, ways
from tests.io.records_support import (
    ALERT,
    CLIENT,
    CLOSE_NOTIFY,
    DATA,
    DONE,
    ENDED,
    FAILED,
    HANDSHAKE,
    SERVER,
    UPDATE,
    UPDATE_BOTH,
    WANTS,
    Client,
    Way,
)

UNEXPECTED_MESSAGE, BAD_RECORD_MAC, RECORD_OVERFLOW = 10, 20, 22
ILLEGAL_PARAMETER, DECODE_ERROR = 47, 50

pytestmark = pytest.mark.skipif(ways() == 0, reason="this processor has no instructions for it")


@pytest.fixture
def client():
    return Client()


def test_all_of_a_connection_fits_into_a_kibibyte(client):
    assert client.door.size < 1024


@pytest.mark.rfc("8446 5.2")
def test_a_recorded_connection():
    """RFC 8448 section 3, from the session ticket on: the octets of both sides."""
    door = RecordsDoor(
        bytes.fromhex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"),
        bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"),
    )
    door.push(
        bytes.fromhex(
            "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b"
            "62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4"
            "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"
        )
    )
    assert door.read() == (ENDED, bytes(range(50)))
    door.seal(b"in the place of the ticket")
    assert door.seal(bytes(range(50)))[0].hex() == (
        "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8"
        "fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d"
    )
    door.shutdown()
    assert door.pull().hex() == "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"


@pytest.mark.rfc("8446 5.1")
@pytest.mark.parametrize("size", [1, 15, 16, 111, 4096, 16383, 16384])
def test_there_and_back(client, size):
    text = bytes(number & 255 for number in range(size))
    for _ in range(3):
        assert client.give(client.out.seal(text)) == (WANTS, text)
        sealed, taken = client.door.seal(text)
        assert (taken, client.back.open(sealed)) == (size, [(DATA, text)])


@pytest.mark.rfc("8446 5.1")
def test_more_than_a_record_holds_is_not_taken(client):
    sealed, taken = client.door.seal(b"x" * 16385)
    assert (taken, client.back.open(sealed)) == (16384, [(DATA, b"x" * 16384)])


@pytest.mark.rfc("8446 5.4")
@pytest.mark.parametrize("padding", [1, 15, 1000, 16380])
def test_padding_is_taken_off(client, padding):
    assert client.give(client.out.seal(b"x\0y\0", padding=padding)) == (WANTS, b"x\0y\0")


def test_a_record_cut_anywhere(client):
    for at in range(1, 60):
        sealed = client.out.seal(b"x" * 38)
        assert client.give(sealed[:at]) == (WANTS, b"")
        assert client.door.held > 0
        assert client.give(sealed[at:]) == (WANTS, b"x" * 38)
        assert client.door.held == 0


def test_octet_by_octet(client):
    sealed = b"".join(client.out.seal(bytes([number]) * number) for number in range(1, 9))
    found = b"".join(client.give(sealed[at : at + 1])[1] for at in range(len(sealed)))
    assert found == b"".join(bytes([number]) * number for number in range(1, 9))
    assert client.door.held == 0


@given(
    texts=st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.integers(0, 40)), max_size=12),
    cuts=st.lists(st.integers(0, 4000), max_size=12),
)
def test_cutting_changes_nothing(texts, cuts):
    client = Client()
    sealed = b"".join(client.out.seal(text, padding=padding) for text, padding in texts)
    places = sorted({0, len(sealed), *(cut % (len(sealed) + 1) for cut in cuts)})
    found = []
    for begin, end in pairwise(places):
        result, octets = client.give(sealed[begin:end])
        assert result == WANTS
        found.append(octets)
    assert b"".join(found) == b"".join(text for text, _ in texts)
    assert client.door.held == 0


def test_many_records_at_once(client):
    sealed = b"".join(client.out.seal(b"abc") for _ in range(1000))
    assert client.give(sealed + client.out.seal(b"whole")[:9]) == (WANTS, b"abc" * 1000)


def test_room_for_less_than_the_next_record(client):
    client.door.push(client.out.seal(b"x" * 100) + client.out.seal(b"y" * 100))
    assert client.door.read(100) == (DONE, b"")
    assert client.door.read(150) == (DONE, b"x" * 100)
    assert client.door.read(101) == (WANTS, b"y" * 100)


@pytest.mark.rfc("8446 5.2")
def test_each_octet_of_a_record_counts():
    """A changed one ends the connection, with the alert that its place asks for; nothing is handed out."""
    for at in range(5 + 40 + 1 + 16):
        client = Client()
        good, sealed = client.out.seal(b"good"), bytearray(client.out.seal(b"x" * 40))
        sealed[at] ^= 0x80
        wanted = {0: UNEXPECTED_MESSAGE, 3: RECORD_OVERFLOW}.get(at, BAD_RECORD_MAC)
        filler = b"\0" * 128 if at == 4 else b""  # it says that it is longer
        assert client.refused(good + bytes(sealed) + filler, wanted) == b"good"


@pytest.mark.rfc("8446 5.3")
def test_a_record_again_or_out_of_turn_does_not_open():
    client = Client()
    first = client.out.seal(b"first")
    assert client.refused(first + first, BAD_RECORD_MAC) == b"first"
    client = Client()
    first, second = client.out.seal(b"first"), client.out.seal(b"second")
    assert client.refused(second + first, BAD_RECORD_MAC) == b""
    client = Client()
    client.out.seal(b"lost")
    assert client.refused(client.out.seal(b"second"), BAD_RECORD_MAC) == b""


@pytest.mark.rfc("8446 5.2")
def test_our_own_record_is_not_the_clients(client):
    client.back.sequence = 1
    assert client.refused(client.door.seal(b"mirror")[0], BAD_RECORD_MAC) == b""


@pytest.mark.rfc("8446 5.2")
def test_too_long_is_refused_before_it_has_come(client):
    client.refused(b"\x17\x03\x03" + (16384 + 1 + 16 + 1).to_bytes(2, "big"), RECORD_OVERFLOW)


@pytest.mark.rfc("8446 5.2")
@pytest.mark.parametrize("size", [0, 1, 15])
def test_too_short_to_be_sealed(client, size):
    client.refused(b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size), BAD_RECORD_MAC)


@pytest.mark.rfc("8446 5.4")
@pytest.mark.parametrize("inner", [b"", b"\0", bytes(100), bytes(16385)])
def test_nothing_but_padding(client, inner):
    client.refused(client.out.seal_raw(inner), UNEXPECTED_MESSAGE)


@pytest.mark.rfc("8446 5.1")
def test_the_version_of_a_record_means_nothing(client):
    assert client.give(client.out.seal(b"x", version=b"\x03\x01")) == (WANTS, b"x")


@pytest.mark.rfc("8446 5")
@pytest.mark.parametrize(
    "record",
    [
        b"\x14\x03\x03\0\x01\x01",  # change_cipher_spec, too late
        b"\x15\x03\x03\0\x02\x02\x28",  # an alert
        b"\x16\x03\x03\0\x05\x18\0\0\x01\0",  # a key update
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_not_protected(client, record):
    assert client.refused(client.out.seal(b"x") + record, UNEXPECTED_MESSAGE) == b"x"


@pytest.mark.rfc("8446 5")
@pytest.mark.parametrize("kind", [1, 20, 24, 25, 255])
def test_a_type_nobody_knows(client, kind):
    client.refused(client.out.seal(b"\x01", kind), UNEXPECTED_MESSAGE)


@pytest.mark.rfc("8446 5.1")
def test_empty_records_are_bounded():
    """32 in a row are nothing to worry about, and begin anew with every octet of application data."""
    client = Client()
    for _ in range(3):
        assert client.give(b"".join(client.out.seal(b"") for _ in range(32))) == (WANTS, b"")
        assert client.give(client.out.seal(b"x")) == (WANTS, b"x")
    client.refused(b"".join(client.out.seal(b"", padding=9) for _ in range(33)), UNEXPECTED_MESSAGE)


# Alerts.


@pytest.mark.rfc("8446 6.1")
def test_close_notify_both_ways(client):
    last = client.out.seal(b"last") + client.out.seal(CLOSE_NOTIFY, ALERT)
    assert client.give(last + client.out.seal(b"ignored")) == (ENDED, b"last")
    assert client.door.pull() == b""
    assert client.back.open(client.door.seal(b"still to say")[0]) == [(DATA, b"still to say")]
    client.door.shutdown()
    assert client.heard() == [(ALERT, CLOSE_NOTIFY)]
    client.door.shutdown()
    assert client.door.pull() == b""


@pytest.mark.rfc("8446 6.1")
def test_after_our_close_notify_nothing_is_said(client):
    client.door.shutdown()
    client.door.pull()
    assert client.give(client.out.seal(UPDATE_BOTH, HANDSHAKE)) == (WANTS, b"")
    client.out.update()
    assert client.give(client.out.seal(b"x")) == (WANTS, b"x")
    assert client.give(b"\x14\x03\x03\0\x01\x01")[0] == FAILED
    assert client.door.pull() == b""


@pytest.mark.rfc("8446 6.2")
@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize(("alert", "name"), [(20, "bad_record_mac"), (42, "bad_certificate"), (99, "99")])
def test_any_other_alert_is_the_end(client, level, alert, name):
    result = client.give(client.out.seal(b"x") + client.out.seal(bytes([level, alert]), ALERT))
    assert (result, client.door.pull()) == ((FAILED, b"x"), b"")
    assert client.door.error() == f"the peer sent the alert {name}"


@pytest.mark.rfc("8446 6.1")
def test_user_canceled_is_not(client):
    canceled = client.out.seal(b"\x01\x5a", ALERT)
    assert client.give(canceled + client.out.seal(b"x")) == (WANTS, b"x")
    client.refused(b"".join(client.out.seal(b"\x01\x5a", ALERT) for _ in range(33)), UNEXPECTED_MESSAGE)


@pytest.mark.rfc("8446 5.1")
@pytest.mark.parametrize("alert", [b"", b"\x01", b"\x01\0\0", b"\x01\0\x01\0"])
def test_an_alert_is_two_octets_long(client, alert):
    client.refused(client.out.seal(alert, ALERT), DECODE_ERROR)


# Handshake messages.


@pytest.mark.rfc("8446 4.6.3")
def test_a_key_update(client):
    for _ in range(3):
        sealed = client.out.seal(b"before") + client.out.seal(UPDATE, HANDSHAKE)
        client.out.update()
        assert client.give(sealed + client.out.seal(b"after")) == (WANTS, b"beforeafter")
        assert client.door.pull() == b""


@pytest.mark.rfc("8446 4.6.3")
def test_a_key_update_that_asks_for_ours(client):
    for _ in range(3):
        sealed = client.out.seal(UPDATE_BOTH, HANDSHAKE)
        client.out.update()
        assert client.give(sealed + client.out.seal(b"after")) == (WANTS, b"after")
        assert client.heard() == [(HANDSHAKE, UPDATE)]
        assert client.back.open(client.door.seal(b"by the new key")[0]) == [(DATA, b"by the new key")]


@pytest.mark.rfc("8446 4.6.3")
def test_several_askings_have_one_answer(client):
    """As long as it has not gone; written data takes it along."""
    for _ in range(2):
        assert client.give(client.out.seal(UPDATE_BOTH, HANDSHAKE)) == (WANTS, b"")
        client.out.update()
    said = client.back.open(client.door.seal(b"x")[0])
    assert said == [(HANDSHAKE, UPDATE), (DATA, b"x")]
    assert client.door.pull() == b""


@pytest.mark.rfc("8446 4.6.3")
def test_the_old_key_is_gone_after_an_update(client):
    old = Way(client.out.secret, 1)
    assert client.give(client.out.seal(UPDATE, HANDSHAKE)) == (WANTS, b"")
    client.refused(old.seal(b"x"), BAD_RECORD_MAC)


@pytest.mark.rfc("8446 5.1")
def test_a_key_update_in_parts(client):
    parts = [client.out.seal(UPDATE[at : at + 1], HANDSHAKE) for at in range(5)]
    client.out.update()
    assert client.give(b"".join(parts) + client.out.seal(b"x")) == (WANTS, b"x")


@pytest.mark.rfc("8446 5.1")
@pytest.mark.parametrize("between", [(b"x", DATA), (b"", DATA), (CLOSE_NOTIFY, ALERT)])
def test_nothing_comes_between_the_parts(client, between):
    first = client.out.seal(UPDATE[:2], HANDSHAKE)
    client.refused(first + client.out.seal(*between), UNEXPECTED_MESSAGE)


@pytest.mark.rfc("8446 4.6.3")
@pytest.mark.parametrize(
    ("message", "alert"),
    [
        (b"\x18\0\0\x01\x02", ILLEGAL_PARAMETER),
        (b"\x18\0\0\x02\0", DECODE_ERROR),
        (b"\x18\0\0\0", None),
        (b"\x18\x01\0\x01\0", DECODE_ERROR),
        (b"", UNEXPECTED_MESSAGE),
        (UPDATE + b"\0", UNEXPECTED_MESSAGE),
        (UPDATE + UPDATE, UNEXPECTED_MESSAGE),
        (b"\x01\0\0\x01\0", UNEXPECTED_MESSAGE),  # ClientHello
        (b"\x04\0\0\x01\0", UNEXPECTED_MESSAGE),  # NewSessionTicket
        (b"\x0b\0\0\x01\0", UNEXPECTED_MESSAGE),  # Certificate, not asked for
        (b"\x14\0\0\x01\0", UNEXPECTED_MESSAGE),  # Finished
    ],
)
def test_other_handshake_messages(client, message, alert):
    sealed = client.out.seal(message, HANDSHAKE)
    if alert is None:
        assert client.give(sealed) == (WANTS, b"")  # its fifth octet may still come
    else:
        client.refused(sealed, alert)


@pytest.mark.rfc("8446 4.6.3")
def test_key_updates_are_bounded(client):
    for _ in range(32):
        assert client.give(client.out.seal(UPDATE_BOTH, HANDSHAKE)) == (WANTS, b"")
        client.out.update()
    assert client.heard() == [(HANDSHAKE, UPDATE)]
    sealed = client.out.seal(UPDATE, HANDSHAKE)
    assert client.give(sealed)[0] == FAILED
    assert client.heard() == [(ALERT, bytes([2, UNEXPECTED_MESSAGE]))]


@pytest.mark.rfc("8446 5.5")
def test_our_key_is_renewed_in_time():
    """After as many records as are allowed; the sequence begins anew under each key."""
    client = Client(renew_after=3)
    for number in range(20):
        text = bytes([number])
        said = client.back.open(client.door.seal(text)[0])
        assert said == ([(HANDSHAKE, UPDATE)] if number and number % 3 == 0 else []) + [(DATA, text)]
        assert client.back.sequence <= 3


# What OpenSSL has sealed before.


def test_session_tickets_prove_the_keys(client):
    tickets = b"".join(client.back.seal(b"\x04" + bytes(200), HANDSHAKE) for _ in range(2))
    assert client.door.prove(tickets)
    assert client.back.open(client.door.seal(b"third")[0]) == [(DATA, b"third")]


def test_without_tickets_there_is_nothing_to_prove(client):
    assert client.door.prove(b"")


@pytest.mark.parametrize("where", [0, 3, 5, 80, -1])
def test_what_does_not_open_proves_nothing(client, where):
    ticket = bytearray(client.back.seal(b"\x04" + bytes(200), HANDSHAKE))
    ticket[where] ^= 1
    assert not client.door.prove(bytes(ticket))


@pytest.mark.parametrize(
    "record", [(b"\x04", DATA), (UPDATE, HANDSHAKE), (b"", HANDSHAKE), (CLOSE_NOTIFY, ALERT)]
)
def test_anything_but_tickets_proves_nothing(client, record):
    assert not client.door.prove(client.back.seal(*record))


def test_a_part_of_a_record_proves_nothing(client):
    ticket = client.back.seal(b"\x04" + bytes(200), HANDSHAKE)
    for size in (1, 4, 5, 100, len(ticket) - 1):
        assert not RecordsDoor(CLIENT, SERVER).prove(ticket[:size])
