"""The policies of a zone in numbers: made with the GIL, afterwards only read."""
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from fastgw._core.inspect.callers cimport TOKENS_MOST
from fastgw._core.inspect.verdicts cimport FACTS_MOST
from fastgw._core.rules.sets cimport address_set_close, address_set_open

cdef extern from "sha256.h" nogil:
    ctypedef struct Sha256:
        pass
    void sha256_open(Sha256 *self)
    void sha256_feed(Sha256 *self, const uint8_t *at, size_t length)
    void sha256_close(Sha256 *self, uint8_t *digest)

cdef extern from *:
    """
    static inline uint64_t fastgw_epoch_load(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void fastgw_epoch_step(uint64_t *at) { __atomic_add_fetch(at, 1, __ATOMIC_ACQ_REL); }
    """
    uint64_t fastgw_epoch_load(const uint64_t *at) nogil
    void fastgw_epoch_step(uint64_t *at) nogil


cdef uint64_t access_epoch(const AccessRow *row) noexcept nogil:
    """How often verdicts have become void."""
    return fastgw_epoch_load(row.epoch)


cdef void access_key(const AccessRow *row, KeyOf kind, uint8_t place, const uint8_t *digest,
                     uint8_t *into) noexcept nogil:
    """The key of a verdict: nobody finds it under other policies, or once the epoch is over."""
    cdef uint8_t[50] text
    cdef uint64_t epoch = fastgw_epoch_load(row.epoch)
    cdef Sha256 sha
    text[0] = <uint8_t>kind
    text[1] = place
    memcpy(&text[2], &row.number, 8)
    memcpy(&text[10], &epoch, 8)
    memcpy(&text[18], digest, 32)
    sha256_open(&sha)
    sha256_feed(&sha, text, 50)
    sha256_close(&sha, into)


cdef void *_rows(list kept, size_t count, size_t size) except NULL:
    """Zeroed memory that lives as long as the list."""
    cdef bytearray memory = bytearray(max(1, count) * size)
    kept.append(memory)
    return <void *><char *>memory


cdef const char *_text(list kept, object text, uint32_t *length=NULL) except NULL:
    cdef bytes octets = text.encode()
    if 0 in octets:
        raise ValueError(f"a zero octet in {text!r}")
    kept.append(octets)
    if length != NULL:
        length[0] = <uint32_t>len(octets)
    return <const char *>octets


def _named(text):
    """A name as messages show it: at most 80 visible characters of ASCII."""
    return "".join(one if " " < one <= "~" and one not in "\"'\\<&%" else "_" if one == " " else "?"
                   for one in text[:80])


# What `kept` holds is looked at to the very end.
@cython.no_gc_clear
cdef class AccessTable:
    """The policies of one zone. `entry` is an AccessEntry; verdicts are looked up in `vault`."""

    def __cinit__(self, entry, Vault vault not None):
        vault.tables += 1
        self.kept = []
        self.vault = vault
        self.row.number = vault.tables
        self.row.epoch = &self.epoch
        self.row.vault = &vault.data
        self.row.zone = _text(self.kept, entry.zone)
        self.row.bypass = bool(entry.bypass)
        self.row.recheck = bool(entry.recheck)
        if entry.identity:
            self.row.identity.text = _text(self.kept, entry.identity, &self.row.identity.length)
        _headers(self, entry)
        _tokens(self, entry.tokens)
        _all_applications(self, entry.applications)
        self.kept = tuple(self.kept)    # a list in a cycle would be emptied before __dealloc__

    def __dealloc__(self):
        cdef uint32_t number, at, asked
        cdef const PolicyRow *policy
        for number in range(self.row.application_count):
            for at in range(self.row.applications[number].count):
                policy = &self.row.applications[number].policies[at]
                for asked in range(policy.included + policy.required + policy.excluded):
                    address_set_close(<AddressSet *>&policy.asked[asked].networks)

    @property
    def number(self):
        """No other table with this vault has it."""
        return self.row.number

    def renew(self):
        """What was found out so far is void: keys of issuers have changed."""
        fastgw_epoch_step(&self.epoch)

    def key_of(self, int place, bytes digest not None):
        """The key of the verdict on a token (0 to 3, by its header's place) or a certificate (4)."""
        return self._key(OF_CREDENTIAL, place, digest)

    def key_of_assertion(self, int proof, uint32_t audience, bytes digest not None):
        """The key of what the origin is told about whoever came in by this proof."""
        cdef Sha256 sha
        cdef uint8_t[32] mixed
        if len(digest) != 32:
            raise ValueError("a digest has 32 octets")
        sha256_open(&sha)
        sha256_feed(&sha, <const uint8_t *>&audience, 4)
        sha256_feed(&sha, <const uint8_t *><const char *>digest, 32)
        sha256_close(&sha, mixed)
        return self._key(OF_ASSERTION, proof, (<const char *>mixed)[:32])

    cdef bytes _key(self, KeyOf kind, int place, bytes digest):
        cdef uint8_t[32] into
        if len(digest) != 32:
            raise ValueError("a digest has 32 octets")
        access_key(&self.row, kind, <uint8_t>place, <const uint8_t *><const char *>digest, into)
        return (<const char *>into)[:32]


