"""The snapshot: hostname -> record -> zone -> what is to be done, compiled, frozen, without Python.

Knows which row answers for a hostname; what the rows mean to a call is decided elsewhere.
"""
cimport cython

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy, memset, strlen

from fastgw._core.clock cimport clock_now
from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.proxy.endpoints cimport Endpoints
from fastgw._core.proxy.rows cimport (
    rows_certificates,
    rows_free,
    rows_new,
    rows_number,
    rows_origins,
    rows_text,
    rows_zones,
)
from fastgw._core.wire.fields cimport Field

import os


cdef extern from "keyed_hash.h" nogil:
    uint64_t keyed_hash(const uint64_t *key, const uint8_t *at, size_t length)


cdef extern from * nogil:
    """
    #define FASTGW_LOAD(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    """
    int FASTGW_LOAD(const int *at)


cdef extern from "<arpa/inet.h>" nogil:
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        unsigned short sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        unsigned short sin6_family
        uint16_t sin6_port
        in6_addr sin6_addr
    const int AF_INET, AF_INET6
    uint16_t htons(uint16_t number)
    int inet_pton(int family, const char *text, void *into)


cdef enum:
    _LABEL_MAX = 63             # RFC 1035 section 2.3.4
    _INDEX_SMALLEST = 8

# Octets of a hostname, lower-case; 0 for those that end it. Filled when the module is loaded.
cdef uint8_t _kept[256]


cdef inline uint8_t _lower(uint8_t octet) noexcept nogil:
    return octet | 0x20 if c"A" <= octet <= c"Z" else octet


cdef bint _port_check(const uint8_t *text, uint32_t length) noexcept nogil:
    """Is this nothing at all, or a colon and a port, which may be empty (RFC 3986 section 3.2.3)?"""
    cdef uint32_t at
    cdef uint32_t port = 0
    if length == 0:
        return True
    if text[0] != c":" or length > 6:
        return False
    for at in range(1, length):
        if text[at] < c"0" or text[at] > c"9":
            return False
        port = port * 10 + (text[at] - c"0")
    return port <= 65535


cdef uint32_t _literal_normalize(const uint8_t *authority, uint32_t length, uint8_t *into) noexcept nogil:
    """The inside of `[...]`, lower-case; 0 if it is no IPv6 address (RFC 3986 section 3.2.2)."""
    cdef in6_addr address
    cdef uint32_t at
    for at in range(1, length):
        if at > HOSTNAME_MAX or authority[at] == 0:
            return 0
        if authority[at] == c"]":
            into[at - 1] = 0
            if inet_pton(AF_INET6, <const char *>into, &address) != 1:
                return 0
            return at - 1 if _port_check(authority + at + 1, length - at - 1) else 0
        into[at - 1] = _lower(authority[at])
    return 0


cdef uint32_t hostname_normalize(const uint8_t *authority, uint32_t length, uint8_t *into) noexcept nogil:
    """The hostname of an authority: lower-case, without port, trailing dot and the brackets of IPv6.

    `into` has HOSTNAME_MAX + 1 octets and is zero-terminated. Returns the length, 0 if this is no hostname.
    """
    cdef uint32_t at = 0
    cdef uint32_t label = 0     # octets of the current label
    cdef uint8_t octet
    if length > 0 and authority[0] == c"[":
        return _literal_normalize(authority, length, into)
    while at < length:
        octet = _kept[authority[at]]
        if octet == 0:
            break
        if octet != c".":
            label += 1
            if label > _LABEL_MAX:
                return 0
        elif label == 0:
            return 0
        else:
            label = 0
        if at > HOSTNAME_MAX:
            return 0
        if at < HOSTNAME_MAX:
            into[at] = octet
        elif octet != c".":
            return 0
        at += 1
    if not _port_check(authority + at, length - at):
        return 0
    if at > 0 and label == 0:
        at -= 1
    if at > HOSTNAME_MAX:
        return 0
    into[at] = 0
    return at


