"""Who calls, in the way of a call: judged before anybody else is asked, and again while its stream is open."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset

from fastgw._core.buf cimport octets_append, octets_close, octets_open, slots_return, slots_take
from fastgw._core.clock cimport clock_wall
from fastgw._core.inspect.access cimport (
    ACCESS_TEXT,
    ADMITTED,
    FORBIDDEN,
    TO_BE_ASKED,
    AccessVerdict,
    access_applies,
    access_assertion,
    access_judge,
    access_judge_again,
    access_question,
)
from fastgw._core.inspect.callers cimport ClientIdentity, caller_clean, caller_forget
from fastgw._core.inspect.policies cimport AccessRow, access_epoch
from fastgw._core.io.peer cimport peer_der
from fastgw._core.io.tls cimport tls_client_is_verified
from fastgw._core.proxy.desk cimport PHASE_POLICY, SIDE_GATEWAY, AccessStay, LinkFacts
from fastgw._core.proxy.exchange cimport exchange_fail
from fastgw._core.proxy.facts cimport address_of, facts_of_link
from fastgw._core.proxy.meter cimport ACCESS
from fastgw._core.proxy.reply cimport ACCESS_DENIED, ACCESS_UNAUTHENTICATED, HEAD_TOO_LARGE, OVERLOADED, LocalReply
from fastgw._core.proxy.route cimport (
    HOST_PROXIED,
    HOSTNAME_MAX,
    CertificateRow,
    HostRow,
    certificate_of_host,
    hostname_normalize,
    snapshot_host,
)
from fastgw._core.proxy.timing cimport timing_look_in
from fastgw._core.rules.facts cimport RuleFacts, RuleText
from fastgw._core.wire.fields cimport (
    AUTHORIZATION,
    FIELD_OVERHEAD,
    FIELDS_MAX,
    RESERVED,
    Field,
    request_head_check,
)

cdef extern from "sha256.h" nogil:
    ctypedef struct Sha256:
        pass
    void sha256_open(Sha256 *self)
    void sha256_feed(Sha256 *self, const uint8_t *at, size_t length)
    void sha256_close(Sha256 *self, uint8_t *digest)

cdef uint64_t _MS = 1000000


cdef void _deny(Exchange *self, LocalReply reply, const char *text) noexcept nogil:
    exchange_fail(self, reply, SIDE_GATEWAY, <int>PHASE_POLICY, text)


# ---- the client's certificate


cdef void _identity(Exchange *self, const uint8_t *hostname, uint32_t length, ClientIdentity *into) noexcept nogil:
    """The certificate shown on this connection. It counts only where its name demands what it was judged by."""
    cdef Link *link = self.client_link
    cdef const HostRow *host
    cdef const CertificateRow *shown
    cdef LinkFacts *facts
    cdef Sha256 sha
    memset(into, 0, sizeof(ClientIdentity))
    if not link.transport.tls.presented or link.demand == 0:
        return
    host = snapshot_host(self.use.data, hostname, length)
    if host == NULL:
        return
    shown = certificate_of_host(self.use.data, host, hostname, length)
    if shown == NULL or shown.demand != link.demand:
        return
    facts = facts_of_link(link)
    if facts == NULL:
        return
    if facts.der == NULL:
        facts.der = peer_der(&link.transport.tls, &facts.der_length)
        if facts.der == NULL:
            return
        sha256_open(&sha)
        sha256_feed(&sha, facts.der, facts.der_length)
        sha256_close(&sha, facts.der_digest)
    into.der = facts.der
    into.length = facts.der_length
    memcpy(into.digest, facts.der_digest, 32)
    into.trusted = tls_client_is_verified(&link.transport.tls)


# ---- what goes on to the origin


cdef void guard_clean(const Exchange *self, FieldSection *section) noexcept nogil:
    """Take out what no origin of this zone is to see: secrets, and what it would take for our word.

    Whoever points into the section has to look anew.
    """
    cdef const AccessRow *row = self.zone.access
    cdef uint32_t number
    cdef uint32_t kept = 0
    cdef Field *field
    if row == NULL:
        return
    caller_clean(&row.look, &row.identity, section)
    for number in range(section.count):
        field = &section.fields[number]
        if field.kind == RESERVED:
            section.list_size -= field.name_length + field.value_length + FIELD_OVERHEAD
            continue
        if kept != number:
            section.fields[kept] = field[0]
        kept += 1
    section.count = kept


cdef bint _tell(Exchange *self, FieldSection *section, const AccessCall *call, uint64_t now_ms) noexcept nogil:
    """Add who calls, in the worker's memory: good until the next call is told. False: there is no room for it."""
    cdef const AccessRow *row = self.zone.access
    cdef Field *field
    cdef uint8_t *text = <uint8_t *>self.desk.assertion
    cdef uint32_t length = access_assertion(row, call, now_ms, text)
    if length == 0:
        return not call.assertion_wanted
    if section.count == FIELDS_MAX:
        return False
    field = &section.fields[section.count]
    memset(field, 0, sizeof(Field))
    field.name = <const uint8_t *>row.identity.text
    field.name_length = row.identity.length
    field.value = text
    field.value_length = length
    field.kind = <uint8_t>AUTHORIZATION
    section.count += 1
    section.list_size += field.name_length + length + FIELD_OVERHEAD
    return True


