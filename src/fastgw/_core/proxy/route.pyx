"""The snapshot: hostname -> record -> zone -> what is to be done, compiled, frozen, without Python.

Knows which row answers for a hostname and which certificate is shown for it; what the rows mean to a call is decided
elsewhere, and how they come to be is in proxy.rows and proxy.snapshot.
"""
from libc.string cimport memchr, memcmp, memcpy, memset, strlen


import os


cdef extern from "keyed_hash.h" nogil:
    uint64_t keyed_hash(const uint64_t *key, const uint8_t *at, size_t length)


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

# Octets of a hostname, lower-case; 0 for those that end it. Filled when the module is loaded.
cdef uint8_t _kept[256]

# Of the hash of names, which strangers choose: drawn by lot when the module is loaded, so that it is the same for
# all snapshots of the process and their indices can be copied.
cdef uint64_t _key[2]


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


cdef uint64_t name_hash(const char *text, uint32_t length, bint wildcard) noexcept nogil:
    """Where a name stands in an index: a wildcard elsewhere than the exact name of the same text."""
    cdef uint64_t hashed = keyed_hash(_key, <const uint8_t *>text, length)
    return _of_wildcard(hashed) if wildcard else hashed


cdef inline uint64_t _of_wildcard(uint64_t hashed) noexcept nogil:
    return hashed >> 32 | hashed << 32


cdef inline const Name *_find(const Index *index, uint64_t hashed, const uint8_t *text, uint32_t length,
                              bint wildcard) noexcept nogil:
    """The row of exactly this name, NULL if there is none."""
    cdef uint32_t at = <uint32_t>hashed & index.mask
    cdef const Name *name
    while index.slots[at] != NULL:
        name = <const Name *>index.slots[at]
        if (name.hashed == hashed and name.length == length and name.wildcard == wildcard
                and memcmp(name.text, text, length) == 0):
            return name
        at = (at + 1) & index.mask
    return NULL


cdef const Name *snapshot_name(const Index *index, const Name *name) noexcept nogil:
    """The row in an index that has the same name, NULL if there is none."""
    return _find(index, name.hashed, <const uint8_t *>name.text, name.length, name.wildcard)


cdef const HostRow *snapshot_host(const SnapshotData *self, const uint8_t *hostname,
                                  uint32_t length) noexcept nogil:
    """The row that answers for a normalized hostname, NULL if none does.

    The name itself, else the longest wildcard above it; a name on the way up that has a row ends the search.
    """
    cdef const Name *name
    cdef uint64_t hashed
    cdef uint32_t at
    cdef uint32_t labels = 1
    for at in range(length):
        labels += hostname[at] == c"."
    if self.labels[labels] > 0:
        name = _find(&self.hosts, keyed_hash(_key, hostname, length), hostname, length, False)
        if name != NULL:
            return <const HostRow *>name
    for at in range(1, length + 1):
        if hostname[at - 1] != c".":
            continue
        labels -= 1
        if self.labels[labels] == 0:
            continue
        hashed = keyed_hash(_key, hostname + at, length - at)
        name = _find(&self.hosts, _of_wildcard(hashed), hostname + at, length - at, True)
        if name != NULL:
            return <const HostRow *>name
        if _find(&self.hosts, hashed, hostname + at, length - at, False) != NULL:
            return NULL
    return NULL


# Certificates.

cdef enum _Cover:
    _NOT = 0
    _BY_WILDCARD
    _EXACTLY


cdef _Cover _cover(const CertificateRow *self, const uint8_t *hostname, uint32_t length) noexcept nogil:
    """How one certificate covers a hostname: `*` is one whole label on the left (RFC 9525 section 6.3)."""
    cdef const uint8_t *name = <const uint8_t *>self.names
    cdef uint32_t behind = _first_dot(hostname, length)
    cdef uint32_t left = length - behind if behind > 0 else 0   # octets from the first dot on
    cdef size_t size
    cdef _Cover found = _NOT
    while name[0] != 0:
        size = strlen(<const char *>name)
        if size == length and memcmp(name, hostname, length) == 0:
            return _EXACTLY
        if name[0] == c"*" and size - 1 == left and left > 1 and memcmp(name + 1, hostname + behind, left) == 0:
            found = _BY_WILDCARD
        name += size + 1
    return found


cdef uint32_t _first_dot(const uint8_t *hostname, uint32_t length) noexcept nogil:
    """Where the first label ends, 0 if there is none in front of a dot."""
    cdef const uint8_t *dot = <const uint8_t *>memchr(hostname, c".", length)
    return <uint32_t>(dot - hostname) if dot != NULL else 0


cdef bint certificate_covers(const CertificateRow *certificate, const uint8_t *hostname,
                             uint32_t length) noexcept nogil:
    """Does the certificate's list of names cover a normalized hostname? False for no hostname."""
    return length > 0 and _cover(certificate, hostname, length) != _NOT