cdef inline const HostRow *_find(const SnapshotData *self, uint64_t hashed, const uint8_t *hostname,
                                 uint32_t length, bint wildcard) noexcept nogil:
    """The row of exactly this name. A wildcard's place in the index comes from the hash's upper half."""
    cdef uint32_t at = <uint32_t>(hashed >> 32 if wildcard else hashed) & self.index_mask
    cdef const HostRow *host
    while self.index[at] != NONE:
        host = &self.hosts[self.index[at]]
        if (host.hostname_length == length and host.wildcard == wildcard
                and memcmp(host.hostname, hostname, length) == 0):
            return host
        at = (at + 1) & self.index_mask
    return NULL


cdef const HostRow *snapshot_host(const SnapshotData *self, const uint8_t *hostname,
                                  uint32_t length) noexcept nogil:
    """The row that answers for a normalized hostname, NULL if none does.

    The name itself, else the longest wildcard above it; a name on the way up that has a row ends the search.
    """
    cdef const HostRow *host
    cdef uint64_t hashed
    cdef uint32_t at
    cdef uint32_t labels = 1
    for at in range(length):
        labels += hostname[at] == c"."
    if labels <= self.labels_most:
        host = _find(self, keyed_hash(self.key, hostname, length), hostname, length, False)
        if host != NULL:
            return host
    for at in range(1, length + 1):
        if hostname[at - 1] != c".":
            continue
        labels -= 1
        if labels > self.labels_most:
            continue
        hashed = keyed_hash(self.key, hostname + at, length - at)
        host = _find(self, hashed, hostname + at, length - at, True)
        if host != NULL:
            return host
        if _find(self, hashed, hostname + at, length - at, False) != NULL:
            return NULL
    return NULL


cdef enum _Cover:
    _NOT = 0
    _BY_WILDCARD
    _EXACTLY


cdef _Cover _cover(const SnapshotData *self, uint32_t certificate, const uint8_t *hostname,
                   uint32_t length) noexcept nogil:
    """How one certificate covers a hostname: `*` is one whole label on the left (RFC 6125 section 6.4.3)."""
    cdef const uint8_t *name = <const uint8_t *>self.certificates[certificate].names
    cdef const uint8_t *dot = <const uint8_t *>memchr(hostname, c".", length)
    cdef size_t size
    cdef size_t behind = 0      # octets from the first dot on
    cdef _Cover found = _NOT
    if dot != NULL and dot != hostname:
        behind = length - <size_t>(dot - hostname)
    while name[0] != 0:
        size = strlen(<const char *>name)
        if size == length and memcmp(name, hostname, length) == 0:
            return _EXACTLY
        if name[0] == c"*" and size - 1 == behind and behind > 1 and memcmp(name + 1, dot, behind) == 0:
            found = _BY_WILDCARD
        name += size + 1
    return found


cdef bint certificate_covers(const SnapshotData *self, uint32_t certificate, const uint8_t *hostname,
                             uint32_t length) noexcept nogil:
    """Does the certificate's list of names cover a normalized hostname? False for NONE and no hostname."""
    if certificate >= self.certificate_count or length == 0:
        return False
    return _cover(self, certificate, hostname, length) != _NOT


cdef uint32_t certificate_by_key(const SnapshotData *self, uint64_t key) noexcept nogil:
    """The row of the certificate with this key, NONE if this snapshot has it no more."""
    cdef uint32_t row
    for row in range(self.certificate_count):
        if self.certificates[row].key == key:
            return row
    return NONE


