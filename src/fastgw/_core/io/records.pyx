"""Records of TLS 1.3 after the handshake, sealed and opened without OpenSSL (RFC 8446 section 5).

Knows the server's side of one suite, TLS_AES_128_GCM_SHA256, from the two traffic secrets on: application data,
alerts, key updates. A client has nothing else to say any more.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, strcmp, strlen

from fastgw._core.buf cimport (
    Memory, memory_close, memory_open, octets_append, octets_close, octets_open)
from fastgw._core.io.secrets cimport SECRET_SIZE, secret_expand, secret_step, secret_told, secret_wipe

cdef extern from "octets.h" nogil:
    uint16_t octets_get16(const uint8_t *at)
    void octets_put16(uint8_t *at, uint16_t value)

cdef enum:
    _HEAD = 5                       # type, version, length
    _BODY_MAX = TLS_RECORD_MAX + 1 + AES_GCM_TAG    # nothing but padding could make it longer (RFC 8446 section 5.4)
    _KEY_SIZE = 16
    _VERSION = 0x0303
    _RENEW_AFTER = 1 << 23          # RFC 8446 section 5.5 allows 2^24.5 records under one key
    _KEY_UPDATE_SIZE = 5
    _CLOSE_NOTIFY = 0
    _WARNING = 1
    _FATAL = 2
    _OF_CLIENT = 1                  # bits of `secrets`
    _OF_SERVER = 2

cdef enum _Content:
    _ALERT = 21
    _HANDSHAKE = 22
    _APPLICATION_DATA = 23

cdef enum _Message:                 # RFC 8446 section 4
    _NEW_SESSION_TICKET = 4
    _KEY_UPDATE = 24

cdef enum _Alert:                   # RFC 8446 section 6
    _UNEXPECTED_MESSAGE = 10
    _BAD_RECORD_MAC = 20
    _RECORD_OVERFLOW = 22
    _ILLEGAL_PARAMETER = 47
    _DECODE_ERROR = 50
    _INTERNAL_ERROR = 80
    _USER_CANCELED = 90

# What the processor can do, asked once: to ask takes longer than to seal a record.
cdef int _ways = aes_gcm_ways()


cdef bint records_possible() noexcept nogil:
    """Can this processor do it at all?"""
    return _ways > 0


# Life.


cdef Records *_new(Memory *memory) noexcept nogil:
    cdef Records *self = <Records *>calloc(1, sizeof(Records))
    if self != NULL:
        self.renew_after = _RENEW_AFTER
        octets_open(&self.partial, memory)
    return self


cdef void records_told(Records **self, Memory *memory, const char *line) noexcept nogil:
    """Take a line as OpenSSL writes it to a key log: the two secrets of application data are what records need.

    They are made with the first of them; out of memory, they stay NULL and nothing is taken.
    """
    cdef uint8_t[SECRET_SIZE] secret
    cdef uint8_t whose = 0
    if secret_told(line, b"CLIENT_TRAFFIC_SECRET_0", secret):
        whose = _OF_CLIENT
    elif secret_told(line, b"SERVER_TRAFFIC_SECRET_0", secret):
        whose = _OF_SERVER
    if whose != 0 and self[0] == NULL:
        self[0] = _new(memory)
    if whose != 0 and self[0] != NULL:
        _know(self[0], whose, secret)
    secret_wipe(secret, sizeof(secret))


cdef inline void _know(Records *self, uint8_t whose, const uint8_t *secret) noexcept nogil:
    cdef Direction *side = &self.reading if whose == _OF_CLIENT else &self.writing
    self.secrets |= whose
    memcpy(side.secret, secret, SECRET_SIZE)


cdef bint records_begin(Records *self, const char *suite) noexcept nogil:
    """Make the keys of both sides (RFC 8446 section 7.3); False: a secret is missing, or the suite is another one."""
    if self.secrets != _OF_CLIENT | _OF_SERVER or suite == NULL or strcmp(suite, b"TLS_AES_128_GCM_SHA256") != 0:
        return False
    _rekey(&self.reading)
    _rekey(&self.writing)
    return True


cdef void records_free(Records *self) noexcept nogil:
    """Forget all keys. NULL may be."""
    if self == NULL:
        return
    octets_close(&self.partial)
    secret_wipe(self, sizeof(Records))
    free(self)


cdef void _rekey(Direction *self) noexcept nogil:
    cdef uint8_t[_KEY_SIZE] key
    secret_expand(self.secret, "key", key, sizeof(key))
    secret_expand(self.secret, "iv", self.iv, AES_GCM_NONCE)
    aes_gcm_open(&self.key, key, _ways)
    self.sequence = 0
    secret_wipe(key, sizeof(key))


cdef bint records_prove(Records *self, const uint8_t *sealed, uint32_t length) noexcept nogil:
    """Open what OpenSSL has sealed since the handshake with our own keys: session tickets, and nothing else.

    True: each one opened, so the keys are right and the next record is ours to number. False: leave it to OpenSSL.
    """
    cdef uint8_t[_BODY_MAX] opened
    cdef uint32_t size, kind_at
    while length > 0:
        if length < _HEAD or sealed[0] != _APPLICATION_DATA:
            return False
        size = octets_get16(sealed + 3)
        if size > length - _HEAD or not _open(&self.writing, sealed, size, opened):
            return False
        kind_at = _kind_at(opened, size - AES_GCM_TAG)
        if kind_at == 0 or opened[kind_at] != _HANDSHAKE or opened[0] != _NEW_SESSION_TICKET:
            return False
        sealed += _HEAD + size
        length -= _HEAD + size
    return True


# One record.


cdef inline void _nonce(const Direction *self, uint8_t *into) noexcept nogil:
    """RFC 8446 section 5.3."""
    cdef int at
    memcpy(into, self.iv, AES_GCM_NONCE)
    for at in range(8):
        into[4 + at] ^= <uint8_t>(self.sequence >> (56 - 8 * at))


cdef uint32_t _seal(Direction *self, _Content kind, const uint8_t *data, uint32_t length,
                    uint8_t *into) noexcept nogil:
    """Write one record to `into`; returns its length."""
    cdef uint8_t[AES_GCM_NONCE] nonce
    into[0] = _APPLICATION_DATA
    octets_put16(into + 1, _VERSION)
    octets_put16(into + 3, <uint16_t>(length + RECORD_COST - _HEAD))
    _nonce(self, nonce)
    aes_gcm_seal(&self.key, nonce, into, _HEAD, data, length, <uint8_t>kind, into + _HEAD)
    self.sequence += 1
    return length + RECORD_COST


cdef bint _open(Direction *self, const uint8_t *record, uint32_t size, uint8_t *into) noexcept nogil:
    """Decrypt the body of a record, `size` octets, to `into`; False: it was not sealed like this."""
    cdef uint8_t[AES_GCM_NONCE] nonce
    if size < AES_GCM_TAG or size > _BODY_MAX:
        return False
    _nonce(self, nonce)
    if not aes_gcm_unseal(&self.key, nonce, record, _HEAD, record + _HEAD, size - AES_GCM_TAG, into):
        return False
    self.sequence += 1
    return True


cdef inline uint32_t _kind_at(const uint8_t *opened, uint32_t length) noexcept nogil:
    """Where the type stands, behind the content and before the padding; 0 also if there is none."""
    while length > 0 and opened[length - 1] == 0:
        length -= 1
    return length - 1 if length > 0 else 0


# The peer's octets.


cdef void records_push(Records *self, const uint8_t *sealed, uint32_t length) noexcept nogil:
    """Lend octets of the peer. Those lent before must be taken in: records_read returned TLS_WANTS since."""
    self.input = sealed
    self.left = length


cdef TlsResult records_read(Records *self, uint8_t *into, uint32_t room, uint32_t *got) noexcept nogil:
    """Open all records that are there and write their octets to `into`; `got` counts them in any case.

    TLS_DONE: the next record does not fit into the `room` that is left. TLS_WANTS: everything lent has been taken
    in. What is opened besides application data passes through `into` too, behind the octets that count.
    """
    cdef const uint8_t *record
    cdef uint32_t size
    got[0] = 0
    while not self.broken and not self.ended:
        record = _whole(self, &size)
        if record == NULL:
            return TLS_FAILED if self.broken else TLS_WANTS
        if size > room - got[0] + _HEAD + AES_GCM_TAG:
            return TLS_DONE
        got[0] += _take(self, record, size - _HEAD, into + got[0])
        if self.partial.length > 0:
            octets_close(&self.partial)
        else:
            self.input += size
            self.left -= size
    return TLS_FAILED if self.broken else TLS_ENDED


cdef const uint8_t *_whole(Records *self, uint32_t *size) noexcept nogil:
    """The next record if all of it is there, `size` octets with its head; NULL: it is not, or can be none."""
    if self.partial.length == 0:
        if self.left >= _HEAD:
            size[0] = _sized(self, self.input)
            if size[0] <= self.left:
                return self.input if size[0] > 0 else NULL
        _keep(self, self.left)
        return NULL
    if self.partial.length < _HEAD:
        _keep(self, _HEAD - self.partial.length)
        if self.partial.length < _HEAD:
            return NULL
    size[0] = _sized(self, self.partial.data)
    if size[0] == 0:
        return NULL
    _keep(self, size[0] - self.partial.length)
    return self.partial.data if self.partial.length == size[0] else NULL


cdef void _keep(Records *self, uint32_t wanted) noexcept nogil:
    """Move up to `wanted` octets of what is lent to the record that is not whole."""
    cdef uint32_t some = wanted if wanted < self.left else self.left
    if not octets_append(&self.partial, self.input, some):
        _alarm(self, _INTERNAL_ERROR, "out of memory")
        return
    self.input += some
    self.left -= some


cdef uint32_t _sized(Records *self, const uint8_t *head) noexcept nogil:
    """How long the record is that begins like this, its head included; 0: it can be none.

    Everything a client sends after its Finished is protected (RFC 8446 section 5), a change_cipher_spec too late
    among what is not. The version in the head means nothing.
    """
    cdef uint32_t size = octets_get16(head + 3)
    if head[0] != _APPLICATION_DATA:
        _alarm(self, _UNEXPECTED_MESSAGE, "a record that is not protected")
        return 0
    if size > _BODY_MAX:
        _alarm(self, _RECORD_OVERFLOW, "a record that is too long")
        return 0
    return _HEAD + size


cdef uint32_t _take(Records *self, const uint8_t *record, uint32_t size, uint8_t *into) noexcept nogil:
    """Open one record and do what it says; returns how many octets of application data it brought to `into`."""
    cdef uint32_t length
    cdef uint8_t kind
    if not _open(&self.reading, record, size, into):
        _alarm(self, _BAD_RECORD_MAC, "a record that does not open")
        return 0
    length = _kind_at(into, size - AES_GCM_TAG)
    kind = into[length] if size > AES_GCM_TAG else 0
    if self.message_length > 0 and kind != _HANDSHAKE:
        _alarm(self, _UNEXPECTED_MESSAGE, "a record in the middle of a handshake message")
    elif kind == _APPLICATION_DATA:
        if length > 0:
            self.crumbs = 0
            return length
        _count_crumb(self)
    elif kind == _ALERT:
        _take_alert(self, into, length)
    elif kind == _HANDSHAKE:
        _take_handshake(self, into, length)
    else:
        _alarm(self, _UNEXPECTED_MESSAGE, "a record of no known type")
    return 0


cdef void _count_crumb(Records *self) noexcept nogil:
    """A record that brought nothing: some may come in a row."""
    self.crumbs += 1
    if self.crumbs > RECORD_CRUMBS_MAX:
        _alarm(self, _UNEXPECTED_MESSAGE, "too many records without application data")


cdef void _take_alert(Records *self, const uint8_t *alert, uint32_t length) noexcept nogil:
    """RFC 8446 section 6: its level means nothing, and all but two of them are the end."""
    if length != 2:
        _alarm(self, _DECODE_ERROR, "an alert that is not two octets long")
    elif alert[1] == _CLOSE_NOTIFY:
        self.ended = True
    elif alert[1] == _USER_CANCELED:
        _count_crumb(self)
    else:
        self.heard = alert[1]
        self.broken = True


cdef void _take_handshake(Records *self, const uint8_t *data, uint32_t length) noexcept nogil:
    """A part of a handshake message, which can only be a key update (RFC 8446 section 4.6.3), alone in its records."""
    cdef uint32_t held = self.message_length
    if length == 0 or length > _KEY_UPDATE_SIZE - held or (held == 0 and data[0] != _KEY_UPDATE):
        _alarm(self, _UNEXPECTED_MESSAGE, "a handshake message after the handshake")
        return
    memcpy(self.message + held, data, length)
    self.message_length += <uint8_t>length
    _count_crumb(self)
    if self.message_length < _KEY_UPDATE_SIZE or self.broken:
        return
    self.message_length = 0
    if self.message[1] != 0 or self.message[2] != 0 or self.message[3] != 1:
        _alarm(self, _DECODE_ERROR, "a key update that is not one octet long")
    elif self.message[4] > 1:
        _alarm(self, _ILLEGAL_PARAMETER, "a key update that neither asks for one nor does not")
    else:
        secret_step(self.reading.secret)
        _rekey(&self.reading)
        if self.message[4] == 1 and self.said_length == 0 and not self.shut:
            # Those that ask before the answer has gone are answered by it too.
            self.said_length = <uint8_t>_renew(self, self.said)


# Our octets.


cdef uint32_t _renew(Records *self, uint8_t *into) noexcept nogil:
    """Write a key update that asks for none, and seal with the next key from then on; returns its length."""
    cdef uint32_t length = _seal(&self.writing, _HANDSHAKE, <const uint8_t *>b"\x18\0\0\x01\0", _KEY_UPDATE_SIZE, into)
    secret_step(self.writing.secret)
    _rekey(&self.writing)
    return length


cdef void _say(Records *self, uint8_t level, uint8_t alert) noexcept nogil:
    cdef uint8_t[2] data
    data[0] = level
    data[1] = alert
    if not self.shut:
        self.shut = True
        self.said_length += <uint8_t>_seal(&self.writing, _ALERT, data, 2, self.said + self.said_length)


cdef void _alarm(Records *self, uint8_t alert, const char *flaw) noexcept nogil:
    """The peer has broken a rule: tell it, and take nothing more."""
    self.broken = True
    self.flaw = flaw
    _say(self, _FATAL, alert)


cdef uint32_t records_seal(Records *self, const uint8_t *data, uint32_t length, uint8_t *into,
                           uint32_t *taken) noexcept nogil:
    """Seal the first octets of `data` in one record; `taken` counts them: all, or TLS_RECORD_MAX.

    Returns how many octets were written to `into`, where there must be room for TLS_SEALED_MAX. What waits to be
    said goes first, and a key that has sealed enough is followed by the next one.
    """
    cdef uint32_t used = records_pull(self, into, RECORDS_SAID_MAX)
    if self.writing.sequence >= self.renew_after and not self.shut:
        used += _renew(self, into + used)
    taken[0] = length if length < TLS_RECORD_MAX else TLS_RECORD_MAX
    return used + _seal(&self.writing, _APPLICATION_DATA, data, taken[0], into + used)


cdef void records_shutdown(Records *self) noexcept nogil:
    """Say close_notify (RFC 8446 section 6.1); it waits in records_pull. Nothing may be sealed after it."""
    _say(self, _WARNING, _CLOSE_NOTIFY)


cdef uint32_t records_pull(Records *self, uint8_t *into, uint32_t room) noexcept nogil:
    """Move up to `room` octets that are to be sent unasked; returns how many, 0 if there are none."""
    cdef uint32_t some = self.said_length if self.said_length < room else room
    if some == 0:
        return 0
    memcpy(into, self.said, some)
    self.said_length -= <uint8_t>some
    memmove(self.said, self.said + some, self.said_length)
    return some


cdef uint32_t records_text(const Records *self, char *into, uint32_t room) noexcept nogil:
    """Say why records_read returned TLS_FAILED, zero-terminated; returns the length of the text."""
    cdef const char *name = _alert_name(self.heard)
    if self.flaw != NULL:
        snprintf(into, room, "the peer sent %s", self.flaw)
    elif name != NULL:
        snprintf(into, room, "the peer sent the alert %s", name)
    else:
        snprintf(into, room, "the peer sent the alert %d", <int>self.heard)
    return <uint32_t>strlen(into)


cdef const char *_alert_name(uint8_t alert) noexcept nogil:
    """Of those a client may send when it thinks that the handshake is over; NULL: another one."""
    if alert == 42:
        return "bad_certificate"
    if alert == 45:
        return "certificate_expired"
    if alert == 46:
        return "certificate_unknown"
    if alert == 48:
        return "unknown_ca"
    if alert == <int>_BAD_RECORD_MAC:
        return "bad_record_mac"
    if alert == <int>_UNEXPECTED_MESSAGE:
        return "unexpected_message"
    if alert == <int>_INTERNAL_ERROR:
        return "internal_error"
    return NULL


# For tests and tools.

cdef class RecordsDoor:
    """The server's records of one connection, from the traffic secrets of the client and the server."""
    cdef Records *records
    cdef Memory memory
    cdef bytes lent

    def __cinit__(self, bytes client not None, bytes server not None, *, uint32_t renew_after=_RENEW_AFTER):
        memory_open(&self.memory)
        if len(client) != SECRET_SIZE or len(server) != SECRET_SIZE:
            raise ValueError("a secret has 32 octets")
        if not records_possible():
            raise RuntimeError("this processor lacks the instructions")
        self.records = _new(&self.memory)
        if self.records == NULL:
            raise MemoryError
        _know(self.records, _OF_CLIENT, client)
        _know(self.records, _OF_SERVER, server)
        self.records.renew_after = renew_after
        records_begin(self.records, b"TLS_AES_128_GCM_SHA256")

    def __dealloc__(self):
        records_free(self.records)
        memory_close(&self.memory)

    def prove(self, bytes sealed not None):
        return records_prove(self.records, sealed, <uint32_t>len(sealed))

    def push(self, bytes sealed not None):
        self.lent = sealed
        records_push(self.records, sealed, <uint32_t>len(sealed))

    def read(self, uint32_t room=262144):
        cdef uint32_t got
        into = bytearray(room)
        result = records_read(self.records, into, room, &got)
        return result, bytes(into[:got])

    def seal(self, bytes data not None):
        """The octets of one record, and how many of `data` are in it."""
        cdef uint32_t taken
        into = bytearray(TLS_SEALED_MAX)
        size = records_seal(self.records, data, <uint32_t>len(data), into, &taken)
        return bytes(into[:size]), taken

    def shutdown(self):
        records_shutdown(self.records)

    def pull(self, uint32_t room=RECORDS_SAID_MAX):
        into = bytearray(room)
        return bytes(into[:records_pull(self.records, into, room)])

    def error(self):
        cdef char[160] text
        records_text(self.records, text, sizeof(text))
        return text.decode()

    @property
    def held(self):
        """Octets of memory held for a record that is not whole."""
        return self.memory.lent

    @property
    def size(self):
        return sizeof(Records)


