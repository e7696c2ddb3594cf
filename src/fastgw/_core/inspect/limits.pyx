"""Rate limits: which calls share a counter, and whether one more of them is too many.

The key of a counter is a keyed hash of the rule and of the values of its characteristics, each with its kind and
its length in front: so no two lists of values are the same text, and a value that is missing is one of its own.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from fastgw._core.clock cimport clock_now
from fastgw._core.inspect.counters cimport (
    COUNT_AND_JUDGE,
    COUNT_ONLY,
    COUNTER_MOST,
    COUNTER_PERIOD_MOST_MS,
    JUDGE_ONLY,
    counter_add,
    counter_code,
    counter_use,
)
from fastgw._core.inspect.shares cimport (
    CLOSED,
    OPEN,
    SHARED,
    ShareRecord,
    Shares,
    share_alone,
    share_count,
    share_find,
    share_first_ms,
    share_make,
    share_owner,
    share_spend,
    share_unspend,
)
from fastgw._core.rules.run cimport Memo, RuleProgram, rules_value
from fastgw._core.rules.values cimport (
    BOOL,
    INT,
    IP,
    LIST,
    MISSING,
    TEXT,
    Value,
    value_address,
    value_none,
    value_number,
    value_text,
)

from ipaddress import IPv4Address, IPv6Address


cdef extern from "keyed_hash.h" nogil:
    ctypedef struct KeyedHashState:
        pass
    void keyed_hash_begin(KeyedHashState *state, const uint64_t *key)
    void keyed_hash_word(KeyedHashState *state, uint64_t word)
    void keyed_hash_octets(KeyedHashState *state, const uint8_t *at, size_t length)
    void keyed_hash_end(KeyedHashState *state, uint64_t *into)

cdef enum:
    _MITIGATION_MOST_S = 86400
    _MESSAGES_MOST = 0x7fffffff
    _CLOSED_MS = 1000           # when to come again while no call passes

cdef uint64_t _OCTETS_MOST = <uint64_t>1 << 40


cdef void _hash_value(KeyedHashState *state, const Value *value) noexcept nogil:
    """Kind, family and length, then what it says; elements of arrays one after the other, as deep as they go."""
    cdef uint32_t at
    keyed_hash_word(state, value.kind | <uint64_t>(value.family if value.kind == IP else 0) << 8
                    | <uint64_t>value.length << 32)
    if value.kind == TEXT:
        keyed_hash_octets(state, <const uint8_t *>value.at, value.length)
    elif value.kind == IP:
        keyed_hash_octets(state, <const uint8_t *>value.at, 4 if value.family == 4 else 16)
    elif value.kind == LIST:
        for at in range(value.length):
            _hash_value(state, &(<const Value *>value.at)[at])
    else:
        keyed_hash_word(state, <uint64_t>value.number)


cdef inline void _key(const LimitRow *self, uint32_t owner, RuleRun *run, uint64_t *key) noexcept nogil:
    cdef KeyedHashState state
    cdef uint32_t number
    keyed_hash_begin(&state, self.table.hash_key)
    keyed_hash_word(&state, owner)
    for number in range(self.value_count):
        _hash_value(&state, rules_value(run, self.values[number]))
    keyed_hash_end(&state, key)


cdef ShareRecord *_record(const LimitRow *self, uint32_t owner, RuleRun *run, const uint64_t *key,
                          uint64_t now_ns) noexcept nogil:
    """What this gateway may admit of a key that others see too; NULL: it judges alone, as while they are away."""
    cdef KeyedHashState state
    cdef ShareRecord *record
    cdef uint64_t name[2]
    cdef uint64_t common
    cdef uint32_t number
    if self.shares.mode != SHARED:
        return NULL
    record = share_find(self.shares, key)
    if record == NULL:
        common = share_owner(self.shares, owner)
        if common != 0:
            keyed_hash_begin(&state, self.shares.fleet_key)
            keyed_hash_word(&state, common)
            keyed_hash_word(&state, self.terms.period_ms)
            for number in range(self.value_count):
                _hash_value(&state, rules_value(run, self.values[number]))
            keyed_hash_end(&state, name)
            record = share_make(self.shares, key, name, &self.terms, now_ns)
        if record == NULL:
            share_alone(self.shares)
    return record


cdef bint _take_shared(const LimitRow *self, uint32_t owner, RuleRun *run, uint64_t now_ns,
                       uint32_t *retry_ms) noexcept nogil:
    """limit_take where other gateways admit calls of the same keys: the lease decides, and the counter."""
    cdef uint64_t key[2]
    cdef ShareRecord *record
    if self.shares.mode == OPEN:
        return True
    if self.shares.mode == CLOSED:
        retry_ms[0] = _CLOSED_MS
        return False
    _key(self, owner, run, key)
    record = _record(self, owner, run, key, now_ns)
    if record != NULL and not share_spend(self.shares, record, self.apart, now_ns):
        if counter_use(self.table, key, &self.terms, JUDGE_ONLY, now_ns, retry_ms):
            retry_ms[0] = self.shares.turn_ms
        return False
    if not counter_use(self.table, key, &self.terms, JUDGE_ONLY, now_ns, retry_ms):
        if record != NULL and not self.apart:
            share_unspend(record)
        return False
    if not self.apart:
        counter_add(self.table, key, &self.terms, 1, share_first_ms(self.shares, self.terms.period_ms, now_ns), now_ns)
    return True


cdef void _count_shared(const LimitRow *self, uint32_t owner, RuleRun *run, uint64_t now_ns) noexcept nogil:
    """limit_count, likewise."""
    cdef uint64_t key[2]
    cdef ShareRecord *record
    if self.shares.mode == OPEN or self.shares.mode == CLOSED:
        return
    _key(self, owner, run, key)
    record = _record(self, owner, run, key, now_ns)
    if record != NULL:
        share_count(self.shares, record, now_ns)
    counter_add(self.table, key, &self.terms, 1, share_first_ms(self.shares, self.terms.period_ms, now_ns), now_ns)


cdef bint limit_take(const LimitRow *self, uint32_t owner, RuleRun *run, uint64_t now_ns,
                     uint32_t *retry_ms) noexcept nogil:
    """A call for which the rule holds. False: it is one too many, and `retry_ms` is when one would pass again.

    owner  number of zone and rule, the same in every snapshot
    rules_begin was called for its head. A call that passes is counted, unless the rule has a condition apart for that.
    """
    cdef uint64_t key[2]
    retry_ms[0] = 0
    if self.special:
        return self.terms.most == 0 or _take_shared(self, owner, run, now_ns, retry_ms)
    _key(self, owner, run, key)
    return counter_use(self.table, key, &self.terms, JUDGE_ONLY if self.apart else COUNT_AND_JUDGE, now_ns, retry_ms)


cdef void limit_count(const LimitRow *self, uint32_t owner, RuleRun *run, uint64_t now_ns) noexcept nogil:
    """A call for which the condition apart holds, if the rule has one; after limit_take has let the call pass."""
    cdef uint64_t key[2]
    cdef uint32_t retry_ms
    if self.special:
        if self.terms.most > 0:
            _count_shared(self, owner, run, now_ns)
        return
    _key(self, owner, run, key)
    counter_use(self.table, key, &self.terms, COUNT_ONLY, now_ns, &retry_ms)


cdef void stream_limit_add(StreamLimit *self, const LimitRow *limit) noexcept nogil:
    """One more limit holds for the stream: of two, the slower one counts, for messages and for octets apart."""
    cdef uint64_t messages = limit.messages_most
    if messages > 0 and (self.messages_most == 0 or messages * self.messages_period_ms
                         < <uint64_t>self.messages_most * limit.terms.period_ms):
        self.messages_most = limit.messages_most
        self.messages_period_ms = limit.terms.period_ms
    if limit.octets_most > 0 and (self.octets_most == 0 or limit.octets_most * self.octets_period_ms
                                  < self.octets_most * limit.terms.period_ms):
        self.octets_most = limit.octets_most
        self.octets_period_ms = limit.terms.period_ms


cdef int limit_put(LimitRow *self, Counters counters, object values, object terms) except -1:
    """Fill a row.

    values  numbers of values of the program
    terms   with the attributes of a policy's RateLimit: times in seconds
    """
    if not 0 < terms.period * 1000 <= COUNTER_PERIOD_MOST_MS:
        raise ValueError(f"a rate limit's period is 1 to {COUNTER_PERIOD_MOST_MS // 1000} seconds, not {terms.period}")
    if not 0 <= terms.requests_per_period <= COUNTER_MOST:
        raise ValueError(f"a rate limit is at most {COUNTER_MOST} calls, not {terms.requests_per_period}")
    if not 0 <= terms.mitigation_timeout <= _MITIGATION_MOST_S:
        raise ValueError(f"a mitigation timeout is at most {_MITIGATION_MOST_S} seconds")
    if not 0 <= terms.messages_per_period <= _MESSAGES_MOST or not 0 <= terms.octets_per_period <= _OCTETS_MOST:
        raise ValueError(f"the most for a stream is {_MESSAGES_MOST} messages and {_OCTETS_MOST} octets")
    if len(values) > LIMIT_VALUES_MOST:
        raise ValueError(f"a rate limit has at most {LIMIT_VALUES_MOST} characteristics, not {len(values)}")
    self.table = counters.table
    self.shares = (<Shares?>counters.shares).table if counters.shares is not None else NULL
    self.special = self.shares != NULL or terms.requests_per_period == 0
    self.value_count = 0
    for node in values:
        self.values[self.value_count] = node
        self.value_count += 1
    self.terms.period_ms = terms.period * 1000
    self.terms.most = terms.requests_per_period
    self.terms.mitigation_ms = terms.mitigation_timeout * 1000
    self.terms.code = counter_code(self.terms.period_ms, self.terms.most)
    self.apart = bool(terms.counting_expression)
    self.messages_most = terms.messages_per_period
    self.octets_most = terms.octets_per_period
    return 0


# For tests and tools.

cdef class Values:
    """What a rule's characteristics are for one head: octets, numbers, truths, addresses, None, lists of these."""
    cdef Memo memos[LIMIT_VALUES_MOST]
    cdef RuleRun run
    cdef RuleProgram program
    cdef uint32_t numbers[LIMIT_VALUES_MOST]
    cdef list kept

    def __cinit__(self, values):
        self.kept = []
        self.run.memos = self.memos
        self.run.program = &self.program
        self.program.values = self.numbers
        self.run.generation = 1
        for number, value in enumerate(values):
            self._put(&self.memos[number].value, value)
            self.numbers[number] = number
            self.memos[number].generation = 1

    cdef int _put(self, Value *into, object value) except -1:
        cdef bytes octets
        cdef Value *items
        if value is None:
            value_none(into, MISSING)
        elif isinstance(value, bytes):
            self.kept.append(value)
            value_text(into, <const uint8_t *><const char *>value, <uint32_t>len(value))
        elif isinstance(value, bool):
            value_number(into, BOOL, value)
        elif isinstance(value, int):
            value_number(into, INT, value)
        elif isinstance(value, IPv4Address | IPv6Address):
            octets = value.packed
            self.kept.append(octets)
            value_address(into, <const uint8_t *><const char *>octets, <uint8_t>value.version)
        else:
            octets = bytes(max(1, len(value)) * sizeof(Value))
            self.kept.append(octets)
            items = <Value *><char *>octets
            value_none(into, LIST)
            into.at = items
            for item in value:
                self._put(&items[into.length], item)
                into.length += 1
        return 0


