"""The snapshot: hostname -> record -> zone -> what is to be done, compiled, frozen, without Python."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.proxy.endpoints cimport EndpointState
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef enum:
    HOSTNAME_MAX = 253
    NONE = 0xffffffff           # no such row
    ENDPOINTS_MAX = 64          # of one origin: which were tried is a bit each

ctypedef struct ZoneRow:
    const char *name
    uint32_t number             # its meter row; the same for a zone of this name in every snapshot
    bint grpc                   # setting `grpc`
    bint http                   # setting `http`
    bint encrypted              # encryption mode is full or better
    uint32_t certificate        # row of the certificate its hostnames show
    uint32_t route_first        # its routes, the last of which matches every call
    uint32_t route_count

cpdef enum Balance:             # how calls are shared among the endpoints of an origin
    ROUND_ROBIN = 0             # in turn, by weight
    RANDOM = 1                  # by weight
    LEAST_CALLS = 2             # of two drawn by lot, the one with fewer running calls for its weight
    PEAK_EWMA = 3               # of two drawn by lot, the one that answers sooner; failures count as slow
    HASH = 4                    # by a metadata field, as long as its endpoint has not too many calls

ctypedef struct EndpointRow:
    uint8_t address[128]        # struct sockaddr of the endpoint
    uint32_t address_length     # 0: the name did not resolve
    SSL_CTX *context            # NULL: h2c
    const char *server_name     # NULL: none is sent
    const char *names           # see TlsWanted; NULL: server_name
    bint verify
    bint common_name            # see TlsWanted
    const char *authority       # what the origin is told it is asked for; NULL: what the client asked for
    uint32_t authority_length
    uint32_t connect_timeout_ms
    uint32_t handshake_timeout_ms
    const char *label           # "127.0.0.1:50443" for messages
    EndpointState *state        # the same for rows that may share connections, in every snapshot
    uint32_t weight             # 1 to 1000
    uint32_t priority           # 0: first choice; higher ones serve when too few of the lower are available

ctypedef struct OriginPolicy:
    # How the endpoints of an origin are used, by each worker.
    uint8_t balance             # Balance
    uint32_t panic_percent      # of a priority's endpoints: when fewer are available, all of them are tried
    uint32_t slow_start_ms      # until an endpoint that came back has its full share; 0: at once
    uint32_t eject_failures     # failures in a row that eject an endpoint; 0: never
    uint32_t eject_ms           # for how long, the first time
    uint32_t connections_most   # open to one endpoint
    uint32_t waiting_most       # calls that wait for one endpoint
    uint32_t calls_most         # running at one endpoint, all workers together; 0: any number
    uint32_t ready_least        # connections to an endpoint that are kept open
    uint32_t age_ms             # a connection takes no new calls after this, give or take a tenth; 0: never
    uint32_t keepalive_ms       # a PING after so long without octets; 0: none

ctypedef struct OriginRow:
    # The endpoints of one name; those of the lowest priority number stand first.
    const char *label
    uint32_t first              # of its endpoints
    uint32_t count              # 1 to ENDPOINTS_MAX
    const char *hash_key        # name of the field that HASH goes by
    uint32_t hash_key_length
    OriginPolicy policy

ctypedef struct FieldMatch:
    const char *name
    uint32_t name_length
    const char *value
    uint32_t value_length

ctypedef struct RouteMatch:
    # All that is said must hold; what is not said holds.
    const char *hostname        # NULL: any; with `wildcard`: what is below it
    uint32_t hostname_length
    bint wildcard
    const char *path            # NULL: any; "/service/method", or "/service/" for all of its methods
    uint32_t path_length
    uint32_t first              # of its field matches
    uint32_t count

ctypedef struct RouteRow:
    # What holds for calls that match one of `matches`; without any: for all calls.
    uint32_t first              # of its matches
    uint32_t count
    uint32_t deadline_ms        # longest deadline of a call; 0: none is set
    uint32_t idle_ms            # longest silence on a stream; 0: any
    uint32_t age_ms             # longest life of a stream; 0: any
    uint32_t retry_on           # bit N: gRPC status N is tried again
    uint32_t attempts_most      # of one call, the first included
    uint32_t hedge_ms           # without an answer for so long, a second attempt begins beside the first; 0: never
    uint32_t replay_octets      # of request DATA kept for another attempt

ctypedef struct CertificateRow:
    SSL_CTX *context            # NULL: shown to nobody any more, kept for connections that were opened with it
    const char *names           # SAN DNS names, lower case, each zero-terminated, an empty one ends the list
    uint64_t key                # of the identity, the same in every snapshot; never 0
    uint32_t demand             # for a client's certificate: equal numbers, equal demand; 0: none
    bint required               # that demand
    uint16_t version_least      # TlsVersion; 0: any
    uint16_t version_most       # 0: any
    bint no_h2                  # nobody is to come in under its names
    const uint8_t *staple       # OCSP response; NULL: none
    uint32_t staple_length

cdef enum HostKind:
    HOST_UNKNOWN = 0
    HOST_PROXIED = 1
    HOST_DNS_ONLY = 2

ctypedef struct HostRow:
    const char *hostname        # without the leading "*." of a wildcard
    uint32_t hostname_length
    uint8_t kind                # HostKind
    bint wildcard
    uint32_t zone
    uint32_t origin
    uint32_t certificate        # row of its own, for a name with TLS demands of its own; NONE: its zone's

ctypedef struct SnapshotData:
    # Frozen once built. Workers read it without a lock and count themselves in and out.
    HostRow *hosts
    uint32_t host_count
    uint32_t *index             # open addressing over hosts, exact names and wildcards apart
    uint32_t index_mask
    uint32_t labels_most        # of the hostname with the most labels: longer suffixes need not be looked up
    uint64_t key[2]             # of the keyed hash: hostnames are chosen by strangers
    ZoneRow *zones
    uint32_t zone_count
    OriginRow *origins
    uint32_t origin_count
    EndpointRow *endpoints
    uint32_t endpoint_count
    RouteRow *routes
    uint32_t route_count
    RouteMatch *matches
    uint32_t match_count
    FieldMatch *field_matches
    uint32_t field_match_count
    CertificateRow *certificates
    uint32_t certificate_count
    uint32_t default_certificate
    SSL_CTX *front              # what connections are accepted with until their name is known; NULL: the default's
    uint64_t revision
    int users                   # workers that still hold it; changed atomically

cdef class Snapshot:
    cdef SnapshotData *data
    cdef object keep            # contexts and texts the rows point into

cdef uint32_t hostname_normalize(const uint8_t *authority, uint32_t length, uint8_t *into) noexcept nogil
cdef const HostRow *snapshot_host(const SnapshotData *self, const uint8_t *hostname,
                                  uint32_t length) noexcept nogil
cdef uint32_t snapshot_certificate(const SnapshotData *self, const uint8_t *hostname,
                                   uint32_t length) noexcept nogil
cdef bint certificate_covers(const SnapshotData *self, uint32_t certificate, const uint8_t *hostname,
                             uint32_t length) noexcept nogil

cdef const RouteRow *route_of(const SnapshotData *self, const ZoneRow *zone, const uint8_t *hostname, uint32_t length,
                              const FieldSection *section, const RequestHead *head) noexcept nogil
cdef uint64_t origin_key(const OriginRow *origin, const FieldSection *section) noexcept nogil

cdef inline uint64_t certificate_key(const SnapshotData *self, uint32_t certificate) noexcept nogil:
    """What tells certificates apart across snapshots; never 0."""
    return self.certificates[certificate].key

cdef uint32_t certificate_by_key(const SnapshotData *self, uint64_t key) noexcept nogil
