"""What several gateways admit together: for each key that calls now, how many calls this one may still let pass.

A record of a key has a lease: so many calls may pass until a thread has told what passed, has heard what passed
elsewhere, and leaves a new lease, which is this gateway's part of what remains. Nobody waits for that thread. In a
new window the lease is this gateway's part of the limit. Windows are those of a common clock.

The table does not grow. A new key takes a record that is free or whose window is over, else one by lot: with n calls
in it once in n + 1 times. Who loses is judged by the counters of this gateway alone.
"""
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

from fastgw._core.inspect.counters cimport Counters, CounterTable, CounterTerms, counter_add, counter_code

cdef extern from *:
    """
    #define fastgw_share_get(at) __atomic_load_n(at, __ATOMIC_SEQ_CST)
    #define fastgw_share_set(at, value) __atomic_store_n(at, value, __ATOMIC_SEQ_CST)
    #define fastgw_share_add(at, value) __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST)
    #define fastgw_share_exchange(at, value) __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST)
    static inline int fastgw_share_swap(uint64_t *at, uint64_t from, uint64_t to) {
      return __atomic_compare_exchange_n(at, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    """
    uint64_t fastgw_share_get(const uint64_t *at) nogil
    uint32_t fastgw_share_get32 "fastgw_share_get"(const uint32_t *at) nogil
    int64_t fastgw_share_get_signed "fastgw_share_get"(const int64_t *at) nogil
    void fastgw_share_set(uint64_t *at, uint64_t value) nogil
    void fastgw_share_set32 "fastgw_share_set"(uint32_t *at, uint32_t value) nogil
    void fastgw_share_set_signed "fastgw_share_set"(int64_t *at, int64_t value) nogil
    uint64_t fastgw_share_add(uint64_t *at, uint64_t value) nogil
    uint64_t fastgw_share_exchange(uint64_t *at, uint64_t value) nogil
    uint32_t fastgw_share_exchange32 "fastgw_share_exchange"(uint32_t *at, uint32_t value) nogil
    bint fastgw_share_swap(uint64_t *at, uint64_t old, uint64_t new) nogil

cdef enum:
    _WAYS = 4                   # records of a bucket
    _MAKING = 1                 # bit of a tag
    _PART = 0xffffff            # most of what 24 bits say
    _TOLD = 56                  # octets of a record as it is told
    _HEARD = 8                  # and of what is heard of it
    _SPARE_MS = 2000            # for so long a sum is kept longer than it can count

cdef uint64_t _NS_PER_MS = 1000000
cdef uint32_t _TAKEN = <uint32_t>-1     # in place of a number
cdef const char *_DIGITS = b"0123456789abcdef"


# ---- words


cdef inline uint64_t _state(uint64_t window, uint64_t spent, uint64_t left) noexcept nogil:
    return (window & 0xffff) << 48 | min(spent, <uint64_t>_PART) << 24 | min(left, <uint64_t>_PART)


cdef inline uint64_t _spent(uint64_t state) noexcept nogil:
    return state >> 24 & _PART


cdef inline uint64_t _tag(const uint64_t *key) noexcept nogil:
    return (key[1] | 2) & ~<uint64_t>_MAKING


cdef inline int64_t _behind(uint64_t now, uint64_t window16) noexcept nogil:
    """By how many windows one, of which the lower bits are known, is before now."""
    return <int16_t>((now - window16) & 0xffff)