cdef class AesGcmDoor:
    """One key of AES-128-GCM; `ways` as aes_gcm_ways has it, 0: the best there is."""
    cdef AesGcm key

    def __cinit__(self, bytes key not None, int ways=0):
        if not 0 < (ways or _ways) <= _ways or len(key) != _KEY_SIZE:
            raise ValueError("this processor cannot do that, or the key has not 16 octets")
        aes_gcm_open(&self.key, key, ways or _ways)

    def seal(self, bytes nonce not None, bytes aad not None, bytes data not None, int shift=0):
        """Seal all of `data`, at least one octet, `shift` octets off the alignment of memory."""
        cdef size_t length = len(data) - 1
        cdef uint8_t[:] room = bytearray(length + 1 + AES_GCM_TAG + 64 + shift)
        cdef uint8_t *into = &room[0] + (-<uintptr_t>&room[0]) % 64 + shift
        cdef const uint8_t *source = data
        aes_gcm_seal(&self.key, nonce, aad, len(aad), source, length, source[length], into)
        return bytes(into[:length + 1 + AES_GCM_TAG])

    def unseal(self, bytes nonce not None, bytes aad not None, bytes sealed not None, int shift=0,
               bint in_place=False):
        """What was sealed, or None; and the octets that were left in its place."""
        cdef size_t length = len(sealed) - AES_GCM_TAG
        cdef uint8_t[:] room = bytearray(len(sealed) + 64 + shift)
        cdef uint8_t *into = &room[0] + (-<uintptr_t>&room[0]) % 64 + shift
        cdef const uint8_t *source = sealed
        if in_place:
            memcpy(into, source, len(sealed))
            source = into
        good = aes_gcm_unseal(&self.key, nonce, aad, len(aad), source, length, into)
        return good, bytes(into[:length])


def ways():
    """How many blocks of AES one instruction of this processor takes; 0: it has none for it."""
    return _ways
