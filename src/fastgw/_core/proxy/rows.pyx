"""Entries in Python become rows in C: certificates, zones with their routes, origins with their endpoints.

Runs with the GIL, once per snapshot. Texts the rows point to are kept alive by the list `texts`.
"""
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.proxy.route cimport (
    ENDPOINTS_MAX,
    HASH,
    LEAST_CALLS,
    NONE,
    PEAK_EWMA,
    RANDOM,
    ROUND_ROBIN,
    CertificateRow,
    EndpointRow,
    FieldMatch,
    OriginRow,
    RouteMatch,
    RouteRow,
    ZoneRow,
)

from hashlib import blake2b

cdef enum:
    _WEIGHT_MOST = 1000

BALANCES = {
    "round_robin": <int>ROUND_ROBIN,
    "random": <int>RANDOM,
    "least_calls": <int>LEAST_CALLS,
    "peak_ewma": <int>PEAK_EWMA,
    "hash": <int>HASH,
}


cdef void *rows_new(size_t count, size_t size) except NULL:
    cdef void *rows = calloc(count if count > 0 else 1, size)
    if rows == NULL:
        raise MemoryError
    return rows


cdef const char *rows_text(object text, list texts, bint zeros=False) except NULL:
    """A zero-terminated text that lives as long as `texts`; `zeros`: others may be in it."""
    cdef bytes octets = text.encode() if isinstance(text, str) else bytes(text)
    if b"\0" in octets and not zeros:
        raise ValueError(f"a zero octet in {text!r}")
    texts.append(octets)
    return octets


cdef uint32_t rows_number(object number, uint32_t count, str what) except? NONE:
    """A row number; None and -1 say that there is none."""
    if number is None or number == -1 or number == NONE:
        return NONE
    if not 0 <= number < count:
        raise ValueError(f"there is no {what} {number}")
    return number


cdef void rows_certificates(SnapshotData *self, list entries, list texts) except *:
    cdef CertificateRow *row
    self.certificates = <CertificateRow *>rows_new(len(entries), sizeof(CertificateRow))
    for entry in entries:
        context, names, identity = entry[:3]
        row = &self.certificates[self.certificate_count]
        row.context = <SSL_CTX *><size_t>context
        _terms(row, entry, texts)
        lowered = [name.lower().encode("ascii") for name in names if name]
        if any(b"\0" in name for name in lowered):
            raise ValueError("a zero octet in a certificate's name")
        # The octet that ends a bytes object in memory is the empty name that ends the list.
        listed = b"".join([name + b"\0" for name in lowered])
        texts.append(listed)
        row.names = <const char *>listed
        row.key = int.from_bytes(blake2b(identity, digest_size=8).digest()) or 1
        self.certificate_count += 1


cdef void _terms(CertificateRow *row, object entry, list texts) except *:
    """What the names under a certificate ask of a handshake."""
    cdef bytes staple
    if len(entry) == 3:
        return
    row.demand = entry.demand
    row.required = bool(entry.required)
    row.version_least = entry.version_least
    row.version_most = entry.version_most
    row.no_h2 = bool(entry.no_h2)
    if entry.staple:
        staple = entry.staple
        texts.append(staple)
        row.staple = staple
        row.staple_length = <uint32_t>len(staple)


cdef void rows_zones(SnapshotData *self, list entries, list texts) except *:
    """Zones, and their routes in one array behind each other."""
    cdef ZoneRow *row
    self.zones = <ZoneRow *>rows_new(len(entries), sizeof(ZoneRow))
    routes = [route for entry in entries for route in entry.routes]
    matches = [match for route in routes for match in route.matches]
    self.routes = <RouteRow *>rows_new(len(routes), sizeof(RouteRow))
    self.matches = <RouteMatch *>rows_new(len(matches), sizeof(RouteMatch))
    self.field_matches = <FieldMatch *>rows_new(sum(len(match.fields) for match in matches), sizeof(FieldMatch))
    for entry in entries:
        # Not [-1]: the core is compiled without wraparound, which holds for Python's lists too.
        if not entry.routes or entry.routes[len(entry.routes) - 1].matches:
            raise ValueError(f"zone {entry.name}: the last route must match every call")
        row = &self.zones[self.zone_count]
        row.name = rows_text(entry.name, texts)
        row.number = entry.number
        row.grpc = bool(entry.grpc)
        row.http = bool(entry.http)
        row.encrypted = bool(entry.encrypted)
        row.certificate = rows_number(entry.certificate, self.certificate_count, "certificate")
        row.route_first = self.route_count
        row.route_count = len(entry.routes)
        for route in entry.routes:
            _route(self, route, texts)
        self.zone_count += 1