cdef const CertificateRow *certificate_by_key(const SnapshotData *self, uint64_t key) noexcept nogil:
    """The certificate with this key, NULL if this snapshot has it no more."""
    cdef const Index *keys = &self.keys
    cdef uint64_t hashed = key_hash(key)
    cdef uint32_t at = <uint32_t>hashed & keys.mask
    cdef const CertificateRow *row
    while keys.slots[at] != NULL:
        row = <const CertificateRow *>keys.slots[at]
        if row.key == key:
            return row
        at = (at + 1) & keys.mask
    return NULL


cdef uint64_t key_hash(uint64_t key) noexcept nogil:
    """Where a certificate stands in an index."""
    return keyed_hash(_key, <const uint8_t *>&key, sizeof(key))


cdef const CertificateRow *_of_zone(const ZoneRow *zone, const uint8_t *hostname, uint32_t length) noexcept nogil:
    """The certificate of this zone that covers the name, exactly rather than by wildcard, the last of equals."""
    cdef const CertificateRow *found = NULL
    cdef _Cover best = _NOT
    cdef _Cover cover
    cdef uint32_t number
    for number in range(zone.certificate_count):
        cover = _cover(zone.certificates[number], hostname, length)
        if cover != _NOT and cover >= best:
            found = zone.certificates[number]
            best = cover
    return found


cdef const CertificateRow *certificate_of_host(const SnapshotData *self, const HostRow *host, const uint8_t *hostname,
                                               uint32_t length) noexcept nogil:
    """The certificate shown to a client that asks for a normalized hostname; `host`: its row, or NULL.

    The row's own; else what the zone has for the name, so that no other zone can put something else in its place;
    else what anybody has for it, exactly rather than by wildcard; else the zone's first; else the default.
    """
    cdef const Name *name
    cdef const CertificateRow *row
    cdef uint32_t behind
    if host != NULL:
        if host.certificate != NULL:
            return host.certificate
        row = _of_zone(host.zone, hostname, length)
        if row != NULL:
            return row
    name = _find(&self.names, keyed_hash(_key, hostname, length), hostname, length, False)
    behind = _first_dot(hostname, length) + 1
    if name == NULL and behind > 1 and behind < length:
        name = _find(&self.names, _of_wildcard(keyed_hash(_key, hostname + behind, length - behind)),
                     hostname + behind, length - behind, True)
    if name != NULL:
        return (<const CertificateName *>name).certificate
    if host != NULL and host.zone.certificate_count > 0:
        return host.zone.certificates[0]
    return self.default_certificate


cdef const CertificateRow *snapshot_certificate(const SnapshotData *self, const uint8_t *hostname,
                                                uint32_t length) noexcept nogil:
    """The certificate shown to a client that asks for `hostname`, as it came (length 0: for nothing), or NULL."""
    cdef uint8_t name[HOSTNAME_MAX + 1]
    if hostname != NULL and length > 0:
        length = hostname_normalize(hostname, length, name)
        if length > 0:
            return certificate_of_host(self, snapshot_host(self, name, length), name, length)
    return self.default_certificate


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


cdef bint call_matches(const RouteMatch *match, const uint8_t *hostname, uint32_t length,
                       const Field *path) noexcept nogil:
    """Do hostname and path match? Fields are not looked at."""
    return _hostname_matches(match, hostname, length) and _path_matches(match, path)


cdef bint _matches(const RouteMatch *match, const uint8_t *hostname, uint32_t length,
                   const FieldSection *section, const RequestHead *head) noexcept nogil:
    cdef uint32_t number
    cdef const FieldMatch *wanted
    cdef const Field *field
    if not call_matches(match, hostname, length, head.path):
        return False
    for number in range(match.count):
        wanted = &match.fields[number]
        field = _field(section, wanted.name, wanted.name_length)
        if (field == NULL or field.value_length != wanted.value_length
                or memcmp(field.value, wanted.value, wanted.value_length) != 0):
            return False
    return True


cdef const RouteRow *route_of(const ZoneRow *zone, const uint8_t *hostname, uint32_t length,
                              const FieldSection *section, const RequestHead *head) noexcept nogil:
    """The first route of the zone that matches; its last one matches every call."""
    cdef uint32_t number, place
    cdef const RouteRow *route = NULL
    for number in range(zone.route_count):
        route = &zone.routes[number]
        for place in range(route.count):
            if _matches(&route.matches[place], hostname, length, section, head):
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
    cdef bytes secret = os.urandom(16)
    for octet in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.":
        _kept[octet] = _lower(octet)
    memcpy(_key, <const char *>secret, 16)


_fill()


# For tests and tools.

def hostname_of(bytes authority not None):
    """The normalized hostname, None if there is none in `authority`."""
    cdef uint8_t name[HOSTNAME_MAX + 1]
    cdef uint32_t length = hostname_normalize(authority, <uint32_t>len(authority), name)
    return name[:length] if length > 0 else None


def hash_of(uint64_t low, uint64_t high, bytes octets not None):
    """SipHash-1-3 under the key whose two halves are given."""
    cdef uint64_t[2] key = [low, high]
    return keyed_hash(key, octets, len(octets))
