"""A snapshot as Python holds it: blocks, and the indices over them.

A successor takes over what its predecessor has and exchanges the rows of the zones that changed: what that costs
depends on those zones, but for copying the indices, a few hundred KiB for 10,000 zones.
"""
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from fastgw._core.clock cimport clock_now
from fastgw._core.inspect.places cimport Places
from fastgw._core.io.openssl cimport SSL_CTX
from fastgw._core.io.tls cimport TLS_1_2
from fastgw._core.proxy.facts cimport BOT_SCORE, HELLO_LENGTH, JA3, TLS_CLIENT_RANDOM
from fastgw._core.proxy.index cimport Index, index_close, index_drop, index_open, index_put
from fastgw._core.proxy.route cimport (
    HOST_PROXIED,
    HOSTNAME_MAX,
    CertificateRow,
    HostRow,
    Name,
    OriginRow,
    certificate_covers,
    certificate_of_host,
    hostname_normalize,
    route_of,
    snapshot_certificate,
    snapshot_host,
    snapshot_name,
)
from fastgw._core.proxy.rows cimport Certificate, ZoneBlock
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef enum:
    RETIRED_MOST = 1024     # certificates not in force that open connections may have been shown


cdef extern from *:
    """
    #define FASTGW_LOAD(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
    """
    int FASTGW_LOAD(const int *at) nogil


