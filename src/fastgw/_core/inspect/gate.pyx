"""The rules of a zone, asked of one head: phase by phase, until one of them denies it.

Nothing of this allocates, locks or knows Python while calls run; memory grows when a snapshot is adopted.
"""
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from fastgw._core.inspect.limits cimport StreamLimit, limit_count, limit_take, stream_limit_add
from fastgw._core.inspect.rows cimport (
    ALLOW,
    BLOCK,
    COUNT,
    CUSTOM,
    EFFECT,
    LIMIT,
    LIMIT_LOG,
    MANAGED,
    MANAGED_WORDS,
    SKIP,
    InspectionData,
)
from fastgw._core.rules.evaluate cimport (
    rules_after,
    rules_begin,
    rules_memory,
    rules_next,
    rules_open,
    rules_phase,
)
from fastgw._core.rules.run cimport Step


cdef extern from *:
    """
    #define fastgw_page_load(at) ((void *)__atomic_load_n(at, __ATOMIC_ACQUIRE))
    #define fastgw_page_store(at, page) __atomic_store_n(at, page, __ATOMIC_RELEASE)
    """
    void *fastgw_page_load(Tally *const *at) nogil
    void fastgw_page_store(Tally **at, Tally *page) nogil


# ---- memory


cdef bint inspector_open(Inspector *self) noexcept nogil:
    """Without memory for any program yet. False: there is none at all."""
    memset(self, 0, sizeof(Inspector))
    self.pages = <Tally **>calloc(TALLY_PAGES, sizeof(void *))
    return self.pages != NULL


cdef void inspector_close(Inspector *self) noexcept nogil:
    cdef uint32_t number
    if self.pages != NULL:
        for number in range(TALLY_PAGES):
            free(self.pages[number])
    free(self.pages)
    free(self.memory)
    free(self.managed_memory)
    memset(self, 0, sizeof(Inspector))


cdef bint _run_grow(RuleRun *run, void **memory, uint32_t node_count) noexcept nogil:
    cdef uint64_t size = rules_memory(node_count, SCRATCH_SIZE)
    cdef void *block = malloc(size)
    if block == NULL:
        return False
    free(memory[0])
    memory[0] = block
    rules_open(run, block, size, node_count)
    return True


