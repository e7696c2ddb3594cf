"""Transports one by one, for tests and tools: a station with its loop, and lines on it."""
from libc.stdint cimport uint8_t, uint32_t, uintptr_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset, strlen

from fastgw._core.buf cimport Memory, Octets, memory_close, memory_open, octets_append, octets_close, octets_open
from fastgw._core.io.fingerprint cimport Fingerprint, fingerprint_close, fingerprint_open
from fastgw._core.io.loop cimport Loop, Source, loop_close, loop_open, loop_turn, loop_wake
from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.io.tls cimport TLS_OWN, TlsTerms
from fastgw._core.io.transport cimport (
    FILL_SIZE,
    NET_SIZE,
    Endpoint,
    Transport,
    transport_accept,
    transport_close,
    transport_connect,
    transport_end,
    transport_fill,
    transport_flush,
)

cdef enum:
    _DOOR_NAMES = 8

cdef struct _DoorNames:
    uint32_t count
    bint own
    char names[_DOOR_NAMES][64]
    SSL_CTX *contexts[_DOOR_NAMES]


cdef void _door_select(void *arg, const uint8_t *name, uint32_t length, TlsTerms *into) noexcept nogil:
    cdef _DoorNames *self = <_DoorNames *>arg
    cdef uint32_t number
    into.own_records = self.own
    for number in range(self.count):
        if strlen(self.names[number]) == length and memcmp(self.names[number], name, length) == 0:
            into.context = self.contexts[number]


# A transport, what came in and what is to go out.
cdef struct _DoorLine:
    Transport transport
    Endpoint endpoint
    Octets taken
    Octets plain
    uint8_t *into
    uint32_t room
    bint echo
    uint32_t ready_count
    uint32_t fill_count
    uint32_t changed_count


cdef void _door_ready(Source *source, uint32_t events) noexcept nogil:
    cdef _DoorLine *self = <_DoorLine *>source
    cdef bint more = True
    cdef uint32_t got
    self.ready_count += 1
    while more:
        got = transport_fill(&self.transport, self.into, self.room, &more)
        self.fill_count += 1
        octets_append(&self.plain if self.echo else &self.taken, self.into, got)
    transport_flush(&self.transport, &self.plain)


cdef void _door_changed(Transport *transport) noexcept nogil:
    (<_DoorLine *>transport).changed_count += 1


cdef class Station:
    """A loop with memory and scratch, on which lines run."""
    cdef Loop loop
    cdef Memory memory
    cdef uint8_t *net
    cdef uint8_t *into

    def __cinit__(self):
        memory_open(&self.memory)
        self.net = <uint8_t *>malloc(NET_SIZE)
        self.into = <uint8_t *>malloc(FILL_SIZE)
        if self.net == NULL or self.into == NULL or loop_open(&self.loop) != 0:
            raise MemoryError

    def __dealloc__(self):
        loop_close(&self.loop)
        memory_close(&self.memory)
        free(self.net)
        free(self.into)

    def turn(self, int longest_wait_ms=0):
        cdef int handled
        with nogil:
            handled = loop_turn(&self.loop, longest_wait_ms)
        return handled

    def wake(self):
        loop_wake(&self.loop)

    @property
    def lent(self):
        """Octets of memory that lines hold."""
        return self.memory.lent

    @property
    def timers(self):
        return self.loop.timers


cdef class Line:
    """One transport on a station."""
    cdef _DoorLine line
    cdef _DoorNames names
    cdef Station station
    cdef bytes server_name
    cdef uint8_t[28] told
    cdef Fingerprint print_

    def __cinit__(self, Station station, *, uint32_t room=FILL_SIZE, bint echo=False):
        memset(&self.line, 0, sizeof(_DoorLine))
        memset(&self.names, 0, sizeof(_DoorNames))
        self.station = station
        self.line.into = station.into
        self.line.room = room
        self.line.echo = echo
        self.line.transport.source.ready = _door_ready
        self.line.transport.changed = _door_changed
        octets_open(&self.line.taken, &station.memory)
        octets_open(&self.line.plain, &station.memory)

    def __dealloc__(self):
        if self.station is not None:
            self.close()

    def accept(self, int fd, uintptr_t context=0, *, names=None, uint32_t timeout_ms=5000,
               bint told=False, bint look=False, bint own=False):
        self.names.own = own
        for name, address in (names or {}).items():
            snprintf(self.names.names[self.names.count], 64, "%s", <const char *>name)
            self.names.contexts[self.names.count] = <SSL_CTX *><uintptr_t>address
            self.names.count += 1
        begun = transport_accept(
            &self.line.transport, &self.station.loop, &self.station.memory, self.station.net, fd, <SSL_CTX *>context,
            _door_select, &self.names, self.told if told else NULL, timeout_ms)
        fingerprint_open(&self.print_, &self.station.memory)
        self.line.transport.print_ = &self.print_ if look else NULL
        return begun

    def connect(self, bytes address, uintptr_t context=0, *, server_name=None, bint verify=False,
                uint32_t connect_timeout_ms=5000, uint32_t handshake_timeout_ms=5000):
        """`address` is a struct sockaddr."""
        cdef Endpoint *endpoint = &self.line.endpoint
        self.server_name = server_name
        memcpy(endpoint.address, <const uint8_t *>address, len(address))
        endpoint.address_length = len(address)
        endpoint.context = <SSL_CTX *>context
        endpoint.wanted.server_name = <const char *>self.server_name if server_name is not None else NULL
        endpoint.wanted.verify = verify
        endpoint.connect_timeout_ms = connect_timeout_ms
        endpoint.handshake_timeout_ms = handshake_timeout_ms
        return transport_connect(&self.line.transport, &self.station.loop, &self.station.memory,
                                 self.station.net, endpoint)

    def send(self, bytes data):
        octets_append(&self.line.plain, <const uint8_t *>data, len(data))
        self.flush()

    def flush(self):
        transport_flush(&self.line.transport, &self.line.plain)

    def take(self):
        """What came in since the last call."""
        taken = bytes(self.line.taken.data[:self.line.taken.length]) if self.line.taken.length else b""
        octets_close(&self.line.taken)
        return taken

    def end(self):
        transport_end(&self.line.transport)

    def close(self):
        transport_close(&self.line.transport)
        octets_close(&self.line.taken)
        octets_close(&self.line.plain)
        fingerprint_close(&self.print_)

    @property
    def state(self):
        """All a test may want to know, by name."""
        cdef Transport *transport = &self.line.transport
        return {
            "told": bytes(self.told[:28]),
            "ja4": bytes(self.print_.ja4[:36]).rstrip(b"\0") or None,
            "phase": ("closed", "connecting", "handshake", "open", "told")[transport.phase],
            "failure": ("fine", "peer_ended", "peer_reset", "connect_refused", "connect_timed_out",
                        "connect_unreachable", "handshake_failed", "handshake_timed_out",
                        "certificate_invalid", "alpn_not_h2", "proxy_header_wrong")[transport.failure],
            "detail": transport.detail.decode(),
            "blocked": bool(transport.blocked), "sni_seen": bool(transport.sni_seen),
            "fd": transport.source.fd, "watched": transport.source.watched,
            "sealed": transport.sealed.length, "plain": self.line.plain.length,
            "octets_in": transport.octets_in, "octets_out": transport.octets_out,
            "own": transport.tls.layer == TLS_OWN, "ready": self.line.ready_count, "fills": self.line.fill_count,
            "changed": self.line.changed_count, "timers": self.station.timers,
        }