@cython.final
cdef class Snapshot:
    """Compiled policy, frozen: which zone, origin and certificate belong to a hostname.

    before   the newest snapshot, None for an empty one: all is as it says, but for the blocks `dropped` and `added`
    default  the Certificate shown to who asks for a name that nobody knows, None: there is none
    gone     numbers of endpoints that are in no snapshot any more
    front    address of the SSL_CTX that connections are accepted with until their name is known, 0: the default's;
             `front_keep` keeps it alive
    places   where addresses are, None: nobody knows
    own_records  may records of TLS be sealed and opened without OpenSSL?
    """

    def __cinit__(self, *, uint64_t revision, added=(), dropped=(), Snapshot before=None, Certificate default=None,
                  gone=(), size_t front=0, front_keep=None, bint own_records=True,
                  Places places=None):
        cdef uint32_t number
        cdef uint32_t *numbers
        self.data = <SnapshotData *>calloc(1, sizeof(SnapshotData))
        if self.data == NULL:
            raise MemoryError
        self.data.revision = revision
        self._inherit(before)
        self.default = default
        self.data.front = <SSL_CTX *>front
        self.front_keep = front_keep
        self.data.own_records = own_records
        self.places = places
        if places is not None:
            self.data.places = &places.data
        if default is not None:
            self.data.default_certificate = &default.row
        added, dropped = list(added), list(dropped)
        self._exchange_hosts(before, added, dropped)
        self._exchange_certificates(before, added, dropped)
        self._keep_warm()
        numbers = <uint32_t *>malloc((len(gone) + 1) * sizeof(uint32_t))
        if numbers == NULL:
            raise MemoryError
        self.data.gone = numbers
        for number in gone:
            numbers[self.data.gone_count] = number
            self.data.gone_count += 1

    def __dealloc__(self):
        if self.data != NULL:
            self._close()
            free(<void *>self.data.gone)
            free(self.data.warm)
            free(self.data)

    cdef void _close(self) noexcept:
        index_close(&self.data.hosts)
        index_close(&self.data.names)
        index_close(&self.data.keys)

    cdef void _inherit(self, Snapshot before) except *:
        """What the predecessor has, shared with it until something differs."""
        if before is None:
            self.blocks, self.shown, self.held, self.named = {}, {}, {}, {}
            self.keyed, self.retired, self.warm = {}, {}, {}
            return
        if before.data.hosts.slots == NULL:
            raise ValueError("a snapshot that has been released has no successor")
        self.blocks, self.shown, self.held, self.named = before.blocks, before.shown, before.held, before.named
        self.keyed, self.retired, self.warm = before.keyed, before.retired, before.warm
        memcpy(self.data.labels, before.data.labels, sizeof(self.data.labels))
        self.data.demanding = before.data.demanding
        self.data.node_count = before.data.node_count
        self.data.managed_node_count = before.data.managed_node_count
        self.data.slot_count = before.data.slot_count

    # hostnames

    cdef void _exchange_hosts(self, Snapshot before, list added, list dropped) except *:
        cdef ZoneBlock block
        cdef uint32_t count = 0
        if before is not None:
            count = before.data.hosts.count
        for block in added:
            count += block.data.host_count
        _open_index(&self.data.hosts, NULL if before is None else &before.data.hosts, count)
        if added or dropped:
            self.blocks = self.blocks.copy()
        for block in dropped:
            if self.blocks.pop(block.name, None) is not block:
                raise ValueError(f"zone {block.name} is not in the snapshot")
            self._drop_hosts(block)
            if block.data.warm_count > 0:
                self.warm = {name: other for name, other in self.warm.items() if other is not block}
        for block in added:
            if block.name in self.blocks:
                raise ValueError(f"zone {block.name} is there twice")
            self.blocks[block.name] = block
            self._put_hosts(block)
            _note_inspection(self.data, block)
            if block.data.warm_count > 0:
                self.warm = {**self.warm, block.name: block}

    cdef void _drop_hosts(self, ZoneBlock block) except *:
        cdef uint32_t number
        cdef HostRow *row
        for number in range(block.data.host_count):
            row = &block.data.hosts[number]
            if index_drop(&self.data.hosts, &row.name.hashed):
                self.data.labels[_labels(&row.name)] -= 1

    cdef void _put_hosts(self, ZoneBlock block) except *:
        cdef uint32_t number
        cdef HostRow *row
        for number in range(block.data.host_count):
            row = &block.data.hosts[number]
            if snapshot_name(&self.data.hosts, &row.name) != NULL:
                star = "*." if row.name.wildcard else ""
                raise ValueError(f"the hostname {star}{row.name.text.decode()} is there twice")
            index_put(&self.data.hosts, &row.name.hashed)
            self.data.labels[_labels(&row.name)] += 1

    cdef void _keep_warm(self) except *:
        """One list of all origins that want connections kept ready."""
        cdef ZoneBlock block
        cdef uint32_t number
        cdef uint32_t count = 0
        for block in self.warm.values():
            count += block.data.warm_count
        self.data.warm = <const OriginRow **>malloc((count + 1) * sizeof(void *))
        if self.data.warm == NULL:
            raise MemoryError
        for block in self.warm.values():
            for number in range(block.data.origin_count):
                if block.data.origins[number].policy.ready_least > 0:
                    self.data.warm[self.data.warm_count] = &block.data.origins[number]
                    self.data.warm_count += 1

    # certificates

    cdef void _exchange_certificates(self, Snapshot before, list added, list dropped) except *:
        cdef Certificate certificate
        cdef uint32_t names = 0
        shown = _counted(self.shown, added, dropped, False, None, None)
        held = _counted(self.held, added, dropped, True, self.default, None if before is None else before.default)
        shown_came = [one for one, count in shown.items() if count > 0 and one not in self.shown]
        shown_went = [one for one, count in shown.items() if count == 0]
        held_came = [one for one, count in held.items() if count > 0 and one not in self.held]
        held_went = [one for one, count in held.items() if count == 0]
        for certificate in shown_came:
            names += certificate.name_count
        _open_index(&self.data.names, NULL if before is None else &before.data.names,
                    names + (0 if before is None else before.data.names.count))
        _open_index(&self.data.keys, NULL if before is None else &before.data.keys,
                    <uint32_t>(len(held_came) + len(held_went) + 1)
                    + (0 if before is None else before.data.keys.count))
        self.shown, self.held = _merged(self.shown, shown), _merged(self.held, held)
        if shown_came or shown_went:
            self.named = self.named.copy()
            for certificate in shown_came:
                self._show(certificate)
            for certificate in shown_went:
                self._hide(certificate)
        if held_came or held_went:
            self.keyed, self.retired = self.keyed.copy(), self.retired.copy()
            for certificate in held_came:
                self._hold(certificate)
            for certificate in held_went:
                self._retire(certificate)

    cdef void _show(self, Certificate certificate) except *:
        """Put its names into the index: of those that have the same name, who came last is shown."""
        cdef uint32_t number
        cdef Certificate last
        if certificate.row.context == NULL:
            return
        for number in range(certificate.name_count):
            key = _key_of(&certificate.names[number].name)
            others = self.named.get(key, ())
            if others:
                last = others[len(others) - 1]
                index_drop(&self.data.names, _row_of(last, &certificate.names[number].name))
            index_put(&self.data.names, &certificate.names[number].name.hashed)
            self.named[key] = (*others, certificate)

    cdef void _hide(self, Certificate certificate) except *:
        cdef uint32_t number
        cdef Certificate last
        cdef bint was_last
        if certificate.row.context == NULL:
            return
        for number in range(certificate.name_count):
            key = _key_of(&certificate.names[number].name)
            others = self.named[key]
            was_last = others[len(others) - 1] is certificate
            others = tuple([one for one in others if one is not certificate])
            if was_last:
                index_drop(&self.data.names, &certificate.names[number].name.hashed)
            if not others:
                del self.named[key]
                continue
            self.named[key] = others
            if was_last:
                last = others[len(others) - 1]
                index_put(&self.data.names, _row_of(last, &certificate.names[number].name))

    cdef void _hold(self, Certificate certificate) except *:
        """Let it be found by its key."""
        cdef Certificate other
        key = certificate.row.key
        other = self.retired.pop(key, None)
        if other is not None:
            index_drop(&self.data.keys, &other.row.hashed)
        others = self.keyed.get(key, ())
        if not others:
            index_put(&self.data.keys, &certificate.row.hashed)
        self.keyed[key] = (*others, certificate)
        self.data.demanding += _asks(&certificate.row)

    cdef void _retire(self, Certificate certificate) except *:
        """Connections that were opened with it may go on: the names it covers are not forgotten yet."""
        cdef Certificate other
        key = certificate.row.key
        self.data.demanding -= _asks(&certificate.row)
        others = self.keyed[key]
        was_first = others[0] is certificate
        others = tuple([one for one in others if one is not certificate])
        if was_first:
            index_drop(&self.data.keys, &certificate.row.hashed)
        if others:
            self.keyed[key] = others
            if was_first:
                other = others[0]
                index_put(&self.data.keys, &other.row.hashed)
            return
        del self.keyed[key]
        names = [name.decode() for name in certificate.listed.split(b"\0")]
        other = self.retired[key] = Certificate(0, names, certificate.identity)
        index_put(&self.data.keys, &other.row.hashed)
        if len(self.retired) > RETIRED_MOST:
            other = self.retired.pop(next(iter(self.retired)))
            index_drop(&self.data.keys, &other.row.hashed)

    # what can be asked

    @property
    def revision(self):
        return self.data.revision

    @property
    def users(self):
        """How many workers still hold it."""
        return FASTGW_LOAD(&self.data.users)

    @property
    def seekers(self):
        """How many of them look names up in it."""
        return FASTGW_LOAD(&self.data.seekers)

    def release(self):
        """Give back all but the blocks: of a snapshot that is not the newest and in which nobody looks names up.

        Harmless if repeated.
        """
        if FASTGW_LOAD(&self.data.seekers) > 0:
            raise RuntimeError("a worker looks names up in this snapshot")
        if self.blocks is None:
            return
        self._close()
        self.shown = self.held = self.named = self.keyed = self.retired = self.warm = None
        self.kept = tuple(self.blocks.values())
        self.blocks = None

    def explain(self, str authority not None):
        """What becomes of a request: ("proxied", "dns_only" or "unknown", zone, name of the record, origin).

        A name that there is not is empty. Not of a snapshot that has been released.
        """
        cdef uint8_t name[HOSTNAME_MAX + 1]
        cdef const HostRow *host = NULL
        cdef bytes octets = authority.encode(errors="surrogateescape")
        cdef uint32_t length = hostname_normalize(octets, <uint32_t>len(octets), name)
        if length > 0 and self.data.hosts.slots != NULL:
            host = snapshot_host(self.data, name, length)
        if host == NULL:
            return "unknown", "", "", ""
        return (
            "proxied" if host.kind == HOST_PROXIED else "dns_only",
            host.zone.name.decode(),
            ("*." if host.name.wildcard else "") + host.name.text[:host.name.length].decode(),
            "" if host.origin == NULL else host.origin.label.decode(),
        )


