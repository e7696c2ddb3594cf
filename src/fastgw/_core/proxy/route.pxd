"""The snapshot: hostname -> record -> zone -> what is to be done, compiled, frozen, without Python."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from fastgw._core.io.tls cimport SSL_CTX

cdef enum:
    HOSTNAME_MAX = 253
    NONE = 0xffffffff           # no such row

ctypedef struct ZoneRow:
    const char *name
    uint32_t number             # its meter row; the same for a zone of this name in every snapshot
    bint grpc                   # setting `grpc`
    bint http                   # setting `http`
    bint encrypted              # encryption mode is full or better
    uint32_t certificate        # row of the certificate its hostnames show

ctypedef struct OriginRow:
    uint8_t address[128]        # struct sockaddr of the endpoint
    uint32_t address_length     # 0: the name did not resolve
    SSL_CTX *context            # NULL: h2c
    const char *server_name     # NULL: none is sent
    bint verify
    uint32_t connect_timeout_ms
    uint32_t handshake_timeout_ms
    const char *label           # "127.0.0.1:50443" for messages
    const char *identity        # equal for rows that may share connections, in every snapshot
    uint32_t identity_length

ctypedef struct CertificateRow:
    SSL_CTX *context            # NULL: shown to nobody any more, kept for connections that were opened with it
    const char *names           # SAN DNS names, lower case, each zero-terminated, an empty one ends the list
    const char *identity        # fingerprint in hexadecimal digits: equal for equal certificates
    uint64_t key                # of the identity, the same in every snapshot; never 0

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
    CertificateRow *certificates
    uint32_t certificate_count
    uint32_t default_certificate
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

cdef inline uint64_t certificate_key(const SnapshotData *self, uint32_t certificate) noexcept nogil:
    """What tells certificates apart across snapshots; never 0."""
    return self.certificates[certificate].key

cdef uint32_t certificate_by_key(const SnapshotData *self, uint64_t key) noexcept nogil