cdef inline uint64_t _window(const ShareTable *self, uint32_t period_ms, uint64_t now_ns) noexcept nogil:
    return (now_ns // _NS_PER_MS + <uint64_t>fastgw_share_get_signed(&self.ahead_ms)) // period_ms


cdef uint64_t share_first_ms(const ShareTable *self, uint32_t period_ms, uint64_t now_ns) noexcept nogil:
    """When the current window has begun, by our clock."""
    cdef uint64_t now_ms = now_ns // _NS_PER_MS
    return now_ms - (now_ms + <uint64_t>fastgw_share_get_signed(&self.ahead_ms)) % period_ms


cdef inline uint64_t _portion(const ShareTable *self, uint64_t remaining) noexcept nogil:
    """This gateway's part of what remains: at least 1 of anything."""
    cdef uint64_t gateways = max(fastgw_share_get32(&self.gateways), <uint32_t>1)
    return max(remaining // gateways, <uint64_t>1) if remaining > 0 else 0


# ---- records, for workers


cdef uint64_t share_owner(const ShareTable *self, uint32_t owner) noexcept nogil:
    """What all gateways call a zone and rule; 0: nothing."""
    return fastgw_share_get(&self.names[owner]) if owner < self.names_most else 0


cdef inline ShareRecord *_bucket(const ShareTable *self, const uint64_t *key) noexcept nogil:
    return &self.records[((key[0] >> 32) * (self.size // _WAYS) >> 32) * _WAYS]


cdef ShareRecord *share_find(ShareTable *self, const uint64_t *key) noexcept nogil:
    """The record of a key; NULL: it has none."""
    cdef ShareRecord *bucket = _bucket(self, key)
    cdef uint64_t tag = _tag(key)
    cdef uint32_t number
    for number in range(_WAYS):
        if fastgw_share_get(&bucket[number].tag) == tag:
            return &bucket[number]
    return NULL


cdef ShareRecord *_victim(ShareTable *self, ShareRecord *bucket, const uint64_t *key, uint64_t now_ns) noexcept nogil:
    """The record that a new key may take; NULL: this time none."""
    cdef ShareRecord *least = NULL
    cdef uint64_t least_calls = 0
    cdef uint64_t calls, state, lot
    cdef uint32_t number
    for number in range(_WAYS):
        if fastgw_share_get(&bucket[number].tag) == 0:
            return &bucket[number]
        state = fastgw_share_get(&bucket[number].state)
        calls = _spent(state) + bucket[number].own
        if (_behind(_window(self, bucket[number].period_ms, now_ns), state >> 48) > 1
                and fastgw_share_get32(&bucket[number].queued) == 0):
            return &bucket[number]
        if least == NULL or calls < least_calls:
            least = &bucket[number]
            least_calls = calls
    lot = (key[0] ^ now_ns) + fastgw_share_get(&self.unshared) + fastgw_share_get(&self.displaced)
    lot = (lot ^ lot >> 31) * <uint64_t>0x9e3779b97f4a7c15
    return NULL if (lot >> 32) * (least_calls + 1) >> 32 != 0 else least


cdef ShareRecord *share_make(ShareTable *self, const uint64_t *key, const uint64_t *name, const CounterTerms *terms,
                             uint64_t now_ns) noexcept nogil:
    """A record for a key; NULL: there is none for it, or another worker makes one just now."""
    cdef ShareRecord *mine
    if fastgw_share_exchange32(&self.making, 1) != 0:
        return NULL
    mine = share_find(self, key)
    if mine == NULL:
        mine = _victim(self, _bucket(self, key), key, now_ns)
        if mine != NULL:
            if mine.tag != 0 and _behind(_window(self, mine.period_ms, now_ns), mine.state >> 48) <= 1:
                fastgw_share_add(&self.displaced, 1)
            fastgw_share_set(&mine.tag, _tag(key) | _MAKING)
            mine.key = key[0]
            mine.name[0] = name[0]
            mine.name[1] = name[1]
            mine.period_ms = terms.period_ms
            mine.most = terms.most
            mine.own = 0
            mine.window = 0
            mine.others = 0
            fastgw_share_set(&mine.late, 0)
            fastgw_share_set(&mine.state, _state(_window(self, terms.period_ms, now_ns) - 1, 0, 0))
            fastgw_share_set(&mine.tag, _tag(key))
    fastgw_share_set32(&self.making, 0)
    return mine


cdef void _queue(ShareTable *self, ShareRecord *record) noexcept nogil:
    """The thread is to look at it; a record stands in the ring once, so there is always room."""
    cdef uint64_t place
    if fastgw_share_get32(&record.queued) != 0 or fastgw_share_exchange32(&record.queued, 1) != 0:
        return
    place = fastgw_share_add(&self.pushed, 1) % self.size
    fastgw_share_set32(&self.ring[place], <uint32_t>(record - self.records) + 1)


cdef bint _step(ShareTable *self, ShareRecord *record, bint anyway, uint64_t now_ns) noexcept nogil:
    """One call more, if the lease has one or `anyway`."""
    cdef uint64_t window = _window(self, record.period_ms, now_ns)
    cdef uint64_t old, left
    while True:
        old = fastgw_share_get(&record.state)
        if _behind(window, old >> 48) > 0:
            left = _portion(self, record.most)
            if not fastgw_share_swap(&record.state, old, _state(window, 1, left - 1)):
                continue
            if _spent(old) > 0:
                fastgw_share_set(&record.late, (old >> 48) << 48 | _spent(old))
            return True
        left = old & _PART
        if not anyway and (left == 0 or _spent(old) == _PART):
            return False
        if fastgw_share_swap(&record.state, old, _state(old >> 48, _spent(old) + 1, left - 1 if left > 0 else 0)):
            return True


cdef bint share_spend(ShareTable *self, ShareRecord *record, bint peek, uint64_t now_ns) noexcept nogil:
    """May a call pass by the lease? It has then used one of it, unless it was only a look (`peek`)."""
    cdef uint64_t state
    cdef bint passes
    if peek:
        state = fastgw_share_get(&record.state)
        passes = _behind(_window(self, record.period_ms, now_ns), state >> 48) > 0 or state & _PART > 0
    else:
        passes = _step(self, record, False, now_ns)
    _queue(self, record)
    return passes


cdef void share_unspend(ShareRecord *record) noexcept nogil:
    """The call did not pass after all."""
    cdef uint64_t old
    while True:
        old = fastgw_share_get(&record.state)
        if _spent(old) == 0:
            return
        if fastgw_share_swap(&record.state, old, _state(old >> 48, _spent(old) - 1, (old & _PART) + 1)):
            return


cdef void share_count(ShareTable *self, ShareRecord *record, uint64_t now_ns) noexcept nogil:
    """A call has passed, whatever the lease says."""
    _step(self, record, True, now_ns)
    _queue(self, record)


cdef void share_alone(ShareTable *self) noexcept nogil:
    """A call was judged without a record."""
    fastgw_share_add(&self.unshared, 1)


# ---- records, for the thread


cdef void _drain(Shares self) noexcept nogil:
    """Move the numbers of records that were touched from the ring to our own list."""
    cdef ShareTable *table = self.table
    cdef uint32_t number
    while self.waiting < table.size:
        number = fastgw_share_exchange32(&table.ring[table.drained % table.size], 0)
        if number == 0:
            return
        table.drained += 1
        self.pending[self.waiting] = number - 1
        self.waiting += 1


cdef inline uint32_t _urgency(ShareRecord *record) noexcept nogil:
    """0: its lease is used up; 1: half of it is; 2: else."""
    cdef uint64_t state = fastgw_share_get(&record.state)
    if state & _PART == 0:
        return 0
    return 1 if _spent(state) >= state & _PART else 2


cdef void _choose(Shares self) noexcept nogil:
    """Those that are told next, the nearest to the end of their lease first."""
    cdef uint64_t kept = 0
    cdef uint64_t number
    cdef uint32_t level
    self.count = 0
    for level in range(3):
        for number in range(self.waiting):
            if self.count == self.batch:
                break
            if self.pending[number] != _TAKEN and (
                    level == 2 or _urgency(&self.table.records[self.pending[number]]) == level):
                self.taken[self.count] = self.pending[number]
                self.count += 1
                self.pending[number] = _TAKEN
    for number in range(self.waiting):
        if self.pending[number] != _TAKEN:
            self.pending[kept] = self.pending[number]
            kept += 1
    self.waiting = kept


cdef void _hex(const uint64_t *name, uint8_t *into) noexcept nogil:
    cdef uint32_t number
    for number in range(32):
        into[number] = _DIGITS[name[number >> 4] >> (60 - 4 * (number & 15)) & 15]


cdef void _tell(Shares self, uint32_t at, uint64_t now_ns, uint8_t *into) noexcept nogil:
    """What passed since the last time: name, window, calls, calls of an older window and which, how long it counts."""
    cdef ShareRecord *record = &self.table.records[self.taken[at]]
    cdef uint64_t now = _window(self.table, record.period_ms, now_ns)
    cdef uint64_t old, late, window
    cdef uint32_t words[4]
    fastgw_share_set32(&record.queued, 0)
    self.tags[at] = fastgw_share_get(&record.tag)
    old = fastgw_share_get(&record.state)
    while not fastgw_share_swap(&record.state, old, _state(old >> 48, 0, old & _PART)):
        old = fastgw_share_get(&record.state)
    late = fastgw_share_exchange(&record.late, 0)
    window = now - <uint64_t>_behind(now, old >> 48)
    if window != record.window:
        record.window = window
        record.own = 0
        record.others = 0
    record.own += <uint32_t>_spent(old)
    self.spent[at] = _spent(old)
    words[0] = <uint32_t>_spent(old)
    words[1] = <uint32_t>(late & _PART)
    words[2] = <uint32_t>max(_behind(window, late >> 48), <int64_t>0) if late != 0 else 0
    words[3] = 2 * record.period_ms + _SPARE_MS
    _hex(record.name, into)
    memcpy(&into[32], &window, 8)
    memcpy(&into[40], words, 16)


cdef void _hear(Shares self, CounterTable *counters, uint32_t at, const uint8_t *answer,
                uint64_t now_ns) noexcept nogil:
    """The sums of all gateways in this window and the one before: others' calls count here too, a new lease begins."""
    cdef ShareTable *table = self.table
    cdef ShareRecord *record = &table.records[self.taken[at]]
    cdef uint64_t window = _window(table, record.period_ms, now_ns)
    cdef uint64_t period = record.period_ms
    cdef uint64_t others, lease, old, used, into
    cdef uint32_t sums[2]
    cdef uint64_t key[2]
    cdef CounterTerms terms
    if fastgw_share_get(&record.tag) != self.tags[at] or window != record.window:
        return
    memcpy(sums, answer, 8)
    others = max(record.others, <uint64_t>(sums[0] - record.own if sums[0] > record.own else 0))
    if others > record.others:
        key[0] = record.key
        key[1] = self.tags[at]
        terms.period_ms = record.period_ms
        terms.most = record.most
        terms.mitigation_ms = 0
        terms.code = counter_code(record.period_ms, record.most)
        counter_add(counters, key, &terms, others - record.others, share_first_ms(table, record.period_ms, now_ns),
                    now_ns)
        record.others = others
    into = now_ns // _NS_PER_MS - share_first_ms(table, record.period_ms, now_ns)
    used = record.own + others + (sums[1] * (period - into) + period - 1) // period
    lease = _portion(table, record.most - used if record.most > used else 0)
    while True:
        old = fastgw_share_get(&record.state)
        if (old >> 48) != window & 0xffff:
            return
        # What passed meanwhile is not among the sums.
        if fastgw_share_swap(&record.state, old,
                             _state(window, _spent(old), lease - _spent(old) if lease > _spent(old) else 0)):
            self.leases += 1
            return


cdef void *_map(uint64_t size) except NULL:
    cdef void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if memory == MAP_FAILED:
        raise MemoryError(f"there are no {size} octets for shared rate limits")
    return memory


cdef class Shares:
    """The records of one gateway, and the border to whoever talks to the others.

    records    keys that are shared at once; 136 octets each, taken from the system as they are used
    batch      of them, most that are told in one turn
    turn_ms    from one turn to the next
    fleet_key  16 octets, the same in all gateways
    names      most numbers of zone and rule that can be shared
    """

    def __cinit__(self, uint64_t records, uint32_t batch, uint32_t turn_ms, bytes fleet_key not None,
                  uint64_t names=1 << 22):
        if not 1 <= records < 1 << 31 or not 1 <= batch <= 1 << 16 or turn_ms < 1 or len(fleet_key) != 16:
            raise ValueError("records, batch and turn are at least 1, and a key has 16 octets")
        self.table = <ShareTable *>calloc(1, sizeof(ShareTable))
        if self.table == NULL:
            raise MemoryError
        self.table.size = (records + _WAYS - 1) // _WAYS * _WAYS
        self.table.names_most = names
        self.batch = batch
        self.table.turn_ms = turn_ms
        self.table.gateways = 1
        self.table.mode = ALONE
        memcpy(self.table.fleet_key, <const char *>fleet_key, 16)
        self.table.records = <ShareRecord *>_map(self.table.size * sizeof(ShareRecord))
        self.table.ring = <uint32_t *>_map(self.table.size * sizeof(uint32_t))
        self.pending = <uint32_t *>_map(self.table.size * sizeof(uint32_t))
        self.table.names = <uint64_t *>_map(names * sizeof(uint64_t))
        self.taken = <uint32_t *>_map(batch * sizeof(uint32_t))
        self.tags = <uint64_t *>_map(batch * sizeof(uint64_t))
        self.spent = <uint64_t *>_map(batch * sizeof(uint64_t))

    def __dealloc__(self):
        if self.table == NULL:
            return
        _unmap(self.table.records, self.table.size * sizeof(ShareRecord))
        _unmap(self.table.ring, self.table.size * sizeof(uint32_t))
        _unmap(self.pending, self.table.size * sizeof(uint32_t))
        _unmap(self.table.names, self.table.names_most * sizeof(uint64_t))
        _unmap(self.taken, self.batch * sizeof(uint32_t))
        _unmap(self.tags, self.batch * sizeof(uint64_t))
        _unmap(self.spent, self.batch * sizeof(uint64_t))
        free(self.table)

    def own(self, uint32_t owner, uint64_t name):
        """The zone and rule of this number are called so by all gateways."""
        if owner < self.table.names_most:
            fastgw_share_set(&self.table.names[owner], name)

    def mode(self, uint32_t mode, uint32_t gateways, int64_t ahead_ms):
        """How it is judged from now on: ShareMode, how many gateways there are, what their clock is ahead of ours."""
        fastgw_share_set32(&self.table.gateways, max(gateways, <uint32_t>1))
        fastgw_share_set_signed(&self.table.ahead_ms, ahead_ms)
        fastgw_share_set32(&self.table.mode, mode)

    def take(self, uint64_t now_ns):
        """What has passed since the last turn: 56 octets for each key, at most a batch, the most urgent first."""
        cdef uint32_t at
        cdef bytes told
        cdef uint8_t *into
        with nogil:
            _drain(self)
            _choose(self)
        told = bytes(self.count * _TOLD)
        into = <uint8_t *><char *>told
        with nogil:
            for at in range(self.count):
                _tell(self, at, now_ns, &into[at * _TOLD])
        return told

    def give(self, Counters counters not None, bytes answer not None, uint64_t now_ns):
        """What all have admitted: 8 octets for each key of the last `take`, this window's sum and the one before."""
        cdef uint32_t at
        cdef const uint8_t *heard = <const uint8_t *><const char *>answer
        if len(answer) != self.count * _HEARD:
            raise ValueError(f"there are {self.count} answers of {_HEARD} octets, not {len(answer)} octets")
        with nogil:
            for at in range(self.count):
                _hear(self, counters.table, at, &heard[at * _HEARD], now_ns)
        self.count = 0

    def undo(self):
        """The last `take` has not arrived: it is told again."""
        cdef ShareRecord *record
        cdef uint64_t old
        cdef uint32_t at
        with nogil:
            for at in range(self.count):
                record = &self.table.records[self.taken[at]]
                old = fastgw_share_get(&record.state)
                if (fastgw_share_get(&record.tag) == self.tags[at] and (old >> 48) == record.window & 0xffff
                        and fastgw_share_swap(&record.state, old,
                                              _state(old >> 48, _spent(old) + self.spent[at], old & _PART))):
                    record.own -= <uint32_t>self.spent[at]
                _queue(self.table, record)
        self.count = 0

    def stats(self):
        """How much of it is used, and how often it was too small."""
        cdef uint64_t number
        cdef uint64_t used = 0
        with nogil:
            for number in range(self.table.size):
                used += self.table.records[number].tag != 0
        return {
            "octets": self.table.size * (sizeof(ShareRecord) + 2 * sizeof(uint32_t)),
            "records": self.table.size,
            "used": used,
            "displaced": fastgw_share_get(&self.table.displaced),
            "unshared": fastgw_share_get(&self.table.unshared),
            "waiting": self.waiting,
            "leases": self.leases,
        }


cdef void _unmap(void *memory, uint64_t size) noexcept:
    if memory != NULL:
        munmap(memory, size)