cdef uint32_t snapshot_certificate(const SnapshotData *self, const uint8_t *hostname,
                                   uint32_t length) noexcept nogil:
    """The row of the certificate shown to a client that asks for `hostname`, as it came, or NONE.

    That of the hostname's zone; else one that names it, exactly rather than by wildcard; else the default.
    """
    cdef uint8_t name[HOSTNAME_MAX + 1]
    cdef const HostRow *host
    cdef uint32_t row
    cdef uint32_t found = NONE
    cdef _Cover cover
    if hostname != NULL and length > 0:
        length = hostname_normalize(hostname, length, name)
        if length > 0:
            host = snapshot_host(self, name, length)
            if host != NULL and host.certificate != NONE:
                return host.certificate
            if host != NULL and host.zone != NONE and self.zones[host.zone].certificate != NONE:
                return self.zones[host.zone].certificate
            for row in range(self.certificate_count):
                if self.certificates[row].context == NULL:
                    continue
                cover = _cover(self, row, name, length)
                if cover == _EXACTLY:
                    return row
                if cover == _BY_WILDCARD and found == NONE:
                    found = row
    return self.default_certificate if found == NONE else found


# Routes of a zone.

cdef const Field *_field(const FieldSection *section, const char *name, uint32_t length) noexcept nogil:
    """The first field of this name, NULL if there is none."""
    cdef uint32_t number
    cdef const Field *field
    for number in range(section.count):
        field = &section.fields[number]
        if field.name_length == length and memcmp(field.name, name, length) == 0:
            return field
    return NULL


cdef bint _hostname_matches(const RouteMatch *match, const uint8_t *hostname, uint32_t length) noexcept nogil:
    cdef uint32_t own = match.hostname_length
    if match.hostname == NULL:
        return True
    if match.wildcard:
        return (length > own + 1 and hostname[length - own - 1] == c"."
                and memcmp(hostname + length - own, match.hostname, own) == 0)
    return length == own and memcmp(hostname, match.hostname, own) == 0


cdef bint _path_matches(const RouteMatch *match, const Field *path) noexcept nogil:
    """The whole path, or with a slash at its end the service."""
    cdef uint32_t own = match.path_length
    if match.path == NULL:
        return True
    if path == NULL or path.value_length < own or memcmp(path.value, match.path, own) != 0:
        return False
    return path.value_length == own or match.path[own - 1] == c"/"


cdef bint _matches(const SnapshotData *self, const RouteMatch *match, const uint8_t *hostname, uint32_t length,
                   const FieldSection *section, const RequestHead *head) noexcept nogil:
    cdef uint32_t number
    cdef const FieldMatch *wanted
    cdef const Field *field
    if not _hostname_matches(match, hostname, length) or not _path_matches(match, head.path):
        return False
    for number in range(match.first, match.first + match.count):
        wanted = &self.field_matches[number]
        field = _field(section, wanted.name, wanted.name_length)
        if (field == NULL or field.value_length != wanted.value_length
                or memcmp(field.value, wanted.value, wanted.value_length) != 0):
            return False
    return True


cdef const RouteRow *route_of(const SnapshotData *self, const ZoneRow *zone, const uint8_t *hostname, uint32_t length,
                              const FieldSection *section, const RequestHead *head) noexcept nogil:
    """The first route of the zone that matches; its last one matches every call."""
    cdef uint32_t number, place
    cdef const RouteRow *route = NULL
    for number in range(zone.route_first, zone.route_first + zone.route_count):
        route = &self.routes[number]
        for place in range(route.first, route.first + route.count):
            if _matches(self, &self.matches[place], hostname, length, section, head):
                return route
    return route


cdef uint64_t origin_key(const OriginRow *origin, const FieldSection *section) noexcept nogil:
    """The hash of the field the origin balances by, the same in every worker and process; 0: it is not there."""
    cdef uint64_t[2] key = [0, 0]
    cdef const Field *field
    if origin.policy.balance != HASH or origin.hash_key == NULL:
        return 0
    field = _field(section, origin.hash_key, origin.hash_key_length)
    return keyed_hash(key, field.value, field.value_length) | 1 if field != NULL else 0


# Building: with the GIL, once per snapshot; what is not about hostnames is in proxy.rows.