cdef class Limiter:
    """One rate limit, asked with values that are given."""
    cdef LimitRow row
    cdef uint32_t owner
    cdef Counters counters

    def __cinit__(self, Counters counters not None, uint32_t owner, uint32_t value_count, terms):
        self.counters = counters
        self.owner = owner
        limit_put(&self.row, counters, range(value_count), terms)

    def take(self, Values values not None, uint64_t now_ms):
        """(does the call pass, when one would pass again in ms)"""
        cdef uint32_t retry_ms = 0
        passed = limit_take(&self.row, self.owner, &values.run, now_ms * 1000000, &retry_ms)
        return bool(passed), retry_ms

    def count(self, Values values not None, uint64_t now_ms):
        limit_count(&self.row, self.owner, &values.run, now_ms * 1000000)

    def key(self, Values values not None):
        """What the counter goes by."""
        cdef uint64_t key[2]
        _key(&self.row, self.owner, &values.run, key)
        return key[0], key[1]

    def stream(self, *others):
        """((messages, period in ms), (octets, period in ms)) of one stream for which this and other limits hold."""
        cdef StreamLimit limit
        cdef Limiter other
        memset(&limit, 0, sizeof(StreamLimit))
        for other in (self, *others):
            stream_limit_add(&limit, &other.row)
        return (limit.messages_most, limit.messages_period_ms), (limit.octets_most, limit.octets_period_ms)

    def take_many(self, Values values not None, uint32_t rounds, uint32_t varied=0):
        """Again and again, for a clock or an instruction counter; returns how many pass.

        varied  so many values of the first characteristic, in turn, which is a number then; 0: as it is
        """
        cdef uint64_t now = clock_now()
        cdef uint64_t passed = 0
        cdef uint32_t retry_ms = 0
        cdef uint32_t number
        with nogil:
            for number in range(rounds):
                if varied > 0:
                    values.memos[0].value.number = number % varied
                passed += limit_take(&self.row, self.owner, &values.run, now, &retry_ms)
        return passed
