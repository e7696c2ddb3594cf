"""Which calls Python is asked about, and what it has said before.

An answer is remembered for a key of 128 bits: the values of the fields that its hook named. The keys of the hash are
drawn by lot, so that nobody can make two heads that have the same one.
"""
import os

from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from fastgw._core.inspect.rewrite cimport rewrite_is_allowed
from fastgw._core.proxy.ask cimport ASK_DENY, ASK_PASS
from fastgw._core.proxy.route cimport HOSTNAME_MAX, FieldMatch, call_matches, hostname_normalize
from fastgw._core.wire.fields cimport Field

cdef extern from "keyed_hash.h" nogil:
    uint64_t keyed_hash(const uint64_t *key, const uint8_t *at, size_t length)

cdef uint64_t _secrets[4]


cdef uint32_t hook_next(const HookRow *rows, uint32_t count, uint32_t begin, const FieldSection *section,
                        const RequestHead *head) noexcept nogil:
    """The first hook, from `begin` on, that is about this call; `count` if none is."""
    cdef uint8_t hostname[HOSTNAME_MAX + 1]
    cdef uint32_t number
    cdef uint32_t length = hostname_normalize(head.authority.value, head.authority.value_length, hostname)
    for number in range(begin, count):
        if call_matches(&rows[number].match, hostname, length, head.path):
            return number
    return count


cdef uint64_t _chain(uint64_t before, uint64_t secret, const uint8_t *at, uint32_t length) noexcept nogil:
    cdef uint64_t[2] key = [secret ^ before, secret + length]
    return keyed_hash(key, at, length)


cdef void hook_key(const HookRow *row, uint32_t number, const FieldSection *section, uint64_t *key) noexcept nogil:
    """Equal for heads whose fields of these names are equal, in number, order and value."""
    cdef uint32_t place, at
    cdef const FieldMatch *named
    cdef const Field *field
    key[0] = _secrets[0] ^ number
    key[1] = _secrets[1] ^ number
    for place in range(row.match.count):
        named = &row.match.fields[place]
        for at in range(section.count):
            field = &section.fields[at]
            if (field.name_length == named.name_length
                    and memcmp(field.name, named.name, named.name_length) == 0):
                key[0] = _chain(key[0], _secrets[2], field.value, field.value_length)
                key[1] = _chain(key[1], _secrets[3], field.value, field.value_length)
        key[0] = _chain(key[0], _secrets[3], NULL, 0)       # where one name ends and the next begins
        key[1] = _chain(key[1], _secrets[2], NULL, 0)
    key[0] |= 1


cdef const HookMemo *memo_find(const HookMemo *memos, const uint64_t *key, uint64_t now) noexcept nogil:
    """What was said about this key and is still good, or NULL."""
    cdef const HookMemo *memo
    if memos == NULL:
        return NULL
    memo = &memos[(key[0] >> 1) % MEMOS]
    if memo.key[0] != key[0] or memo.key[1] != key[1] or now >= memo.until:
        return NULL
    return memo


cdef void memo_put(HookMemo **memos, const HookRow *row, const Ask *ask, uint64_t now) noexcept nogil:
    """Remember an answer; changes of fields are not remembered. Without memory nothing is."""
    cdef HookMemo *memo
    if not ask.remember or row.remember_ms == 0 or ask.changes != NULL or ask.key[0] == 0:
        return
    if ask.answer != ASK_PASS and ask.answer != ASK_DENY:
        return
    if memos[0] == NULL:
        memos[0] = <HookMemo *>calloc(MEMOS, sizeof(HookMemo))
        if memos[0] == NULL:
            return
    memo = &memos[0][(ask.key[0] >> 1) % MEMOS]
    memo.key[0] = ask.key[0]
    memo.key[1] = ask.key[1]
    memo.until = now + row.remember_ms * <uint64_t>1000000
    memo.answer = ask.answer
    memo.grpc_status = ask.grpc_status
    memcpy(memo.text, ask.text, ASK_TEXT)


cdef class Hooks:
    """The hooks of a gateway, in the order they are asked.

    rows  (name, hostname or "", "/service/method" or "/service/" or "", budget in ms, passes without an answer,
          ms an answer is good for, names of the fields it depends on)
    """

    def __cinit__(self, Asks asks not None, rows):
        cdef HookRow *row
        cdef list texts = []
        self.asks = asks
        self.texts = texts
        self.rows = <HookRow *>calloc(max(1, len(rows)), sizeof(HookRow))
        if self.rows == NULL:
            raise MemoryError
        for name, hostname, path, budget_ms, passes, remember_ms, fields in rows:
            row = &self.rows[self.count]
            self.count += 1
            row.name = _text(texts, name, NULL)
            row.match.wildcard = hostname.startswith("*.")
            if hostname:
                row.match.hostname = _text(texts, hostname.removeprefix("*."), &row.match.hostname_length)
            if path:
                row.match.path = _text(texts, path, &row.match.path_length)
            row.budget_ms = budget_ms
            row.open = passes
            row.remember_ms = remember_ms
            _names(row, texts, fields)

    def __dealloc__(self):
        cdef uint32_t number
        if self.rows != NULL:
            for number in range(self.count):
                free(<void *>self.rows[number].match.fields)
            free(self.rows)


cdef const char *_text(list texts, str text, uint32_t *length) except NULL:
    """A text that lives as long as the list; its length goes to `length` unless that is NULL."""
    cdef bytes octets = text.encode()
    texts.append(octets)
    if length != NULL:
        length[0] = <uint32_t>len(octets)
    return <const char *>octets


cdef int _names(HookRow *row, list texts, fields) except -1:
    cdef FieldMatch *names = <FieldMatch *>calloc(max(1, len(fields)), sizeof(FieldMatch))
    if names == NULL:
        raise MemoryError
    row.match.fields = names
    for name in fields:
        names[row.match.count].name = _text(texts, name, &names[row.match.count].name_length)
        row.match.count += 1
    return 0


def may_change(bytes name not None):
    """May a hook change fields of this name?"""
    return rewrite_is_allowed(name, <uint32_t>len(name))


def _fill():
    cdef int number
    for number in range(4):
        _secrets[number] = int.from_bytes(os.urandom(8), "little")


_fill()
