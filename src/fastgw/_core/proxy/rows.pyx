"""What a snapshot is put together from: certificates, and one block of rows for each zone.

Entries in Python become rows in C, with the GIL, once for each change of a zone. Afterwards they are only read, and
snapshots share them.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy

from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.proxy.endpoints cimport Endpoints
from fastgw._core.proxy.route cimport (
    ENDPOINTS_MAX,
    HASH,
    HOST_DNS_ONLY,
    HOST_PROXIED,
    HOSTNAME_MAX,
    LEAST_CALLS,
    PEAK_EWMA,
    RANDOM,
    ROUND_ROBIN,
    VARIANT_MAX,
    hostname_normalize,
    key_hash,
    name_hash,
)

from hashlib import blake2b

cdef enum:
    _WEIGHT_MOST = 1000
    _ADDRESS_MOST = 128     # sizeof(struct sockaddr_storage)

BALANCES = {
    "round_robin": <int>ROUND_ROBIN,
    "random": <int>RANDOM,
    "least_calls": <int>LEAST_CALLS,
    "peak_ewma": <int>PEAK_EWMA,
    "hash": <int>HASH,
}


@cython.final
@cython.no_gc
cdef class Certificate:
    """A certificate as it is shown under one set of demands; zones that show the same may share the object.

    context        address of its SSL_CTX; 0: shown to nobody any more
    names          its SAN DNS names and addresses
    identity       equal for equal certificates, in every snapshot
    demand         0: no client certificate is asked for; equal numbers: equal demands
    required       one without it is turned away
    version_least, version_most  of TLS, as on the wire; 0: any
    no_h2          nobody is to come in under its names
    staple         OCSP response, empty: none
    keep           what keeps the context alive
    """

    def __cinit__(self, size_t context, names, bytes identity not None, *, uint32_t demand=0,
                  bint required=False, uint16_t version_least=0, uint16_t version_most=0, bint no_h2=False,
                  bytes staple not None=b"", keep=None):
        cdef list lowered = [name.lower().encode("ascii") for name in dict.fromkeys(names) if name]
        cdef bytes octets
        if any(b"\0" in octets for octets in lowered):
            raise ValueError("a zero octet in a certificate's name")
        # The octet that ends a bytes object in memory is the empty name that ends the list.
        self.listed = b"".join([octets + b"\0" for octets in lowered])
        self.identity = identity
        self.context = keep
        self.staple = staple
        self.row.context = <SSL_CTX *>context
        self.row.names = <const char *>self.listed
        self.row.key = int.from_bytes(blake2b(identity, digest_size=8).digest()) or 1
        self.row.hashed = key_hash(self.row.key)
        self.row.demand = demand
        self.row.required = required
        self.row.version_least = version_least
        self.row.version_most = version_most
        self.row.no_h2 = no_h2
        if staple:
            self.row.staple = <const uint8_t *><const char *>staple
            self.row.staple_length = <uint32_t>len(staple)
        _index_names(self, lowered)

    def __dealloc__(self):
        free(self.names)


cdef void _index_names(Certificate self, list lowered) except *:
    """One row for each name that may be looked up: exact ones, and "*." in front of one."""
    cdef const char *at = self.row.names
    cdef CertificateName *row
    cdef bytes octets
    self.names = <CertificateName *>calloc(max(1, len(lowered)), sizeof(CertificateName))
    if self.names == NULL:
        raise MemoryError
    for octets in lowered:
        row = &self.names[self.name_count]
        row.name.wildcard = octets[:2] == b"*."
        row.name.text = at + 2 if row.name.wildcard else at
        row.name.length = <uint32_t>(len(octets) - 2 if row.name.wildcard else len(octets))
        row.certificate = &self.row
        at += len(octets) + 1
        if row.name.length > 0 and memchr(row.name.text, c"*", row.name.length) == NULL:
            row.name.hashed = name_hash(row.name.text, row.name.length, row.name.wildcard)
            self.name_count += 1


# The texts of a block stand behind its rows, each once: first all are noted, then they have a place.

cdef class _Texts:
    """Texts and where each begins."""
    cdef dict places            # text -> octets from the first one
    cdef size_t size
    cdef char *base             # NULL until there is memory for them

    def __cinit__(self):
        self.places = {}

    cdef int note(self, object text) except -1:
        """It will be asked for; a text of Python or octets."""
        cdef Py_ssize_t size
        if text in self.places:
            return 0
        self.octets(text, &size)
        self.places[text] = self.size
        self.size += <size_t>size + 1
        return 0

    cdef const char *octets(self, object text, Py_ssize_t *size) except NULL:
        cdef const char *at
        if type(text) is bytes:
            size[0] = len(<bytes>text)
            return PyBytes_AS_STRING(text)
        at = PyUnicode_AsUTF8AndSize(text, size)
        if memchr(at, 0, <size_t>size[0]) != NULL:
            raise ValueError(f"a zero octet in {text!r}")
        return at

    cdef void settle(self, char *base) except *:
        """Copy all of them to `base`, which is all zero."""
        cdef const char *at
        cdef Py_ssize_t size
        self.base = base
        for text, place in self.places.items():
            at = self.octets(text, &size)
            memcpy(base + <size_t>place, at, <size_t>size)

    cdef const char *place(self, object text, uint32_t *length=NULL) except NULL:
        """The zero-terminated text, in the block."""
        cdef Py_ssize_t size
        if length != NULL:
            self.octets(text, &size)
            length[0] = <uint32_t>size
        return self.base + <size_t>self.places[text]


@cython.final
@cython.no_gc
cdef class ZoneBlock:
    """The rows of one zone, frozen.

    hosts         each leads to one of `origins`, by its place
    certificates  that its hostnames show; the first stands for names that none of them covers
    keep          the contexts its endpoints point to
    """

    def __cinit__(self, zone, hosts, origins, certificates, Endpoints endpoints not None, keep=()):
        cdef _Texts texts = _Texts()
        cdef Certificate certificate
        self.name = zone.name
        self.certificates = tuple(certificates)
        self.special = tuple(dict.fromkeys([host.certificate for host in hosts if host.certificate is not None]))
        self.endpoints = endpoints
        self.keep = keep
        if not zone.routes or zone.routes[len(zone.routes) - 1].matches:
            # Not [-1]: the core is compiled without wraparound, which holds for Python's lists too.
            raise ValueError(f"zone {self.name}: the last route must match every call")
        for certificate in self.certificates + self.special:
            if certificate is None:
                raise TypeError("a certificate is None")
        self.inspection = zone.inspection
        self.access = zone.access
        _open(self, zone, hosts, origins, texts)
        _inspect(self, zone)
        _zone(self.data, zone, self.certificates, texts)
        _origins(self, origins, texts)
        _hosts(self.data, hosts, texts)

    def __dealloc__(self):
        cdef uint32_t number
        if self.data != NULL:
            for number in range(self.data.endpoint_count):
                if self.data.endpoints[number].state != NULL:
                    self.endpoints.leave(self.data.endpoints[number].state)
            free(self.data)

    @property
    def octets(self):
        """Memory of its rows and texts."""
        return self.size


cdef inline void *_take(char **at, size_t count, size_t size) noexcept:
    cdef void *taken = at[0]
    at[0] += count * size
    return taken


cdef void _open(ZoneBlock self, object zone, object hosts, object origins, _Texts texts) except *:
    """Count rows and texts, and take memory for all of them."""
    cdef size_t endpoints = 0, matches = 0, fields = 0, size
    cdef char *at
    texts.note(zone.name)
    for host in hosts:
        texts.note(host.hostname)
    for origin in origins:
        texts.note(origin.label)
        texts.note(origin.hash_key)
        for endpoint in origin.endpoints:
            texts.note(endpoint.address)
            texts.note(endpoint.server_name)
            texts.note(endpoint.authority)
            if endpoint.names:
                texts.note(_listed(endpoint.names))
            texts.note(endpoint.label)
            endpoints += 1
    for route in zone.routes:
        for match in route.matches:
            matches += 1
            texts.note(match.hostname)
            texts.note(match.path)
            for name, value in match.fields:
                texts.note(name)
                texts.note(value)
                fields += 1
    size = (sizeof(BlockData) + len(hosts) * sizeof(HostRow) + len(origins) * sizeof(OriginRow)
            + endpoints * sizeof(EndpointRow) + len(zone.routes) * sizeof(RouteRow) + matches * sizeof(RouteMatch)
            + fields * sizeof(FieldMatch) + len(self.certificates) * sizeof(void *)
            + len(zone.slots) * sizeof(uint32_t))
    at = <char *>calloc(1, size + texts.size)
    if at == NULL:
        raise MemoryError
    self.size = size + texts.size
    self.data = <BlockData *>_take(&at, 1, sizeof(BlockData))
    self.data.hosts = <HostRow *>_take(&at, len(hosts), sizeof(HostRow))
    self.data.origins = <OriginRow *>_take(&at, len(origins), sizeof(OriginRow))
    self.data.endpoints = <EndpointRow *>_take(&at, endpoints, sizeof(EndpointRow))
    self.data.routes = <RouteRow *>_take(&at, len(zone.routes), sizeof(RouteRow))
    self.data.matches = <RouteMatch *>_take(&at, matches, sizeof(RouteMatch))
    self.data.fields = <FieldMatch *>_take(&at, fields, sizeof(FieldMatch))
    self.data.zone.certificates = <const CertificateRow **>_take(&at, len(self.certificates), sizeof(void *))
    self.data.slots = <uint32_t *>_take(&at, len(zone.slots), sizeof(uint32_t))
    texts.settle(at)


cdef void _inspect(ZoneBlock block, object zone) except *:
    """What is asked of heads: the rules, which other zones may share, and the counters, which are this zone's."""
    cdef BlockData *self = block.data
    cdef uint32_t number
    if block.access is not None:
        self.zone.access = &block.access.row
    if block.inspection is None:
        return
    if len(zone.slots) != block.inspection.rule_count:
        raise ValueError(f"zone {block.name}: {len(zone.slots)} counters for {block.inspection.rule_count} rules")
    for number, slot in enumerate(zone.slots):
        self.slots[number] = slot
        self.slot_count = max(self.slot_count, self.slots[number] + 1)
    self.inspection.data = &block.inspection.data
    self.inspection.slots = self.slots
    self.zone.inspection = &self.inspection