# ---- before the call goes on


cdef Guarded guard_judge(Exchange *self, FieldSection *section, RequestHead *head, FieldSection *question,
                         AccessCall *call, uint8_t *room) noexcept nogil:
    """Judge a call of a zone that has policies. LET_IN: `section` and `head` are as the origin is to have them.

    HAS_TO_WAIT: `question` is to be asked, whose fields point into the head, `call` and `room` (64 octets).
    """
    cdef const AccessRow *row = self.zone.access
    cdef RuleFacts facts
    cdef ClientIdentity who
    cdef uint8_t[HOSTNAME_MAX + 1] hostname
    cdef uint8_t[16] client
    cdef uint16_t port
    cdef char[ACCESS_TEXT] text
    cdef uint64_t now_ms = clock_wall() // _MS
    cdef AccessVerdict verdict
    call.assertion_wanted = False
    if access_applies(row, self.grpc):
        self.products |= <int>ACCESS
        memset(&facts, 0, sizeof(facts))
        facts.section = section
        facts.head = head
        facts.hostname.at = hostname
        facts.hostname.length = hostname_normalize(head.authority.value, head.authority.value_length, hostname)
        facts.client.length = address_of(self.client_link.peer, client, &port)
        facts.client.at = client if facts.client.length > 0 else NULL
        _identity(self, hostname, facts.hostname.length, &who)
        call.places = self.desk.current.data.places
        verdict = access_judge(row, &facts, &who, now_ms, call, text)
        if verdict == TO_BE_ASKED:
            self.guard_rounds += 1
            if (self.guard_rounds <= GUARD_ROUNDS
                    and access_question(row, call, &who, now_ms, question, room)):
                return HAS_TO_WAIT
        if verdict != ADMITTED:
            _deny(self, ACCESS_DENIED if verdict == FORBIDDEN else ACCESS_UNAUTHENTICATED, text)
            return TURNED_AWAY
        if row.recheck and not _stay(self, call, &facts, now_ms):
            _deny(self, OVERLOADED, b"the gateway has no memory left for more calls")
            return TURNED_AWAY
    guard_clean(self, section)
    if not _tell(self, section, call, now_ms):
        snprintf(text, sizeof(text), b"zone %s: the head has no room for the identity of its caller", row.zone)
        _deny(self, HEAD_TOO_LARGE, text)
        return TURNED_AWAY
    request_head_check(section, head)
    return LET_IN


cdef void guard_unanswered(Exchange *self) noexcept nogil:
    """Nobody could say who calls, or not in time."""
    cdef char[ACCESS_TEXT] text
    snprintf(text, sizeof(text), b"zone %s: nobody could judge in time who calls", self.zone.name)
    _deny(self, ACCESS_UNAUTHENTICATED, text)