# Facts that are made of the ClientHello.
cdef uint64_t _PRINTED_TEXTS = (<uint64_t>0xf << <int>TLS_CLIENT_RANDOM) | (<uint64_t>3 << <int>JA3)
cdef uint64_t _PRINTED_NUMBERS = (<uint64_t>1 << <int>HELLO_LENGTH) | (<uint64_t>1 << <int>BOT_SCORE)


cdef void _note_inspection(SnapshotData *self, ZoneBlock block) noexcept:
    """How much a worker needs to ask this zone's rules. It never gets less: memory is not given back."""
    if block.inspection is None:
        return
    self.node_count = max(self.node_count, block.inspection.data.program.node_count)
    self.slot_count = max(self.slot_count, block.data.slot_count)
    if block.inspection.data.texts & _PRINTED_TEXTS or block.inspection.data.integers & _PRINTED_NUMBERS:
        self.prints = True
    if block.inspection.data.managed != NULL:
        self.managed_node_count = max(self.managed_node_count, block.inspection.data.managed.node_count)


cdef inline bint _asks(const CertificateRow *row) noexcept nogil:
    """Do its names ask more of a handshake than any?"""
    return row.demand > 0 or row.version_least > TLS_1_2 or row.no_h2


cdef void _open_index(Index *self, const Index *like, uint32_t count) except *:
    if not index_open(self, like, count):
        raise MemoryError