cdef int _headers(AccessTable self, object entry) except -1:
    cdef HeaderName *headers
    if len(entry.headers) > TOKENS_MOST:
        raise OverflowError(f"tokens are looked for in {len(entry.headers)} headers, at most are {TOKENS_MOST}")
    headers = <HeaderName *>_rows(self.kept, len(entry.headers), sizeof(HeaderName))
    for number, name in enumerate(entry.headers):
        headers[<uint32_t>number].text = _text(self.kept, name, &headers[<uint32_t>number].length)
    self.row.look.headers = headers
    self.row.look.header_count = <uint32_t>len(entry.headers)
    if entry.token_header:
        self.pair.text = _text(self.kept, entry.token_header, &self.pair.length)
        self.row.look.pair = &self.pair
    return 0


cdef int _digest(uint8_t *into, object octets) except -1:
    if len(octets) != 32:
        raise ValueError("a digest has 32 octets")
    memcpy(into, <const char *>(<bytes>octets), 32)
    return 0


cdef int _tokens(AccessTable self, object entries) except -1:
    """Tokens, and where each is found by the hash of its client id."""
    cdef uint32_t count = <uint32_t>len(entries)
    cdef uint32_t size = 1
    cdef uint32_t number = 0
    cdef uint32_t bucket
    cdef uint32_t *buckets
    cdef TokenRow *row = <TokenRow *>_rows(self.kept, count, sizeof(TokenRow))
    while size < 2 * count:
        size *= 2
    buckets = <uint32_t *>_rows(self.kept, size, sizeof(uint32_t))
    memset(buckets, 0xff, size * sizeof(uint32_t))
    self.row.tokens = row
    self.row.buckets = buckets
    self.row.mask = size - 1
    self.row.token_count = count
    for entry in entries:
        _digest(row.client, entry.client)
        _digest(row.secret, entry.secret)
        if entry.previous:
            _digest(row.previous, entry.previous)
            row.previous_until_ms = entry.previous_until_ms
        row.enabled = bool(entry.enabled)
        row.expires_ms = entry.expires_ms
        memcpy(&bucket, &row.client[28], 4)
        row.next = buckets[bucket & self.row.mask]
        buckets[bucket & self.row.mask] = number
        number += 1
        row += 1
    return 0


cdef int _all_applications(AccessTable self, object entries) except -1:
    cdef ApplicationRow *row = <ApplicationRow *>_rows(self.kept, len(entries), sizeof(ApplicationRow))
    self.row.applications = row
    for entry in entries:
        row.name = _text(self.kept, _named(entry.name))
        row.wildcard = entry.host.startswith("*.")
        if entry.host:
            row.host = _text(self.kept, entry.host.removeprefix("*."), &row.host_length)
        row.begins = entry.path.endswith("*")
        row.path = _text(self.kept, entry.path.removesuffix("*"), &row.path_length)
        row.asks_identity = bool(entry.asks_identity)
        row.audience = entry.audience
        row.policies = _policies(self, entry.policies)
        row.count = <uint32_t>len(entry.policies)
        self.row.application_count += 1
        row += 1
    return 0


cdef const PolicyRow *_policies(AccessTable self, object entries) except NULL:
    cdef PolicyRow *rows = <PolicyRow *>_rows(self.kept, len(entries), sizeof(PolicyRow))
    cdef PolicyRow *row = rows
    cdef AskedRow *asked
    for entry in entries:
        row.decision = entry.decision
        row.name = _text(self.kept, _named(entry.name))
        row.included = <uint32_t>len(entry.included)
        row.required = <uint32_t>len(entry.required)
        row.excluded = <uint32_t>len(entry.excluded)
        everything = [*entry.included, *entry.required, *entry.excluded]
        asked = <AskedRow *>_rows(self.kept, len(everything), sizeof(AskedRow))
        row.asked = asked
        for one in everything:
            _ask(self, asked, one)
            asked += 1
        row += 1
    return rows


cdef int _ask(AccessTable self, AskedRow *row, object entry) except -1:
    cdef uint32_t *numbers
    if not 0 <= entry.kind <= <int>NEVER or not 0 <= entry.fact < FACTS_MOST:
        raise OverflowError(f"policies ask more than {FACTS_MOST} things of tokens and certificates")
    row.kind = entry.kind
    row.fact = entry.fact
    numbers = <uint32_t *>_rows(self.kept, len(entry.tokens), sizeof(uint32_t))
    for number in sorted(entry.tokens):
        numbers[row.count] = number
        row.count += 1
    row.tokens = numbers
    if row.kind == NETWORK:
        address_set_open(&row.networks, entry.networks)
    return 0
