"""What Python has found out about tokens and certificates, and what origins are told: read without a lock.

Entries are known by a SHA-256 digest that covers the policies they were made under: when those change, nobody finds
them any more. Python writes, holding the GIL; a worker that reads while a slot is written sees nothing there. Memory
is bounded: 16,384 verdicts, 4,096 refusals (which never push out a verdict) and 4,096 texts, 13 MiB in all, made when
they are first needed.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    static inline uint64_t fastgw_word_load(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
    static inline void fastgw_word_store(uint64_t *at, uint64_t word) { __atomic_store_n(at, word, __ATOMIC_RELAXED); }
    static inline uint64_t fastgw_word_acquire(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline uint64_t *fastgw_slots_load(uint64_t *const *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
    static inline void fastgw_slots_store(uint64_t **at, uint64_t *to) { __atomic_store_n(at, to, __ATOMIC_RELEASE); }
    static inline void fastgw_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
    static inline void fastgw_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
    """
    uint64_t fastgw_word_load(const uint64_t *at) nogil
    void fastgw_word_store(uint64_t *at, uint64_t word) nogil
    uint64_t fastgw_word_acquire(const uint64_t *at) nogil
    uint64_t *fastgw_slots_load(uint64_t *const *at) nogil
    void fastgw_slots_store(uint64_t **at, uint64_t *to) nogil
    void fastgw_fence_acquire() nogil
    void fastgw_fence_release() nogil

cdef enum:
    _WAYS = 4
    # words of a slot
    _SEQUENCE = 0
    _KEY = 1
    _UNTIL = 5
    _LENGTH = 6
    _CONTENT = 7
    _VERDICT_WORDS = 18         # of a Judged


# ---- reading


cdef inline bint _slot_read(const uint64_t *slot, const uint64_t *key, uint64_t now_ms, uint64_t *into, uint32_t words,
                            uint32_t *length) noexcept nogil:
    """Copy the content of a slot that has this key and is still good, unless it is being written."""
    cdef uint32_t number
    cdef uint64_t until
    cdef uint64_t sequence = fastgw_word_acquire(slot + _SEQUENCE)
    if sequence & 1:
        return False
    for number in range(4):
        if fastgw_word_load(slot + _KEY + number) != key[number]:
            return False
    until = fastgw_word_load(slot + _UNTIL)
    length[0] = <uint32_t>fastgw_word_load(slot + _LENGTH)
    for number in range(words):
        into[number] = fastgw_word_load(slot + _CONTENT + number)
    fastgw_fence_acquire()
    return now_ms < until and fastgw_word_load(slot + _SEQUENCE) == sequence


cdef bint _find(const Shelf *self, const uint8_t *key, uint64_t now_ms, uint64_t *into,
                uint32_t *length) noexcept nogil:
    cdef uint64_t[4] words
    cdef const uint64_t *slots = fastgw_slots_load(&self.slots)
    cdef const uint64_t *slot
    cdef uint32_t _way
    if slots == NULL:
        return False
    memcpy(words, key, KEY_SIZE)
    slot = slots + (words[0] & (self.sets - 1)) * _WAYS * self.stride
    for _way in range(_WAYS):
        if _slot_read(slot, words, now_ms, into, self.stride - _CONTENT, length):
            return True
        slot += self.stride
    return False


cdef bint vault_verdict(const VaultData *self, const uint8_t *key, uint64_t now_ms, Judged *into) noexcept nogil:
    """What is known of the token or certificate with this key; False: it has to be judged."""
    cdef uint32_t length
    return (_find(&self.verdicts, key, now_ms, <uint64_t *>into, &length)
            or _find(&self.refusals, key, now_ms, <uint64_t *>into, &length))


cdef uint32_t vault_assertion(const VaultData *self, const uint8_t *key, uint64_t now_ms,
                              uint8_t *into) noexcept nogil:
    """Copy the text with this key into ASSERTION_MOST octets, which are aligned as a uint64_t is; 0: there is none."""
    cdef uint32_t length
    return length if _find(&self.assertions, key, now_ms, <uint64_t *>into, &length) else 0


cdef const char **_flaws = [
    b"is good", b"is malformed", b"is of an issuer that is not believed", b"is signed with a key that is not known",
    b"is signed in a way that is not believed", b"has a wrong signature", b"is meant for somebody else",
    b"has expired", b"is not good yet", b"cannot be judged: there are no keys of its issuer",
    b"is not of an authority that is trusted", b"has been revoked"]


cdef const char *flaw_text(uint64_t flaw) noexcept nogil:
    """What is said of a token or certificate with this flaw."""
    return _flaws[flaw if flaw < <uint64_t>FLAW_COUNT else <uint64_t>MALFORMED]


# ---- writing


cdef void _open(Shelf *self, uint32_t slots, uint32_t words) noexcept:
    self.sets = slots // _WAYS
    self.stride = _CONTENT + words


cdef bint _make(Shelf *self) except False:
    cdef uint64_t *slots
    if self.slots == NULL:
        slots = <uint64_t *>calloc(<size_t>self.sets * _WAYS * self.stride, sizeof(uint64_t))
        if slots == NULL:
            raise MemoryError
        fastgw_slots_store(&self.slots, slots)
    return True