cdef bytes _hostname(object hostname, bint *wildcard):
    """The name as it is kept: without the `*.` of a wildcard. Raises ValueError if it is not normal."""
    cdef uint8_t into[HOSTNAME_MAX + 1]
    cdef bytes name = hostname.encode()
    wildcard[0] = name.startswith(b"*.")
    if wildcard[0]:
        name = name[2:]
    authority = b"[" + name + b"]" if b":" in name else name
    length = hostname_normalize(authority, <uint32_t>len(authority), into)
    if length == 0 or into[:length] != name:
        raise ValueError(f"{hostname!r} is not a hostname in lower-case A-labels")
    return name


cdef void _hosts_fill(SnapshotData *self, list entries, list texts) except *:
    """Rows and their index, which is never more than half full."""
    cdef HostRow *row
    cdef bint wildcard
    cdef uint32_t at, number
    cdef uint32_t size = _INDEX_SMALLEST
    cdef uint64_t hashed
    while size < 2 * <int64_t>len(entries):
        size *= 2
    self.hosts = <HostRow *>rows_new(len(entries), sizeof(HostRow))
    self.index = <uint32_t *>rows_new(size, sizeof(uint32_t))
    self.index_mask = size - 1
    memset(self.index, 0xff, size * sizeof(uint32_t))
    for entry in entries:
        hostname, proxied, zone, origin = entry[:4]
        number = self.host_count
        row = &self.hosts[number]
        name = _hostname(hostname, &wildcard)
        row.hostname = rows_text(name, texts)
        row.hostname_length = len(name)
        row.kind = HOST_PROXIED if proxied else HOST_DNS_ONLY
        row.wildcard = wildcard
        row.zone = rows_number(zone, self.zone_count, "zone")
        row.origin = rows_number(origin, self.origin_count, "origin")
        row.certificate = rows_number(entry[4] if len(entry) > 4 else NONE, self.certificate_count, "certificate")
        hashed = keyed_hash(self.key, <const uint8_t *>row.hostname, row.hostname_length)
        if _find(self, hashed, <const uint8_t *>row.hostname, row.hostname_length, wildcard) != NULL:
            raise ValueError(f"{hostname!r} is there twice")
        at = <uint32_t>(hashed >> 32 if wildcard else hashed) & self.index_mask
        while self.index[at] != NONE:
            at = (at + 1) & self.index_mask
        self.index[at] = number
        self.host_count += 1
        self.labels_most = max(self.labels_most, <uint32_t>(name.count(b".") + 1))


@cython.final
cdef class Snapshot:
    """Compiled policy, frozen: which zone, origin and certificate belong to a hostname."""

    def __cinit__(self, *, uint64_t revision, zones, hosts, origins, certificates, default_certificate,
                  Endpoints endpoints not None, keep, size_t front=0):
        cdef list texts = []
        cdef bytes key = os.urandom(16)
        self.keep = (keep, texts, endpoints)
        self.data = <SnapshotData *>rows_new(1, sizeof(SnapshotData))
        self.data.revision = revision
        memcpy(self.data.key, <const char *>key, 16)
        rows_certificates(self.data, list(certificates), texts)
        self.data.default_certificate = rows_number(default_certificate, self.data.certificate_count, "certificate")
        self.data.front = <SSL_CTX *>front
        rows_zones(self.data, list(zones), texts)
        rows_origins(self.data, list(origins), endpoints, texts)
        _hosts_fill(self.data, list(hosts), texts)

    def __dealloc__(self):
        if self.data != NULL:
            free(self.data.hosts)
            free(self.data.index)
            rows_free(self.data)
            free(self.data)

    @property
    def revision(self):
        return self.data.revision

    @property
    def users(self):
        """How many workers still hold it."""
        return FASTGW_LOAD(&self.data.users)

    def explain(self, str authority not None):
        """What becomes of a request: ("proxied", "dns_only" or "unknown", zone row, origin row).

        A row is -1 where there is none.
        """
        cdef uint8_t name[HOSTNAME_MAX + 1]
        cdef const HostRow *host = NULL
        cdef bytes octets = authority.encode(errors="surrogateescape")
        cdef uint32_t length = hostname_normalize(octets, <uint32_t>len(octets), name)
        if length > 0:
            host = snapshot_host(self.data, name, length)
        if host == NULL:
            return "unknown", -1, -1
        return (
            "proxied" if host.kind == HOST_PROXIED else "dns_only",
            -1 if host.zone == NONE else host.zone,
            -1 if host.origin == NONE else host.origin,
        )