cdef void _zone(BlockData *self, object entry, tuple certificates, _Texts texts) except *:
    cdef ZoneRow *row = &self.zone
    cdef RouteRow *route_row
    cdef RouteMatch *match_row = self.matches
    cdef FieldMatch *field_row = self.fields
    cdef Certificate certificate
    row.name = texts.place(entry.name, &row.name_length)
    row.number = entry.number
    row.grpc = bool(entry.grpc)
    row.http = bool(entry.http)
    row.encrypted = bool(entry.encrypted)
    self.inspection.zone = row.name
    for certificate in certificates:
        row.certificates[row.certificate_count] = &certificate.row
        row.certificate_count += 1
    row.routes = self.routes
    for route in entry.routes:
        route_row = &self.routes[row.route_count]
        row.route_count += 1
        _route(route_row, route)
        route_row.matches = match_row
        for match in route.matches:
            _match(match_row, match, texts)
            match_row.fields = field_row
            match_row += 1
            for name, value in match.fields:
                field_row.name = texts.place(name, &field_row.name_length)
                field_row.value = texts.place(value, &field_row.value_length)
                field_row += 1


cdef void _route(RouteRow *row, object entry) except *:
    row.count = <uint32_t>len(entry.matches)
    row.deadline_ms = entry.deadline_ms
    row.idle_ms = entry.idle_ms
    row.age_ms = entry.age_ms
    row.attempts_most = entry.attempts
    row.hedge_ms = entry.hedge_ms
    row.replay_octets = entry.replay_octets
    row.request_message_most = entry.request_message_most
    row.response_message_most = entry.response_message_most
    for status in entry.retry_on:
        if not 0 < status < 32:
            raise ValueError(f"{status} is not a gRPC status to try again on")
        row.retry_on |= <uint32_t>1 << <uint32_t>status


