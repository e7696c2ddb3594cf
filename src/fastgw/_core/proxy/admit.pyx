"""From the gate to the origin: who is asked before a call goes on, and the call that waits for the answer.

A call that waits has its head stashed and its DATA held, as one that waits for a connection has; its deadline runs.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from fastgw._core.buf cimport Octets, octets_close, octets_open
from fastgw._core.inspect.effects cimport Detour, effects_detour, effects_rewrite
from fastgw._core.inspect.gate cimport Verdict
from fastgw._core.inspect.access cimport AccessCall
from fastgw._core.inspect.rewrite cimport (
    REWRITE_ADD, REWRITE_REMOVE, Change, rewrite, rewrite_is_allowed)
from fastgw._core.inspect.rows cimport InspectionData
from fastgw._core.proxy.ask cimport (
    ABOUT_CALLERS, ASK_DENY, ASK_FAILED, ASK_PASS, Ask, ask_free, ask_new, ask_put, asks_take)
from fastgw._core.proxy.attempt cimport attempt_first, attempt_stashed
from fastgw._core.proxy.decide cimport TEXT_SIZE, decide_effects
from fastgw._core.proxy.exchange cimport exchange_deny, exchange_lose_client
from fastgw._core.proxy.guard cimport (
    GUARD_WAIT_MS, HAS_TO_WAIT, LET_IN, Guarded, guard_judge, guard_unanswered)
from fastgw._core.proxy.hooks cimport HookMemo, HookRow, hook_key, hook_next, memo_find, memo_put
from fastgw._core.proxy.route cimport (
    HOSTNAME_MAX, VARIANT_MAX, HostRow, hostname_normalize, origin_key, snapshot_host)
from fastgw._core.proxy.reply cimport HOOK_DENIED, HOOK_FAILED, OVERLOADED
from fastgw._core.proxy.timing cimport timing_look_in
from fastgw._core.reasons cimport REFUSED_STREAM
from fastgw._core.wire.fields cimport Field, request_head_check
from fastgw._core.wire.stash cimport stash_get, stash_next, stash_section


cdef void _deny(Exchange *self, int grpc_status, const char *text) noexcept nogil:
    exchange_deny(self, HOOK_DENIED, grpc_status, text)


cdef void _fail(Exchange *self, const HookRow *hook, const char *why) noexcept nogil:
    cdef char text[TEXT_SIZE]
    snprintf(text, TEXT_SIZE, b"the hook %s %s", hook.name, why)
    exchange_deny(self, HOOK_FAILED, -1, text)


cdef bint _put(Exchange *self, const Octets *fields, uint64_t about, const uint64_t *key,
               uint32_t budget_ms) noexcept nogil:
    """Ask about these stashed fields; False: it could not be asked, and unless nobody reads, the call is denied."""
    cdef Desk *desk = self.desk
    cdef Ask *ask
    if desk.asking >= desk.asking_most:
        exchange_deny(self, OVERLOADED, -1, b"too many calls wait for the hooks of this gateway")
        return False
    ask = ask_new(fields.data, fields.length)
    if ask == NULL:
        exchange_deny(self, OVERLOADED, -1, b"the gateway has no memory left for more calls")
        return False
    ask.exchange = self
    ask.answered = &desk.answered
    ask.loop = &desk.loop
    ask.about = about
    ask.ray = self.ray
    ask.asked_at = desk.loop.now
    ask.key[0] = key[0]
    ask.key[1] = key[1]
    memcpy(ask.peer, self.client_link.peer, sizeof(ask.peer))
    if desk.box == NULL or not ask_put(desk.box, ask):
        ask_free(ask)
        _gone(self, about)
        return False
    desk.asking += 1
    self.ask = ask
    self.ask_until = desk.loop.now + budget_ms * <uint64_t>1000000
    timing_look_in(self, budget_ms)
    return True


cdef void _gone(Exchange *self, uint64_t about) noexcept nogil:
    """Nobody reads questions any more."""
    if about == ABOUT_CALLERS:
        guard_unanswered(self)
    else:
        _fail(self, &self.desk.hooks[about], b"is not there any more")


cdef void _ask(Exchange *self, uint32_t number, const uint64_t *key) noexcept nogil:
    """Put the question about a hook."""
    if _put(self, &self.head, number, key, self.desk.hooks[number].budget_ms):
        self.desk.meter.hooks_asked += 1


# ---- who calls


cdef void _ask_who(Exchange *self, const FieldSection *section, const FieldSection *question) noexcept nogil:
    """Let the call wait until its caller is known."""
    cdef Octets fields
    cdef uint64_t[2] key
    key[0] = key[1] = 0
    if not self.keeping and not stash_section(&self.head, section):
        exchange_lose_client(self, <uint32_t>REFUSED_STREAM)
        return
    self.keeping = self.seeking = True
    octets_open(&fields, &self.desk.memory)
    if stash_section(&fields, question):
        _put(self, &fields, ABOUT_CALLERS, key, GUARD_WAIT_MS)
    else:
        exchange_lose_client(self, <uint32_t>REFUSED_STREAM)
    octets_close(&fields)


cdef bint _is_let_in(Exchange *self, FieldSection *section, RequestHead *head) noexcept nogil:
    """Judge the caller. False: the call waits, or has been answered. `section` and `head` are changed."""
    cdef FieldSection question
    cdef AccessCall call
    cdef uint8_t[64] room
    cdef Guarded guarded = guard_judge(self, section, head, &question, &call, room)
    if guarded == HAS_TO_WAIT:
        _ask_who(self, section, &question)
        return False
    if guarded != LET_IN:
        return False
    self.guarded = True
    if self.keeping and not _stash_anew(self, section):
        exchange_lose_client(self, <uint32_t>REFUSED_STREAM)
        return False
    if self.keeping:
        request_head_check(section, head)
    return True


cdef bint _passes(Exchange *self, const FieldSection *section, const RequestHead *head) noexcept nogil:
    """Go through the hooks that are left. False: the call waits for an answer, or is denied."""
    cdef Desk *desk = self.desk
    cdef const HookRow *hook
    cdef const HookMemo *memo
    cdef uint64_t[2] key
    cdef uint32_t number
    while True:
        number = hook_next(desk.hooks, desk.hook_count, self.hooks_done, section, head)
        if number == desk.hook_count:
            return True
        hook = &desk.hooks[number]
        self.hooks_done = number + 1
        key[0] = key[1] = 0
        if hook.remember_ms > 0:
            hook_key(hook, number, section, key)
            memo = memo_find(desk.memos, key, desk.loop.now)
            if memo != NULL and memo.answer == ASK_PASS:
                continue
            if memo != NULL:
                _deny(self, memo.grpc_status, memo.text)
                return False
        if not self.keeping and not stash_section(&self.head, section):
            exchange_lose_client(self, <uint32_t>REFUSED_STREAM)
            return False
        self.keeping = self.seeking = True
        _ask(self, number, key)
        return False


cdef void _change_by_rules(Exchange *self, FieldSection *section, RequestHead *head) noexcept nogil:
    """What the rules say of a call that they have let pass is done: the verdict is of this very call."""
    cdef const Verdict *verdict = &self.desk.known.verdict
    cdef const InspectionData *data = self.zone.inspection.data
    cdef const HostRow *host
    cdef uint8_t name[HOSTNAME_MAX + VARIANT_MAX]
    cdef uint32_t length
    cdef Detour detour
    effects_detour(verdict, data, &detour)
    self.asked_for = detour.authority
    self.asked_for_length = detour.authority_length
    if detour.way > 0 or detour.mode > 0:
        # It has a row of its own in the index: the hostname with a mark behind it.
        length = hostname_normalize(head.authority.value, head.authority.value_length, name)
        length += <uint32_t>snprintf(<char *>name + length, VARIANT_MAX, b"/%u/%u", detour.way, detour.mode)
        host = snapshot_host(self.use.data, name, length)
        if host != NULL and host.origin != NULL:
            self.row = host.origin
    if effects_rewrite(verdict, data, &self.desk.inspector.run, section):
        request_head_check(section, head)
    self.key = origin_key(self.row, section)


cdef bint _is_changed(Exchange *self, FieldSection *section, RequestHead *head) noexcept nogil:
    """Change what rules change, once. False: the call has been answered. `section` and `head` may be others now."""
    self.changed = True
    if self.zone.access != NULL and not decide_effects(self, section, head):
        exchange_deny(self, OVERLOADED, -1, b"the gateway has no memory left for more calls")
        return False
    if self.desk.known.verdict.effect_count == 0:
        return True
    _change_by_rules(self, section, head)
    if self.keeping and not _stash_anew(self, section):
        exchange_lose_client(self, <uint32_t>REFUSED_STREAM)
        return False
    if self.keeping:
        request_head_check(section, head)
    return True


cdef void admit(Exchange *self, FieldSection *section, const RequestHead *known) noexcept nogil:
    """The gate has let it pass: see who calls, change what rules change, ask who is to be asked, then send it on."""
    cdef RequestHead changed
    cdef const RequestHead *head = known
    if self.zone.access != NULL and not self.guarded:
        changed = head[0]
        if not _is_let_in(self, section, &changed):
            return
        head = &changed
    if self.zone.inspection != NULL and not self.changed:
        changed = head[0]
        if not _is_changed(self, section, &changed):
            return
        head = &changed
    if self.desk.hook_count > 0 and not _passes(self, section, head):
        return
    if self.keeping:
        attempt_stashed(self, section, head)
    else:
        attempt_first(self, section, head)


# ---- answers


cdef bint _change(Exchange *self, const Ask *ask, FieldSection *section) noexcept nogil:
    """Make the changes an answer asks for, in `section` and in the stash; False: no memory, or too many."""
    cdef Change change
    cdef Field field
    cdef const uint8_t *at = ask.changes
    cdef uint32_t number = 0
    while at < ask.changes + ask.changes_length:
        at = stash_next(at, &field)
        change.name, change.name_length = field.name, field.name_length
        change.value, change.value_length = field.value, field.value_length
        change.operation = <uint8_t>(REWRITE_REMOVE if number < ask.removals else REWRITE_ADD)
        number += 1
        if not rewrite_is_allowed(change.name, change.name_length) or not rewrite(section, &change):
            return False
    return section.list_size <= self.desk.room.limits.head_octets and _stash_anew(self, section)


cdef bint _stash_anew(Exchange *self, FieldSection *section) noexcept nogil:
    """Put the section in the place of what is stashed; False: memory is out."""
    cdef Octets changed
    octets_open(&changed, &self.desk.memory)
    if not stash_section(&changed, section):
        octets_close(&changed)
        return False
    octets_close(&self.head)
    self.head = changed
    stash_get(&self.head, section)
    return True


cdef void _go_on(Exchange *self, const Ask *ask) noexcept nogil:
    cdef FieldSection *section = &self.desk.room.stashed
    cdef RequestHead head
    if self.client_link.dead or self.client_link.conn.broken:
        return
    stash_get(&self.head, section)
    if ask != NULL and ask.changes != NULL and not _change(self, ask, section):
        exchange_deny(self, HOOK_FAILED, -1, b"a hook changed the metadata in a way that is not possible")
        return
    request_head_check(section, &head)
    admit(self, section, &head)


cdef void _take(Exchange *self, const Ask *ask) noexcept nogil:
    """The answer to what this call waits for."""
    cdef const HookRow *hook
    self.ask = NULL
    self.ask_until = 0
    if ask.about == ABOUT_CALLERS:
        if ask.answer == ASK_PASS:
            _go_on(self, NULL)
        else:
            guard_unanswered(self)
        return
    hook = &self.desk.hooks[ask.about]
    if ask.answer == ASK_DENY:
        _deny(self, ask.grpc_status, ask.text)
    elif ask.answer == ASK_PASS or hook.open:
        _go_on(self, ask)
    else:
        _fail(self, hook, b"has failed")


cdef void admit_answered(Desk *desk) noexcept nogil:
    """Take the answers that have come since the last turn."""
    cdef Ask *ask = asks_take(&desk.answered)
    cdef Ask *next
    while ask != NULL:
        next = ask.next
        desk.asking -= 1
        if ask.about != ABOUT_CALLERS:
            desk.meter.hooks_failed += ask.answer == ASK_FAILED
            memo_put(&desk.memos, &desk.hooks[ask.about], ask, desk.loop.now)
        if ask.exchange != NULL:
            _take(<Exchange *>ask.exchange, ask)
        ask_free(ask)
        ask = next


cdef void admit_unanswered(Exchange *self) noexcept nogil:
    """The time for the answer is over."""
    cdef const HookRow *hook
    cdef char why[64]
    cdef uint64_t about = self.ask.about
    admit_forget(self)
    if about == ABOUT_CALLERS:
        guard_unanswered(self)
        return
    hook = &self.desk.hooks[about]
    self.desk.meter.hooks_late += 1
    if hook.open:
        _go_on(self, NULL)
    else:
        snprintf(why, sizeof(why), b"did not answer within %u ms", hook.budget_ms)
        _fail(self, hook, why)


cdef void admit_forget(Exchange *self) noexcept nogil:
    """The call waits no more: an answer that comes finds nobody."""
    if self.ask != NULL:
        self.ask.exchange = NULL
    self.ask = NULL
    self.ask_until = 0