cdef uint64_t *_place(Shelf *self, const uint64_t *key) noexcept:
    """The slot that has this key, or else the one of its set that ends first."""
    cdef uint64_t *slot = self.slots + (key[0] & (self.sets - 1)) * _WAYS * self.stride
    cdef uint64_t *first = slot
    cdef uint32_t _way
    for _way in range(_WAYS):
        if (slot[_KEY] == key[0] and slot[_KEY + 1] == key[1] and slot[_KEY + 2] == key[2]
                and slot[_KEY + 3] == key[3]):
            return slot
        if slot[_UNTIL] < first[_UNTIL]:
            first = slot
        slot += self.stride
    return first


cdef void _write(uint64_t *slot, const uint64_t *key, uint64_t until_ms, const uint64_t *content, uint32_t words,
                 uint64_t length) noexcept:
    cdef uint32_t number
    cdef uint64_t sequence = slot[_SEQUENCE]
    fastgw_word_store(slot + _SEQUENCE, sequence + 1)
    fastgw_fence_release()
    for number in range(4):
        fastgw_word_store(slot + _KEY + number, key[number])
    fastgw_word_store(slot + _UNTIL, until_ms)
    fastgw_word_store(slot + _LENGTH, length)
    for number in range(words):
        fastgw_word_store(slot + _CONTENT + number, content[number])
    fastgw_fence_release()
    fastgw_word_store(slot + _SEQUENCE, sequence + 2)


cdef class Vault:
    """The memory of one gateway. Keys are SHA-256 digests; times in ms since 1970."""

    def __cinit__(self):
        _open(&self.data.verdicts, VERDICTS, _VERDICT_WORDS)
        _open(&self.data.refusals, REFUSALS, _VERDICT_WORDS)
        _open(&self.data.assertions, ASSERTIONS, ASSERTION_WORDS)

    def __dealloc__(self):
        free(self.data.verdicts.slots)
        free(self.data.refusals.slots)
        free(self.data.assertions.slots)

    cdef int _put(self, Shelf *shelf, bytes key, uint64_t now_ms, uint64_t until_ms, const uint64_t *content,
                  uint64_t length) except -1:
        cdef uint64_t[4] words
        cdef uint64_t *slot
        if len(key) != KEY_SIZE:
            raise ValueError("a key has 32 octets")
        _make(shelf)
        memcpy(words, <const char *>key, KEY_SIZE)
        slot = _place(shelf, words)
        if slot[_UNTIL] > now_ms and slot[_KEY] != words[0]:
            self.evicted += 1
        _write(slot, words, until_ms, content, shelf.stride - _CONTENT, length)
        return 0

    def put_verdict(self, bytes key not None, uint64_t now_ms, uint64_t until_ms, uint64_t expires_ms=0, facts=(),
                    Flaw flaw=FLAWLESS):
        """What was found out, and how long that may be relied on; `facts`: numbers of things asked that hold."""
        cdef Judged judged
        cdef uint32_t number
        memset(&judged, 0, sizeof(Judged))
        judged.expires_ms = expires_ms
        judged.flaw = <uint64_t>flaw
        for number in facts:
            if number >= FACTS_MOST:
                raise ValueError(f"there is no fact {number}")
            judged.facts[number >> 6] |= <uint64_t>1 << (number & 63)
        if flaw == FLAWLESS:
            self._put(&self.data.verdicts, key, now_ms, until_ms, <const uint64_t *>&judged, sizeof(Judged))
        else:
            self._put(&self.data.refusals, key, now_ms, until_ms, <const uint64_t *>&judged, sizeof(Judged))

    def put_assertion(self, bytes key not None, uint64_t now_ms, uint64_t until_ms, bytes text not None):
        """What the origin is told of an identity; raises ValueError if it is too long."""
        cdef uint64_t[ASSERTION_WORDS] content
        if not 0 < len(text) <= ASSERTION_MOST:
            raise ValueError(f"an assertion has {len(text)} octets, at most {ASSERTION_MOST} are possible")
        memset(content, 0, sizeof(content))
        memcpy(content, <const char *>text, len(text))
        self._put(&self.data.assertions, key, now_ms, until_ms, content, len(text))

    # for tests and tools

    def verdict(self, bytes key not None, uint64_t now_ms):
        """(flaw, end in ms, facts) of what has this key, or None."""
        cdef Judged judged
        cdef uint32_t number
        if len(key) != KEY_SIZE or not vault_verdict(&self.data, <const uint8_t *><const char *>key, now_ms, &judged):
            return None
        held = [number for number in range(FACTS_MOST) if (judged.facts[number >> 6] >> (number & 63)) & 1]
        return Flaw(judged.flaw), judged.expires_ms, held

    def assertion(self, bytes key not None, uint64_t now_ms):
        """The text that has this key, or None."""
        cdef uint64_t[ASSERTION_WORDS] content
        cdef uint32_t length = 0
        if len(key) == KEY_SIZE:
            length = vault_assertion(&self.data, <const uint8_t *><const char *>key, now_ms, <uint8_t *>content)
        return (<const char *>content)[:length] if length > 0 else None