def sockaddr(str host not None, int port):
    """An IPv4 or IPv6 literal and a port as the octets of a struct sockaddr."""
    cdef sockaddr_in four
    cdef sockaddr_in6 six
    cdef bytes text = host.encode()
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port")
    memset(&four, 0, sizeof(four))
    memset(&six, 0, sizeof(six))
    if b"\0" not in text:
        if inet_pton(AF_INET, text, &four.sin_addr) == 1:
            four.sin_family = AF_INET
            four.sin_port = htons(<uint16_t>port)
            return (<const char *>&four)[:sizeof(four)]
        if inet_pton(AF_INET6, text, &six.sin6_addr) == 1:
            six.sin6_family = AF_INET6
            six.sin6_port = htons(<uint16_t>port)
            return (<const char *>&six)[:sizeof(six)]
    raise ValueError(f"{host!r} is not an IP address")


def _fill():
    for octet in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.":
        _kept[octet] = _lower(octet)


_fill()


# For tests and tools.

def hostname_of(bytes authority not None):
    """The normalized hostname, None if there is none in `authority`."""
    cdef uint8_t name[HOSTNAME_MAX + 1]
    cdef uint32_t length = hostname_normalize(authority, <uint32_t>len(authority), name)
    return name[:length] if length > 0 else None


def certificate_of(Snapshot snapshot not None, bytes sni):
    """The certificate row shown to who asks for `sni` (None: asks for nothing), -1 if there is none."""
    cdef const uint8_t *name = NULL
    if sni is not None:
        name = sni
    row = snapshot_certificate(snapshot.data, name, <uint32_t>len(sni) if sni is not None else 0)
    return -1 if row == NONE else row


def covers(Snapshot snapshot not None, uint32_t certificate, bytes hostname not None):
    """Does the certificate cover the hostname?"""
    return bool(certificate_covers(snapshot.data, certificate, hostname, <uint32_t>len(hostname)))


def hash_of(uint64_t low, uint64_t high, bytes octets not None):
    """SipHash-1-3 under the key whose two halves are given."""
    cdef uint64_t[2] key = [low, high]
    return keyed_hash(key, octets, len(octets))


def lookup_cost(Snapshot snapshot not None, list authorities not None, uint32_t rounds):
    """Nanoseconds for one normalization and lookup, over all `authorities` in turn."""
    cdef uint8_t name[HOSTNAME_MAX + 1]
    cdef uint32_t _, length
    cdef size_t at
    cdef size_t count = len(authorities)
    cdef uint64_t begun
    cdef const uint8_t **texts = <const uint8_t **>malloc(count * sizeof(void *))
    cdef uint32_t *lengths = <uint32_t *>malloc(count * sizeof(uint32_t))
    try:
        if texts == NULL or lengths == NULL:
            raise MemoryError
        for at in range(count):
            texts[at] = <const uint8_t *>(<bytes>authorities[at])
            lengths[at] = <uint32_t>len(authorities[at])
        begun = clock_now()
        for _ in range(rounds):
            for at in range(count):
                length = hostname_normalize(texts[at], lengths[at], name)
                snapshot_host(snapshot.data, name, length)
        return (clock_now() - begun) / <double>(rounds * count)
    finally:
        free(texts)
        free(lengths)
