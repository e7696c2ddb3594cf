"""Counters of calls by key, in memory that does not grow: one table for all workers, without a lock.

A counter has two windows, each one period long, the first of which begins with the first call of its key. What
counts is the calls of the current window and, of those of the window before, the part by which it still overlaps
the last period, as if they had come evenly. So a key passes exactly its limit in its first period and in each
period of steady excess, and never twice the limit at once, as it could at the seam of fixed windows.

A new key takes a counter of its bucket that is free or has run out. Else it takes the one that has used the least
part of its limit, by lot: with n calls in it the chance is one in n + 1. Who loses passes uncounted. So a key that
calls often gets a counter soon, and one that is near its limit keeps it against any number of keys that call once.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

from fastgw._core.clock cimport clock_now

import os

cdef extern from *:
    """
    #define fastgw_counter_get(at) __atomic_load_n(at, __ATOMIC_SEQ_CST)
    #define fastgw_counter_set(at, value) __atomic_store_n(at, value, __ATOMIC_SEQ_CST)
    #define fastgw_counter_add(at, value) __atomic_fetch_add(at, value, __ATOMIC_RELAXED)
    static inline int fastgw_counter_swap(uint64_t *at, uint64_t from, uint64_t to) {
      return __atomic_compare_exchange_n(at, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    """
    uint64_t fastgw_counter_get(const uint64_t *at) nogil
    void fastgw_counter_set(uint64_t *at, uint64_t value) nogil
    uint64_t fastgw_counter_add(uint64_t *at, uint64_t value) nogil
    bint fastgw_counter_swap(uint64_t *at, uint64_t old, uint64_t new) nogil

cdef enum:
    _WAYS = 4                   # counters of a bucket
    _MAKING = 1                 # bit of a tag
    _COUNT_BITS = 28
    _LIMIT_BITS = 16
    _UNTIL_SHIFT = 28           # of `terms`: 12 bits of period and 16 of limit are below
    _PATIENCE = 1000            # looks at a counter that another worker is making; that takes it some ten stores
    _SHARES = 256               # parts of a limit that are told apart when a counter is to be displaced

cdef uint64_t _STAMP = 0xfffffffff      # 36 bits of milliseconds: two years, then it begins again
cdef uint64_t _COUNT = COUNTER_MOST
cdef uint64_t _CODE = 0xfffffff         # of `terms`: period and limit
cdef uint64_t _NS_PER_MS = 1000000


# ---- words


cdef inline int64_t _since(uint64_t now_ms, uint64_t stamp) noexcept nogil:
    """Milliseconds from `stamp` to now; below 0 if it is still to come."""
    return <int64_t>((now_ms - stamp) << 28) >> 28


cdef inline uint64_t _stamp(uint64_t window) noexcept nogil:
    return window >> _COUNT_BITS


cdef inline uint64_t _window(uint64_t stamp, uint64_t count) noexcept nogil:
    return (stamp & _STAMP) << _COUNT_BITS | count


cdef uint32_t counter_code(uint32_t period_ms, uint32_t most) noexcept nogil:
    """The period in seconds, and the limit with 11 bits of precision."""
    cdef uint32_t shift = 0
    while most >> shift > 0x7ff:
        shift += 1
    return period_ms // 1000 << _LIMIT_BITS | shift << 11 | most >> shift


cdef inline uint64_t _limit_of(uint64_t terms) noexcept nogil:
    return (terms & 0x7ff) << (terms >> 11 & 0x1f)


cdef inline int64_t _period_of(uint64_t terms) noexcept nogil:
    """In milliseconds."""
    return <int64_t>(terms >> _LIMIT_BITS & 0xfff) * 1000


# ---- which counter


cdef bint _await(const Counter *self, uint64_t tag) noexcept nogil:
    """Another worker makes it: wait until it has. False: that takes too long, its thread does not run."""
    cdef uint32_t _look
    for _look in range(_PATIENCE):
        if fastgw_counter_get(&self.tag) != tag | _MAKING:
            return True
    return False


cdef uint64_t _worth(const Counter *self, uint64_t now_ms, uint64_t *calls) noexcept nogil:
    """Parts of its limit that a counter has used; 0: it has run out. `calls`: how many that were."""
    cdef uint64_t terms = fastgw_counter_get(&self.terms)
    cdef int64_t period = _period_of(terms)
    cdef uint64_t until = terms >> _UNTIL_SHIFT
    cdef uint64_t limit = _limit_of(terms)
    cdef uint64_t window
    cdef int64_t age
    cdef uint32_t number
    calls[0] = 0
    if until != 0 and _since(now_ms, until) < 0:
        calls[0] = limit
        return _SHARES + 1
    for number in range(2):
        window = fastgw_counter_get(&self.windows[number])
        age = _since(now_ms, _stamp(window))
        if -period < age < 2 * period and window & _COUNT > calls[0]:
            calls[0] = window & _COUNT
    if calls[0] == 0:
        return 0
    return 1 + min(calls[0] * _SHARES // max(limit, <uint64_t>1), <uint64_t>_SHARES - 1)


cdef Counter *_choose(CounterTable *self, Counter *bucket, uint64_t key, uint64_t now_ms,
                      uint64_t *tag) noexcept nogil:
    """The counter that a new key may take, and whose it is now; NULL: this time none."""
    cdef Counter *least = NULL
    cdef uint64_t least_worth = 0xffffffffffffffff
    cdef uint64_t least_calls = 0
    cdef uint64_t worth, calls, seen, lot
    cdef uint32_t number
    for number in range(_WAYS):
        seen = fastgw_counter_get(&bucket[number].tag)
        if seen == 0:
            tag[0] = 0
            return &bucket[number]
        if seen & _MAKING:
            continue
        worth = _worth(&bucket[number], now_ms, &calls)
        if worth < least_worth:
            least = &bucket[number]
            least_worth = worth
            least_calls = calls
            tag[0] = seen
    if least_worth == 0 or least == NULL:
        return least
    # A lot that strangers cannot foresee: the key's hash, and how many have drawn before.
    lot = (key ^ now_ms) + fastgw_counter_get(&self.uncounted) + fastgw_counter_get(&self.displaced)
    lot = (lot ^ lot >> 31) * <uint64_t>0x9e3779b97f4a7c15
    if (lot >> 32) * (least_calls + 1) >> 32 != 0:
        return NULL
    return least


cdef bint _is_alone(Counter *bucket, const Counter *mine, uint64_t tag) noexcept nogil:
    """Has nobody else made a counter for this key at the same moment? Of two that are being made the first stays."""
    cdef Counter *other
    cdef uint64_t seen
    cdef uint32_t number
    for number in range(_WAYS):
        other = &bucket[number]
        if other == mine:
            continue
        seen = fastgw_counter_get(&other.tag)
        if seen == tag | _MAKING and other > mine:
            # It may have looked before we came: then it stays, and else it gives way.
            _await(other, tag)
            seen = fastgw_counter_get(&other.tag)
            if seen == tag | _MAKING:
                continue
        if seen | _MAKING == tag | _MAKING:
            return False
    return True


cdef Counter *_make(CounterTable *self, Counter *bucket, uint64_t tag, uint64_t key, const CounterTerms *terms,
                    uint64_t now_ms, bint *again) noexcept nogil:
    """A counter for a key that has none. NULL: there is none for it, or, with `again`, others were at it as well."""
    cdef uint64_t old = 0
    cdef uint64_t calls
    cdef Counter *mine = _choose(self, bucket, key, now_ms, &old)
    again[0] = False
    if mine == NULL:
        fastgw_counter_add(&self.uncounted, 1)
        return NULL
    if not fastgw_counter_swap(&mine.tag, old, tag | _MAKING):
        again[0] = True
        return NULL
    if old == 0:
        fastgw_counter_add(&self.used, 1)
    elif _worth(mine, now_ms, &calls) > 0:
        fastgw_counter_add(&self.displaced, 1)
    fastgw_counter_set(&mine.windows[0], 0)
    fastgw_counter_set(&mine.windows[1], 0)
    fastgw_counter_set(&mine.terms, terms.code)
    if not _is_alone(bucket, mine, tag):
        fastgw_counter_add(&self.used, <uint64_t>-1)
        fastgw_counter_set(&mine.tag, 0)
        again[0] = True
        return NULL
    fastgw_counter_set(&mine.tag, tag)
    return mine


cdef inline uint64_t _tag(const uint64_t *key) noexcept nogil:
    return (key[1] | 2) & ~<uint64_t>_MAKING


cdef Counter *_counter(CounterTable *self, const uint64_t *key, const CounterTerms *terms, uint64_t now_ms,
                       bint make) noexcept nogil:
    """The counter of a key; if there is none it is made if that is wanted. NULL: the call passes uncounted."""
    cdef Counter *bucket = &self.counters[((key[0] >> 32) * self.buckets >> 32) * _WAYS]
    cdef uint64_t tag = _tag(key)
    cdef Counter *mine
    cdef uint64_t seen
    cdef uint32_t number
    cdef bint again = True
    cdef bint waited
    while again:
        waited = False
        for number in range(_WAYS):
            seen = fastgw_counter_get(&bucket[number].tag)
            if seen == tag:
                return &bucket[number]
            if seen == tag | _MAKING:
                if not _await(&bucket[number], tag):
                    fastgw_counter_add(&self.uncounted, 1)
                    return NULL
                waited = True
        if waited:
            continue
        if not make:
            return NULL
        mine = _make(self, bucket, tag, key[0], terms, now_ms, &again)
        if mine != NULL:
            return mine
    return NULL


# ---- counting


ctypedef struct _View:
    # What the two windows say at one moment, and how one more call is written.
    uint64_t now            # calls of the current window
    uint64_t before         # of the one before
    uint64_t into           # ms since the current one began
    uint32_t place          # of the window that changes
    uint64_t old            # what it is
    uint64_t stamp          # of the current window


cdef inline void _look(const Counter *self, uint64_t now_ms, int64_t period, _View *view) noexcept nogil:
    cdef uint64_t windows[2]
    cdef uint64_t newest, other
    cdef int64_t age
    windows[0] = fastgw_counter_get(&self.windows[0])
    windows[1] = fastgw_counter_get(&self.windows[1])
    view.place = 0
    if windows[0] & _COUNT == 0 or (windows[1] & _COUNT != 0
                                    and _since(_stamp(windows[1]), _stamp(windows[0])) > 0):
        view.place = 1
    newest = windows[view.place]
    other = windows[view.place ^ 1]
    age = _since(now_ms, _stamp(newest))
    if newest & _COUNT == 0 or age >= 2 * period or age < -period:
        # Nothing counts any more, or a clock has jumped: a first call.
        view.now = view.before = view.into = 0
        view.old = newest
        view.stamp = now_ms
    elif age >= period:
        view.now = 0
        view.before = newest & _COUNT
        view.into = <uint64_t>(age - period)
        view.place ^= 1
        view.old = other
        view.stamp = _stamp(newest) + <uint64_t>period
    else:
        view.now = newest & _COUNT
        view.before = 0
        if _since(_stamp(newest), _stamp(other)) == period:
            view.before = other & _COUNT
        view.into = <uint64_t>age if age > 0 else 0
        view.old = newest
        view.stamp = _stamp(newest)


cdef uint32_t _retry_ms(const _View *view, uint64_t period, uint64_t most) noexcept nogil:
    """Milliseconds until a call would pass, if none does before."""
    if view.now < most:
        return <uint32_t>(period - ((most - view.now) * period - 1) // view.before - view.into)
    # In the next window, when enough of this one is no longer in the last period.
    return <uint32_t>(period - view.into + period - (most * period - 1) // view.now)


cdef inline uint32_t _blocked_ms(Counter *self, const CounterTerms *terms, uint64_t now_ms) noexcept nogil:
    """How much is left, in ms, of the time after one call too many; 0: nothing. New terms take effect here."""
    cdef uint64_t held = fastgw_counter_get(&self.terms)
    cdef uint64_t until = held >> _UNTIL_SHIFT
    cdef int64_t left
    if held & _CODE != terms.code:
        fastgw_counter_swap(&self.terms, held, held & ~_CODE | terms.code)
    if until == 0 or terms.mitigation_ms == 0:
        return 0
    left = -_since(now_ms, until)
    return <uint32_t>left if 0 < left <= terms.mitigation_ms else 0


cdef void _block(Counter *self, const CounterTerms *terms, uint64_t now_ms) noexcept nogil:
    cdef uint64_t until = max((now_ms + terms.mitigation_ms) & _STAMP, <uint64_t>1)
    fastgw_counter_set(&self.terms, terms.code | until << _UNTIL_SHIFT)


cdef bint counter_use(CounterTable *self, const uint64_t *key, const CounterTerms *terms, CounterUse use,
                      uint64_t now_ns, uint32_t *retry_ms) noexcept nogil:
    """One call of a key. False: it is one too many, and `retry_ms` is when one would pass again.

    key     two words of a keyed hash
    now_ns  of a clock that does not run backwards; workers may differ by a little
    """
    cdef uint64_t now_ms = (now_ns // _NS_PER_MS) & _STAMP
    cdef uint64_t period = terms.period_ms
    cdef uint64_t tag = _tag(key)
    cdef Counter *counter = _counter(self, key, terms, now_ms, use != JUDGE_ONLY)
    cdef _View view
    retry_ms[0] = 0
    while counter != NULL:
        retry_ms[0] = _blocked_ms(counter, terms, now_ms)
        if retry_ms[0] > 0 and use != COUNT_ONLY:
            return False
        _look(counter, now_ms, <int64_t>period, &view)
        if use != COUNT_ONLY and view.now * period + view.before * (period - view.into) >= terms.most * period:
            retry_ms[0] = _retry_ms(&view, period, terms.most)
            if terms.mitigation_ms > 0:
                _block(counter, terms, now_ms)
                retry_ms[0] = terms.mitigation_ms
            return False
        retry_ms[0] = 0
        if use == JUDGE_ONLY or view.now == _COUNT:
            return True
        if fastgw_counter_swap(&counter.windows[view.place], view.old, _window(view.stamp, view.now + 1)):
            return True
        if fastgw_counter_get(&counter.tag) != tag:
            counter = _counter(self, key, terms, now_ms, True)
    return True


cdef void counter_add(CounterTable *self, const uint64_t *key, const CounterTerms *terms, uint64_t calls,
                      uint64_t first_ms, uint64_t now_ns) noexcept nogil:
    """So many calls of a key have passed, here or elsewhere; a first window begins at `first_ms`.

    Of windows that are there already the current one gets them.
    """
    cdef uint64_t now_ms = (now_ns // _NS_PER_MS) & _STAMP
    cdef uint64_t tag = _tag(key)
    cdef Counter *counter = _counter(self, key, terms, now_ms, True)
    cdef _View view
    while counter != NULL:
        _look(counter, now_ms, <int64_t>terms.period_ms, &view)
        if view.now + view.before + view.into == 0:
            view.stamp = first_ms
        if fastgw_counter_swap(&counter.windows[view.place], view.old,
                               _window(view.stamp, min(view.now + calls, _COUNT))):
            return
        if fastgw_counter_get(&counter.tag) != tag:
            counter = _counter(self, key, terms, now_ms, True)


cdef class Counters:
    """A table of at most `size` octets, which are taken from the system as they are used."""

    def __cinit__(self, uint64_t size):
        cdef uint64_t buckets = min(size // (_WAYS * sizeof(Counter)), <uint64_t>0xffffffff)
        cdef void *memory
        cdef bytes secret = os.urandom(16)
        if buckets == 0:
            raise ValueError(f"a table of counters has at least {_WAYS * sizeof(Counter)} octets, not {size}")
        self.table = <CounterTable *>calloc(1, sizeof(CounterTable))
        if self.table == NULL:
            raise MemoryError
        memory = mmap(NULL, buckets * _WAYS * sizeof(Counter), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0)
        if memory == MAP_FAILED:
            raise MemoryError(f"there are no {size} octets for the counters of rate limits")
        self.table.counters = <Counter *>memory
        self.table.buckets = buckets
        self.table.size = buckets * _WAYS * sizeof(Counter)
        memcpy(self.table.hash_key, <const char *>secret, 16)

    def __dealloc__(self):
        if self.table != NULL:
            if self.table.counters != NULL:
                munmap(self.table.counters, self.table.size)
            free(self.table)

    def stats(self):
        """How much of it is used, and how often it was too small."""
        return {
            "octets": self.table.size,
            "counters": self.table.size // sizeof(Counter),
            "used": fastgw_counter_get(&self.table.used),
            "displaced": fastgw_counter_get(&self.table.displaced),
            "uncounted": fastgw_counter_get(&self.table.uncounted),
        }


# For tests and tools.

cdef class Caller:
    """Calls of keys that are plain numbers, at times that are given."""
    cdef Counters counters
    cdef CounterTerms terms

    def __cinit__(self, Counters counters not None, uint32_t period_ms, uint32_t most, uint32_t mitigation_ms=0):
        self.counters = counters
        self.terms.period_ms = period_ms
        self.terms.most = most
        self.terms.mitigation_ms = mitigation_ms
        self.terms.code = counter_code(period_ms, most)

    def call(self, uint64_t number, uint64_t now_ms, str use="count_and_judge"):
        """(does it pass, when one would pass again in ms)"""
        cdef uint64_t key[2]
        cdef uint32_t retry_ms = 0
        cdef CounterUse how = {
            "count_and_judge": COUNT_AND_JUDGE, "count_only": COUNT_ONLY, "judge_only": JUDGE_ONLY
        }[use]
        _number_key(number, key)
        passed = counter_use(self.counters.table, key, &self.terms, how, now_ms * _NS_PER_MS, &retry_ms)
        return bool(passed), retry_ms

    def many(self, uint64_t first, uint64_t count, uint64_t keys, uint64_t begin_ns, uint64_t step_ns):
        """`count` calls without the GIL, of `keys` keys in turn from `first` on; returns how many pass.

        step_ns  between two of them; 0: all at `begin_ns`, or, if that is 0, when the clock says
        """
        cdef uint64_t key[2]
        cdef uint64_t number, now
        cdef uint64_t passed = 0
        cdef uint32_t retry_ms = 0
        with nogil:
            for number in range(count):
                _number_key(first + number % keys, key)
                now = begin_ns + number * step_ns if begin_ns > 0 else clock_now()
                passed += counter_use(self.counters.table, key, &self.terms, COUNT_AND_JUDGE, now, &retry_ms)
        return passed


cdef inline void _number_key(uint64_t number, uint64_t *key) noexcept nogil:
    """Numbers spread as a keyed hash spreads texts (splitmix64)."""
    cdef uint32_t at
    for at in range(2):
        number += <uint64_t>0x9e3779b97f4a7c15
        key[at] = (number ^ number >> 30) * <uint64_t>0xbf58476d1ce4e5b9
        key[at] = (key[at] ^ key[at] >> 27) * <uint64_t>0x94d049bb133111eb
        key[at] ^= key[at] >> 31