cdef void _match(RouteMatch *row, object entry, _Texts texts) except *:
    row.count = <uint32_t>len(entry.fields)
    if entry.hostname:
        row.hostname = texts.place(entry.hostname, &row.hostname_length)
        row.wildcard = row.hostname_length > 2 and memcmp(row.hostname, b"*.", 2) == 0
        if row.wildcard:
            row.hostname += 2
            row.hostname_length -= 2
    if entry.path:
        row.path = texts.place(entry.path, &row.path_length)


cdef void _origins(ZoneBlock block, object entries, _Texts texts) except *:
    """Origins, and their endpoints in one array behind each other, by priority."""
    cdef BlockData *self = block.data
    cdef OriginRow *row
    for entry in entries:
        row = &self.origins[self.origin_count]
        if not 0 < len(entry.endpoints) <= ENDPOINTS_MAX:
            raise ValueError(f"origin {entry.label} has {len(entry.endpoints)} endpoints, 1 to {ENDPOINTS_MAX}"
                             " are possible")
        row.label = texts.place(entry.label)
        row.endpoints = &self.endpoints[self.endpoint_count]
        row.count = <uint32_t>len(entry.endpoints)
        if entry.hash_key:
            row.hash_key = texts.place(entry.hash_key, &row.hash_key_length)
        _policy(row, _fields(entry))
        self.warm_count += row.policy.ready_least > 0
        endpoints = entry.endpoints
        if len(endpoints) > 1:
            endpoints = sorted(endpoints, key=_priority)
        for endpoint in endpoints:
            _endpoint(&self.endpoints[self.endpoint_count], _fields(endpoint), block.endpoints, texts)
            self.endpoint_count += 1
        self.origin_count += 1