cdef bint inspector_grow(Inspector *self, uint32_t node_count, uint32_t managed_node_count,
                         uint32_t slot_count) noexcept nogil:
    """Make room for programs of so many nodes and for so many counters; never between two steps of one head.

    False: memory is out. Calls of zones whose program has no room are denied then.
    """
    cdef bint good = True
    cdef uint32_t page
    if node_count > 0 and (self.memory == NULL or node_count > self.node_count):
        good = _run_grow(&self.run, &self.memory, node_count)
        if good:
            self.node_count = node_count
    if managed_node_count > 0 and (self.managed_memory == NULL or managed_node_count > self.managed_node_count):
        if _run_grow(&self.managed_run, &self.managed_memory, managed_node_count):
            self.managed_node_count = managed_node_count
        else:
            good = False
    for page in range((min(slot_count, <uint32_t>TALLIES_MOST) + TALLIES_OF_A_PAGE - 1) // TALLIES_OF_A_PAGE):
        if self.pages[page] == NULL:
            fastgw_page_store(&self.pages[page], <Tally *>calloc(TALLIES_OF_A_PAGE, sizeof(Tally)))
            good = good and self.pages[page] != NULL
    self.memory_size = self.run.scratch.size + self.managed_run.scratch.size
    return good


cdef inline Tally *_tally(Inspector *self, uint32_t slot) noexcept nogil:
    """The counter with this number; NULL: there was no memory for it."""
    cdef Tally *page
    if slot >= <uint32_t>TALLIES_MOST:
        slot = <uint32_t>TALLIES_MOST - 1
    page = self.pages[slot // TALLIES_OF_A_PAGE]
    return NULL if page == NULL else &page[slot % TALLIES_OF_A_PAGE]


# ---- one head


cdef Came _came(Inspector *self, uint32_t number, bint managed, Came came) noexcept nogil:
    """Let whoever looks on know what came of a rule that held."""
    cdef Trace *trace = self.trace
    if trace != NULL:
        if trace.count < trace.room:
            trace.rows[trace.count].number = number
            trace.rows[trace.count].managed = managed
            trace.rows[trace.count].came = <uint8_t>came
        trace.count += 1
    return came


cdef bint _is_lifted(Inspector *self, const InspectionRow *row, uint32_t phase) noexcept nogil:
    """Would a skip rule of the custom phase, which comes later, have left this phase out?

    The reference asks zone lockdown and user agents behind its custom rules. What a custom rule would block stays
    denied; nothing is counted here, and the values are kept for when the phase is asked.
    """
    cdef const RuleRow *rule
    cdef const Step *step
    if not (row.data.lifted >> phase) & 1:
        return False
    step = rules_next(&self.run, rules_phase(&self.run, <uint32_t>CUSTOM))
    while step != NULL:
        rule = &row.data.rules[step.number]
        if rule.action == BLOCK:
            return False
        if rule.action == SKIP and (rule.skips >> phase) & 1:
            return True
        if rule.action == SKIP and rule.stops:
            return False
        step = rules_next(&self.run, rules_after(&self.run, step))
    return False


cdef inline void _note(Verdict *verdict, const RuleRow *rule, uint32_t slot) noexcept nogil:
    verdict.rule = rule
    verdict.slot = slot


cdef Came _limit(Inspector *self, const RuleRow *rule, uint32_t slot, uint64_t now_ns,
                 Verdict *verdict) noexcept nogil:
    """A rate limit is about this call: is it one too many?"""
    cdef Tally *tally
    cdef uint32_t retry_ms
    if limit_take(rule.limit, slot, &self.run, now_ns, &retry_ms):
        if rule.action == LIMIT:
            stream_limit_add(&verdict.stream, rule.limit)
        return WENT_ON
    if rule.action == LIMIT_LOG:
        if rule.logging:
            _note(verdict, rule, slot)
        return WENT_ON
    tally = _tally(self, slot)
    if tally != NULL:
        tally.denied += 1
    _note(verdict, rule, slot)
    verdict.retry_ms = retry_ms
    verdict.outcome = <uint8_t>LIMITED
    return DENIED


cdef Came _act(Inspector *self, const InspectionRow *row, const RuleRow *rule, uint32_t slot, uint64_t now_ns,
               uint64_t *spared, Verdict *verdict) noexcept nogil:
    """A rule holds: what comes of it?"""
    cdef Tally *tally = _tally(self, slot)
    cdef uint32_t word
    if tally != NULL and rule.action != COUNT:
        tally.held += 1
    if rule.action == BLOCK:
        if _is_lifted(self, row, rule.phase):
            return LIFTED
        if tally != NULL:
            tally.denied += 1
        _note(verdict, rule, slot)
        verdict.outcome = <uint8_t>BLOCKED
        return DENIED
    if rule.action == COUNT:
        limit_count(rule.limit, slot, &self.run, now_ns)
        return WENT_ON
    if rule.action == LIMIT or rule.action == LIMIT_LOG:
        return _limit(self, rule, slot, now_ns, verdict)
    if rule.logging:
        _note(verdict, rule, slot)
    if rule.action == EFFECT:
        verdict.effects[verdict.effect_count] = <uint16_t>(rule - row.data.rules)
        verdict.effect_count += 1
    verdict.skipped |= rule.skips
    if rule.spares != NULL:
        for word in range(MANAGED_WORDS):
            spared[word] |= rule.spares[word]
    if rule.action == ALLOW or (rule.action == SKIP and rule.stops):
        return PHASE_ENDED
    return WENT_ON


cdef bint _ask(Inspector *self, const InspectionRow *row, uint32_t phase, uint64_t now_ns, uint64_t *spared,
               Verdict *verdict) noexcept nogil:
    """The zone's rules of one phase. False: the call is denied."""
    cdef RuleRun *run = &self.run
    cdef const Step *step = rules_next(run, rules_phase(run, phase))
    cdef Came came
    while step != NULL:
        came = _act(self, row, &row.data.rules[step.number], row.slots[step.number], now_ns, spared, verdict)
        _came(self, step.number, False, came)
        if came == DENIED:
            return False
        if came != WENT_ON:
            return True
        step = rules_next(run, rules_after(run, step))
    return True


cdef bint _ask_managed(Inspector *self, const InspectionRow *row, const RuleFacts *facts, uint64_t now_ns,
                       uint64_t *spared, Verdict *verdict) noexcept nogil:
    """The package's rules, but those that are off or were left out. False: the call is denied."""
    cdef const InspectionData *data = row.data
    cdef RuleRun *run = &self.managed_run
    cdef const Step *step
    cdef Came came
    if not rules_begin(run, data.managed, facts):
        verdict.outcome = <uint8_t>NO_MEMORY
        return False
    step = rules_next(run, rules_phase(run, 0))
    while step != NULL:
        if ((data.managed_off[step.number >> 6] | spared[step.number >> 6]) >> (step.number & 63)) & 1:
            came = SPARED
        else:
            came = _act(self, row, &data.managed_rules[step.number], row.slots[data.rule_count + step.number], now_ns,
                        spared, verdict)
        _came(self, step.number, True, came)
        if came == DENIED:
            return False
        if came == PHASE_ENDED:
            break       # the rest of the set asks for nothing that this head has
        step = rules_next(run, rules_after(run, step))
    return True


cdef bint inspect_head(Inspector *self, const InspectionRow *row, const RuleFacts *facts, uint64_t now_ns,
                       Verdict *verdict) noexcept nogil:
    """All phases in their order. False: the call is denied, and `verdict` says by whom.

    Its first field is written anew, so are all that its outcome makes sense of. `facts` is lent until the verdict has
    been carried out.
    """
    return inspect_phases(self, row, facts, now_ns, <uint32_t>ALL_PHASES, 0, verdict)


cdef bint inspect_phases(Inspector *self, const InspectionRow *row, const RuleFacts *facts, uint64_t now_ns,
                         uint32_t phases, uint16_t skipped, Verdict *verdict) noexcept nogil:
    """The same for some of the phases, a bit each, of which those that are `skipped` have been left out before.

    A head whose values did not find room in the scratch memory is denied: a rule that cannot be asked holds for nobody,
    and whoever chooses the head would choose which.
    """
    cdef const InspectionData *data = row.data
    cdef uint64_t spared[MANAGED_WORDS]
    cdef uint64_t exhausted = self.run.exhausted + self.managed_run.exhausted
    cdef uint32_t phase
    cdef uint32_t left = data.phases & phases
    verdict.outcome = <uint8_t>PASSED
    verdict.rule = NULL
    verdict.slot = 0
    verdict.retry_ms = 0
    verdict.skipped = skipped
    verdict.effect_count = 0
    memset(&verdict.stream, 0, sizeof(StreamLimit))
    if not rules_begin(&self.run, data.program, facts):
        verdict.outcome = <uint8_t>NO_MEMORY
        return False
    memset(spared, 0, sizeof(spared))
    phase = 0
    while left >> phase:
        if ((left & ~<uint32_t>verdict.skipped) >> phase) & 1:
            if not _ask(self, row, phase, now_ns, spared, verdict):
                return False
            if (phase == MANAGED and data.managed != NULL and not (verdict.skipped >> phase) & 1
                    and not _ask_managed(self, row, facts, now_ns, spared, verdict)):
                return False
        phase += 1
    if self.run.exhausted + self.managed_run.exhausted != exhausted:
        verdict.outcome = <uint8_t>TOO_LARGE
        return False
    return True


# ---- what is said of it

cdef const char **_kinds = [b"IP access rule", b"zone lockdown", b"user agent rule", b"custom rule", b"rate limit",
                            b"managed rule", b"transform rule", b"origin rule", b"configuration rule"]


cdef void verdict_text(const Verdict *self, const char *zone, char *text, size_t size) noexcept nogil:
    """One plain sentence for a denial: the zone and the rule by name, nothing of what the client has sent."""
    if self.outcome == TOO_LARGE:
        snprintf(text, size, b"zone %s: the head has more than its rules can look at", zone)
    elif self.outcome == NO_MEMORY or self.rule == NULL:
        snprintf(text, size, b"zone %s: the gateway has no memory to ask its rules", zone)
    elif self.outcome == LIMITED:
        snprintf(text, size, b"zone %s: %s %s admits no more of these calls for %u ms", zone,
                 _kinds[self.rule.phase], self.rule.label, self.retry_ms)
    else:
        snprintf(text, size, b"zone %s: %s %s blocks this call", zone, _kinds[self.rule.phase], self.rule.label)


cdef dict inspector_tallies(const Inspector *self):
    """(held, denied) by the number of the counter, of rules that have held."""
    cdef uint32_t number, at
    cdef const Tally *page
    out = {}
    for number in range(TALLY_PAGES):
        page = <const Tally *>fastgw_page_load(&self.pages[number])
        if page == NULL:
            continue
        for at in range(TALLIES_OF_A_PAGE):
            if page[at].held > 0:
                out[number * TALLIES_OF_A_PAGE + at] = (page[at].held, page[at].denied)
    return out