# ---- while the stream is open


cdef bint _stay(Exchange *self, AccessCall *call, const RuleFacts *facts, uint64_t now_ms) noexcept nogil:
    """Keep what it takes to judge the call again, as digests. False: there is no memory for it."""
    cdef AccessStay *stay = <AccessStay *>slots_take(&self.desk.stays)
    if stay == NULL:
        return False
    octets_open(&stay.path, &self.desk.memory)
    if not octets_append(&stay.path, facts.head.path.value, facts.head.path.value_length):
        slots_return(&self.desk.stays, stay)
        return False
    stay.call = call[0]
    caller_forget(&stay.call.caller)
    stay.number = self.zone.access.number
    stay.epoch = access_epoch(self.zone.access)
    stay.hostname_length = facts.hostname.length
    memcpy(stay.hostname, facts.hostname.at, facts.hostname.length)
    stay.client_length = facts.client.length
    if facts.client.length > 0:
        memcpy(stay.client, facts.client.at, facts.client.length)
    self.stay = stay
    _arm(self, now_ms)
    return True


cdef void _arm(Exchange *self, uint64_t now_ms) noexcept nogil:
    """Look at it again soon, and when its token ends."""
    cdef uint64_t pause = GUARD_AGAIN_MS
    cdef uint64_t ends = self.stay.call.expires_ms
    if ends > 0:
        pause = min(pause, ends - now_ms if ends > now_ms else 0)
    self.guard_at = self.desk.loop.now + pause * _MS
    timing_look_in(self, pause)


cdef const AccessRow *_in_force(Exchange *self) noexcept nogil:
    """The policies of its zone as they are now; NULL: there are none any more."""
    cdef AccessStay *stay = self.stay
    cdef const HostRow *host = snapshot_host(self.desk.current.data, stay.hostname, stay.hostname_length)
    if host == NULL or host.kind != HOST_PROXIED:
        return NULL
    return host.zone.access


cdef bint guard_look_again(Exchange *self) noexcept nogil:
    """Is the caller still admitted? False: the stream has been ended, UNAUTHENTICATED."""
    cdef AccessStay *stay = self.stay
    cdef const AccessRow *row = _in_force(self)
    cdef RuleText hostname, client, path
    cdef char[ACCESS_TEXT] text
    cdef uint64_t now_ms = clock_wall() // _MS
    cdef AccessVerdict verdict = ADMITTED
    self.guard_at = 0
    if stay.call.expires_ms > 0 and now_ms >= stay.call.expires_ms:
        snprintf(text, sizeof(text), b"zone %s: what this stream was admitted by has expired", self.zone.name)
        _deny(self, ACCESS_UNAUTHENTICATED, text)
        return False
    if access_applies(row, self.grpc) and (row.number != stay.number or access_epoch(row) != stay.epoch):
        hostname.at, hostname.length = stay.hostname, stay.hostname_length
        client.at = stay.client if stay.client_length > 0 else NULL
        client.length = stay.client_length
        path.at, path.length = stay.path.data, stay.path.length
        stay.number, stay.epoch = row.number, access_epoch(row)
        stay.call.places = self.desk.current.data.places if self.desk.current != NULL else NULL
        verdict = access_judge_again(row, &hostname, &client, &path, now_ms, &stay.call, text)
    if verdict != ADMITTED and not (verdict == TO_BE_ASKED and stay.call.assertion_wanted):
        snprintf(text, sizeof(text), b"zone %s: what this stream was admitted by does not count any more",
                 self.zone.name)
        _deny(self, ACCESS_UNAUTHENTICATED, text)
        return False
    _arm(self, now_ms)
    return True


cdef void guard_leave(Exchange *self) noexcept nogil:
    """The call is over."""
    if self.stay != NULL:
        octets_close(&self.stay.path)
        slots_return(&self.desk.stays, self.stay)
    self.stay = NULL
    self.guard_at = 0