cdef uint32_t _labels(const Name *name) noexcept nogil:
    """How many labels a hostname has."""
    cdef uint32_t at
    cdef uint32_t labels = 1
    for at in range(name.length):
        labels += name.text[at] == c"."
    return labels


cdef bytes _key_of(const Name *name):
    """A name as it stands in the list of those that have it."""
    return (b"*." if name.wildcard else b"") + name.text[:name.length]


cdef const uint64_t *_row_of(Certificate certificate, const Name *name) except NULL:
    """The row of this name in another certificate, which has it."""
    cdef uint32_t number
    for number in range(certificate.name_count):
        if (certificate.names[number].name.hashed == name.hashed
                and _key_of(&certificate.names[number].name) == _key_of(name)):
            return &certificate.names[number].name.hashed
    raise ValueError(f"a certificate has no name {_key_of(name)}")


cdef dict _counted(dict counts, list added, list dropped, bint special, object default, object default_before):
    """How often each certificate that a block of either list knows is known afterwards: only those that differ."""
    cdef ZoneBlock block
    changes = {}
    for sign, blocks in ((1, added), (-1, dropped)):
        for block in blocks:
            for certificate in block.certificates:
                changes[certificate] = changes.get(certificate, 0) + sign
            if special:
                for certificate in block.special:
                    changes[certificate] = changes.get(certificate, 0) + sign
    for certificate, sign in ((default, 1), (default_before, -1)):
        if certificate is not None:
            changes[certificate] = changes.get(certificate, 0) + sign
    return {one: counts.get(one, 0) + change for one, change in changes.items() if change != 0}


cdef dict _merged(dict counts, dict changes):
    """The counts after the changes; the same dict if there are none."""
    if not changes:
        return counts
    merged = counts.copy()
    for one, count in changes.items():
        if count > 0:
            merged[one] = count
        else:
            merged.pop(one, None)
    return merged


# For tests and tools.

def certificate_of(Snapshot snapshot not None, bytes sni):
    """The identity of the certificate shown to who asks for `sni` (None: asks for nothing), None if there is none."""
    cdef const CertificateRow *row
    cdef const uint8_t *name = NULL
    if sni is not None:
        name = sni
    row = snapshot_certificate(snapshot.data, name, <uint32_t>len(sni) if sni is not None else 0)
    return None if row == NULL else _identity(snapshot, row)


cdef object _identity(Snapshot snapshot, const CertificateRow *row):
    cdef Certificate one
    for one in [*snapshot.held, *snapshot.retired.values()]:
        if &one.row == row:
            return one.identity
    raise LookupError("a row that no certificate of the snapshot has")


def covers(Certificate certificate not None, bytes hostname not None):
    """Does the certificate cover the hostname?"""
    return bool(certificate_covers(&certificate.row, hostname, <uint32_t>len(hostname)))


def probes(Snapshot snapshot not None):
    """Of the index of hostnames: (rows, slots, slots looked at to find all rows, the most for one of them)."""
    cdef const Index *index = &snapshot.data.hosts
    cdef uint64_t at, distance
    cdef uint64_t total = 0, most = 0
    for at in range(<uint64_t>index.mask + 1):
        if index.slots[at] != NULL:
            distance = ((at - index.slots[at][0]) & index.mask) + 1
            total += distance
            most = max(most, distance)
    return index.count, index.mask + 1, total, most


def lookup_cost(Snapshot snapshot not None, list authorities not None, uint32_t rounds):
    """Nanoseconds for what a request's authority needs: normalized, looked up, its certificate and its route chosen.

    Over all `authorities` in turn.
    """
    cdef uint8_t name[HOSTNAME_MAX + 1]
    cdef uint32_t _, length
    cdef size_t at
    cdef size_t count = len(authorities)
    cdef uint64_t begun
    cdef FieldSection section
    cdef RequestHead head
    cdef const HostRow *host
    cdef const uint8_t **texts = <const uint8_t **>calloc(count + 1, sizeof(void *))
    cdef uint32_t *lengths = <uint32_t *>calloc(count + 1, sizeof(uint32_t))
    section.count = 0
    head.path = NULL
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
                host = snapshot_host(snapshot.data, name, length)
                certificate_of_host(snapshot.data, host, name, length)
                if host != NULL:
                    route_of(host.zone, name, length, &section, &head)
        return (clock_now() - begun) / <double>(rounds * count)
    finally:
        free(texts)
        free(lengths)
