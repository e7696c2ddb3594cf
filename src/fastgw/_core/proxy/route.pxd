"""The snapshot: hostname -> record -> zone -> what is to be done, compiled, frozen, without Python."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.inspect.places cimport PlacesData
from fastgw._core.inspect.policies cimport AccessRow
from fastgw._core.inspect.rows cimport InspectionRow
from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.proxy.endpoints cimport EndpointState
from fastgw._core.proxy.index cimport Index
from fastgw._core.wire.fields cimport Field, FieldSection, RequestHead

cdef enum:
    HOSTNAME_MAX = 253
    VARIANT_MAX = 16            # octets of the mark behind a hostname for another way to its origin, and a zero
    LABELS_MAX = 128            # of a hostname, and one more
    ENDPOINTS_MAX = 64          # of one origin: which were tried is a bit each

ctypedef struct Name:
    # A hostname as it stands in an index.
    uint64_t hashed             # with the key of this process; first: the index goes by it
    const char *text            # without the leading "*." of a wildcard
    uint32_t length
    bint wildcard

ctypedef struct CertificateRow:
    uint64_t hashed             # of `key`; first: an index goes by it
    uint64_t key                # of the identity, the same in every snapshot; never 0
    SSL_CTX *context            # NULL: shown to nobody any more, kept for connections that were opened with it
    const char *names           # SAN DNS names, lower case, each zero-terminated, an empty one ends the list
    uint32_t demand             # for a client's certificate: equal numbers, equal demands; 0: none
    bint required               # that demand
    uint16_t version_least      # TlsVersion; 0: any
    uint16_t version_most       # 0: any
    bint no_h2                  # nobody is to come in under its names
    const uint8_t *staple       # OCSP response; NULL: none
    uint32_t staple_length

ctypedef struct CertificateName:
    # One name of a certificate as it stands in an index.
    Name name
    const CertificateRow *certificate

cpdef enum Balance:             # how calls are shared among the endpoints of an origin
    ROUND_ROBIN = 0             # in turn, by weight
    RANDOM = 1                  # by weight
    LEAST_CALLS = 2             # of two drawn by lot, the one with fewer running calls for its weight
    PEAK_EWMA = 3               # of two drawn by lot, the one that answers sooner; failures count as slow
    HASH = 4                    # by a metadata field, as long as its endpoint has not too many calls

ctypedef struct EndpointRow:
    const uint8_t *address      # struct sockaddr of the endpoint
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
    const char *hash_key        # name of the field that HASH goes by
    const EndpointRow *endpoints
    uint32_t count              # of them, 1 to ENDPOINTS_MAX
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
    uint32_t count              # of `fields`
    const FieldMatch *fields

ctypedef struct RouteRow:
    # What holds for calls that match one of `matches`; without any: for all calls.
    const RouteMatch *matches
    uint32_t count
    uint32_t deadline_ms        # longest deadline of a call; 0: none is set
    uint32_t idle_ms            # longest silence on a stream; 0: any
    uint32_t age_ms             # longest life of a stream; 0: any
    uint32_t retry_on           # bit N: gRPC status N is tried again
    uint32_t attempts_most      # of one call, the first included
    uint32_t hedge_ms           # without an answer for so long, a second attempt begins beside the first; 0: never
    uint32_t replay_octets      # of request DATA kept for another attempt
    uint32_t request_message_most   # octets of one gRPC message; 0: any number
    uint32_t response_message_most

ctypedef struct ZoneRow:
    const char *name
    uint32_t name_length
    uint32_t number             # its meter row; the same for a zone of this name in every snapshot
    bint grpc                   # setting `grpc`
    bint http                   # setting `http`
    bint encrypted              # encryption mode is full or better
    const AccessRow *access     # who may call; NULL: anybody
    const InspectionRow *inspection     # what is asked of heads; NULL: nothing is
    const CertificateRow **certificates     # that its hostnames show; the first stands for names that none covers
    uint32_t certificate_count
    uint32_t route_count
    const RouteRow *routes      # the last of them matches every call

cdef enum HostKind:
    HOST_UNKNOWN = 0
    HOST_PROXIED = 1
    HOST_DNS_ONLY = 2

ctypedef struct HostRow:
    Name name                   # first: an index goes by its hash
    uint8_t kind                # HostKind
    const ZoneRow *zone
    const OriginRow *origin     # NULL: DNS-only
    const CertificateRow *certificate   # of its own, with demands of its own; NULL: one of the zone's

ctypedef struct SnapshotData:
    # Frozen once built. Workers read it without a lock and count themselves in and out. The rows its indices lead to
    # belong to blocks, which other snapshots share.
    Index hosts                 # of HostRow, exact names and wildcards apart
    Index names                 # of CertificateName: one for each name in any certificate that is shown
    Index keys                  # of CertificateRow, those shown no more included
    uint32_t labels[LABELS_MAX]     # hostnames by their number of labels: what is 0 need not be looked up
    const CertificateRow *default_certificate   # NULL: TLS cannot be spoken
    SSL_CTX *front              # what connections are accepted with until their name is known; NULL: the default's
    const PlacesData *places    # where addresses are; NULL: nobody knows
    bint own_records            # connections of clients are opened and sealed without OpenSSL where they can be
    uint32_t demanding          # certificates whose names ask something of a handshake
    const OriginRow **warm      # origins with connections that are kept ready
    uint32_t warm_count
    uint32_t node_count         # of the largest program that its zones ask, and so many of those before it
    uint32_t managed_node_count
    uint32_t slot_count         # counters of all rules
    const uint32_t *gone        # numbers of endpoints that no snapshot in force leads to any more
    uint32_t gone_count
    bint prints                 # a zone asks what ClientHellos look like
    uint64_t revision
    int users                   # workers that hold it, or a row of it; changed atomically
    int seekers                 # of these, workers that look names up in it

cdef uint64_t name_hash(const char *text, uint32_t length, bint wildcard) noexcept nogil
cdef uint64_t key_hash(uint64_t key) noexcept nogil
cdef const Name *snapshot_name(const Index *index, const Name *name) noexcept nogil
cdef uint32_t hostname_normalize(const uint8_t *authority, uint32_t length, uint8_t *into) noexcept nogil
cdef const HostRow *snapshot_host(const SnapshotData *self, const uint8_t *hostname,
                                  uint32_t length) noexcept nogil

# certificates
cdef const CertificateRow *snapshot_certificate(const SnapshotData *self, const uint8_t *hostname,
                                                uint32_t length) noexcept nogil
cdef const CertificateRow *certificate_of_host(const SnapshotData *self, const HostRow *host, const uint8_t *hostname,
                                               uint32_t length) noexcept nogil
cdef const CertificateRow *certificate_by_key(const SnapshotData *self, uint64_t key) noexcept nogil
cdef bint certificate_covers(const CertificateRow *certificate, const uint8_t *hostname,
                             uint32_t length) noexcept nogil

# what holds for a call
cdef const RouteRow *route_of(const ZoneRow *zone, const uint8_t *hostname, uint32_t length,
                              const FieldSection *section, const RequestHead *head) noexcept nogil
cdef bint call_matches(const RouteMatch *match, const uint8_t *hostname, uint32_t length,
                       const Field *path) noexcept nogil
cdef uint64_t origin_key(const OriginRow *origin, const FieldSection *section) noexcept nogil