cdef void _route(SnapshotData *self, object entry, list texts) except *:
    cdef RouteRow *row = &self.routes[self.route_count]
    row.first = self.match_count
    row.count = len(entry.matches)
    row.deadline_ms = entry.deadline_ms
    row.idle_ms = entry.idle_ms
    row.age_ms = entry.age_ms
    row.attempts_most = entry.attempts
    row.hedge_ms = entry.hedge_ms
    row.replay_octets = entry.replay_octets
    for status in entry.retry_on:
        if not 0 < status < 32:
            raise ValueError(f"{status} is not a gRPC status to try again on")
        row.retry_on |= <uint32_t>1 << <uint32_t>status
    for match in entry.matches:
        _match(self, match, texts)
    self.route_count += 1


cdef void _match(SnapshotData *self, object entry, list texts) except *:
    cdef RouteMatch *row = &self.matches[self.match_count]
    cdef FieldMatch *field
    if entry.hostname:
        name = entry.hostname.encode()
        row.wildcard = name.startswith(b"*.")
        if row.wildcard:
            name = name[2:]
        row.hostname = rows_text(name, texts)
        row.hostname_length = len(name)
    if entry.path:
        row.path = rows_text(entry.path, texts)
        row.path_length = len(entry.path.encode())
    row.first = self.field_match_count
    row.count = len(entry.fields)
    for name, value in entry.fields:
        field = &self.field_matches[self.field_match_count]
        field.name = rows_text(name, texts)
        field.name_length = len(name.encode())
        field.value = rows_text(value, texts)
        field.value_length = len(value.encode())
        self.field_match_count += 1
    self.match_count += 1


cdef void rows_origins(SnapshotData *self, list entries, Endpoints endpoints, list texts) except *:
    """Origins, and their endpoints in one array behind each other, by priority."""
    cdef OriginRow *row
    self.origins = <OriginRow *>rows_new(len(entries), sizeof(OriginRow))
    self.endpoints = <EndpointRow *>rows_new(sum(len(entry.endpoints) for entry in entries), sizeof(EndpointRow))
    for entry in entries:
        row = &self.origins[self.origin_count]
        if not 0 < len(entry.endpoints) <= ENDPOINTS_MAX:
            raise ValueError(f"origin {entry.label} has {len(entry.endpoints)} endpoints, 1 to {ENDPOINTS_MAX}"
                             " are possible")
        row.label = rows_text(entry.label, texts)
        row.first = self.endpoint_count
        row.count = len(entry.endpoints)
        if entry.hash_key:
            row.hash_key = rows_text(entry.hash_key, texts)
            row.hash_key_length = len(entry.hash_key.encode())
        row.policy.balance = BALANCES[entry.balance]
        row.policy.panic_percent = entry.panic_percent
        row.policy.slow_start_ms = entry.slow_start_ms
        row.policy.eject_failures = entry.eject_failures
        row.policy.eject_ms = entry.eject_ms
        row.policy.connections_most = entry.connections_most
        row.policy.waiting_most = entry.waiting_most
        row.policy.calls_most = entry.calls_most
        row.policy.ready_least = entry.ready_least
        row.policy.age_ms = entry.age_ms
        row.policy.keepalive_ms = entry.keepalive_ms
        for endpoint in sorted(entry.endpoints, key=lambda endpoint: endpoint.priority):
            _endpoint(&self.endpoints[self.endpoint_count], endpoint, endpoints, texts)
            self.endpoint_count += 1
        self.origin_count += 1


cdef void _endpoint(EndpointRow *row, object entry, Endpoints endpoints, list texts) except *:
    cdef bytes address = bytes(entry.address)
    if len(address) > sizeof(row.address):
        raise ValueError(f"the address of {entry.label} is too long")
    memcpy(row.address, <const uint8_t *>address, len(address))
    row.address_length = len(address)
    row.context = <SSL_CTX *><size_t>entry.context
    row.server_name = rows_text(entry.server_name, texts) if entry.server_name else NULL
    if entry.names:
        # The octet that ends a bytes object in memory is the empty name that ends the list.
        row.names = rows_text(b"".join([name.encode() + b"\0" for name in entry.names]), texts, True)
    row.verify = bool(entry.verify)
    row.common_name = bool(entry.common_name)
    if entry.authority:
        row.authority = rows_text(entry.authority, texts)
        row.authority_length = <uint32_t>len(entry.authority.encode())
    row.connect_timeout_ms = entry.connect_timeout_ms
    row.handshake_timeout_ms = entry.handshake_timeout_ms
    row.label = rows_text(entry.label, texts)
    row.weight = min(max(entry.weight, 1), _WEIGHT_MOST)
    row.priority = entry.priority
    if not 0 <= entry.state < endpoints.count:
        raise ValueError(f"there is no endpoint {entry.state}")
    row.state = endpoints.states[entry.state]


cdef void rows_free(SnapshotData *self) noexcept:
    """All arrays but those of hostnames."""
    free(self.zones)
    free(self.routes)
    free(self.matches)
    free(self.field_matches)
    free(self.origins)
    free(self.endpoints)
    free(self.certificates)