def _listed(names):
    """Each zero-terminated; the zero behind all of them, which every text here has, ends the list."""
    return b"".join([name.encode() + b"\0" for name in names])


def _priority(endpoint):
    return endpoint.priority


cdef inline tuple _fields(object entry):
    """Those of a named tuple, to be taken by their place: by name each would cost a lookup."""
    if not isinstance(entry, tuple):
        raise TypeError(f"{entry!r} is not a row")
    return <tuple>entry


cdef void _policy(OriginRow *row, tuple entry) except *:
    """`entry` is an OriginEntry."""
    (_, _, balance, _, row.policy.panic_percent, row.policy.slow_start_ms, row.policy.eject_failures,
     row.policy.eject_ms, row.policy.connections_most, row.policy.waiting_most, row.policy.calls_most,
     row.policy.ready_least, row.policy.age_ms, row.policy.keepalive_ms) = entry
    row.policy.balance = BALANCES[balance]


cdef void _endpoint(EndpointRow *row, tuple entry, Endpoints endpoints, _Texts texts) except *:
    """`entry` is an EndpointEntry."""
    (address, context, server_name, verify, row.connect_timeout_ms, row.handshake_timeout_ms, label, state, weight,
     row.priority, names, common_name, authority) = entry
    row.address = <const uint8_t *>texts.place(address, &row.address_length)
    if row.address_length > _ADDRESS_MOST:
        raise ValueError(f"the address of {label} is too long")
    row.context = <SSL_CTX *><size_t>context
    row.server_name = texts.place(server_name) if server_name else NULL
    if names:
        row.names = texts.place(_listed(names))
    row.verify = bool(verify)
    row.common_name = bool(common_name)
    if authority:
        row.authority = texts.place(authority, &row.authority_length)
    row.label = texts.place(label)
    row.weight = min(max(weight, 1), _WEIGHT_MOST)
    row.state = endpoints.enter(state)


cdef void _hosts(BlockData *self, object entries, _Texts texts) except *:
    cdef HostRow *row
    cdef Certificate certificate
    for entry in entries:
        row = &self.hosts[self.host_count]
        row.name.text = texts.place(entry.hostname, &row.name.length)
        row.name.wildcard = row.name.length > 2 and memcmp(row.name.text, b"*.", 2) == 0
        if row.name.wildcard:
            row.name.text += 2
            row.name.length -= 2
        if not _is_normal(row):
            raise ValueError(f"{entry.hostname!r} is not a hostname in lower-case A-labels")
        row.name.hashed = name_hash(row.name.text, row.name.length, row.name.wildcard)
        row.kind = HOST_PROXIED if entry.proxied else HOST_DNS_ONLY
        row.zone = &self.zone
        if entry.origin != -1:
            if not 0 <= entry.origin < self.origin_count:
                raise ValueError(f"there is no origin {entry.origin}")
            row.origin = &self.origins[<uint32_t>entry.origin]
        elif entry.proxied:
            raise ValueError(f"{entry.hostname} is proxied and has no origin")
        if entry.certificate is not None:
            certificate = entry.certificate
            row.certificate = &certificate.row
        self.host_count += 1


cdef bint _is_normal(const HostRow *row) noexcept:
    """Is the name what hostname_normalize would make of it, but for the mark of a variant?"""
    cdef uint8_t into[HOSTNAME_MAX + 1]
    cdef uint8_t literal[HOSTNAME_MAX + 3]
    cdef uint32_t length = row.name.length
    cdef const char *mark = <const char *>memchr(row.name.text, c"/", length)
    if mark != NULL:
        if row.name.text + length - mark >= VARIANT_MAX:
            return False
        length = <uint32_t>(mark - row.name.text)
    if length == 0 or length > HOSTNAME_MAX:
        return False
    if memchr(row.name.text, c":", length) == NULL:
        return (hostname_normalize(<const uint8_t *>row.name.text, length, into) == length
                and memcmp(into, row.name.text, length) == 0)
    literal[0] = c"["
    memcpy(&literal[1], row.name.text, length)
    literal[length + 1] = c"]"
    return (hostname_normalize(literal, length + 2, into) == length and memcmp(into, row.name.text, length) == 0)
