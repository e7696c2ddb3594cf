"""What rules are told of a call, its connection and its client.

Only what a zone's programs ask for is found out, each time; a fact that nobody here knows is missing.
"""
from libc.stdint cimport INT64_MIN, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy, memset

from fastgw._core.buf cimport octets_close, octets_open, slots_take
from fastgw._core.clock cimport clock_wall
from fastgw._core.inspect.bots cimport BotView, bots_score
from fastgw._core.inspect.places cimport (
    PLACE_TEXTS,
    Place,
    PlacesData,
    place_asnum,
    place_in_union,
    place_text,
    places_find,
)
from fastgw._core.io.fingerprint cimport (
    FINGERPRINT_DONE,
    FINGERPRINT_WAITS,
    JA3_TEXT,
    JA4_TEXT,
    RANDOM_TEXT,
    SHA1_TEXT,
    Fingerprint,
)
from fastgw._core.io.peer cimport (
    PEER_TEXTS,
    peer_certificate,
    peer_cipher,
)
from fastgw._core.io.sys cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    IPPROTO_TCP,
    getsockname,
    getsockopt,
    sockaddr,
    socklen_t,
)
from fastgw._core.io.tls cimport TLS_1_2, TLS_1_3, tls_client_is_verified
from fastgw._core.proxy.desk cimport CallFacts, LinkFacts, desk_dice
from fastgw._core.proxy.meter cimport BOTS
from fastgw._core.rules.facts cimport CALL_TEXTS, SERVER, RuleText

cdef extern from *:
    """
    #define fastgw_lowest(bits) ((uint32_t)__builtin_ctzll(bits))
    """
    uint32_t fastgw_lowest(uint64_t bits) nogil

cdef enum:
    # The kernel's interface: an option of TCP, and where in its answer the numbers stand.
    _TCP_INFO = 11
    _INFO_SIZE = 168
    _RTT_AT = 68                # microseconds, 32 bits
    _RATE_AT = 160              # octets per second, 64 bits

cdef uint8_t *_MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]


cdef uint8_t address_of(const uint8_t *socket_address, uint8_t *into, uint16_t *port) noexcept nogil:
    """The address in a struct sockaddr, IPv4 also where it is mapped: octets of it, 0 if it has none."""
    cdef uint16_t family
    memcpy(&family, socket_address, 2)
    if family != AF_INET and family != AF_INET6:
        return 0
    port[0] = <uint16_t>(socket_address[2] << 8 | socket_address[3])
    if family == AF_INET:
        memcpy(into, socket_address + 4, 4)
        return 4
    if memcmp(socket_address + 8, _MAPPED, 12) == 0:
        memcpy(into, socket_address + 20, 4)
        return 4
    memcpy(into, socket_address + 8, 16)
    return 16


cdef LinkFacts *facts_of_link(Link *link) noexcept nogil:
    """What is known of the connection; NULL: there is no memory for it."""
    if link.facts == NULL:
        link.facts = <LinkFacts *>slots_take(&link.desk.link_facts)
    return link.facts


cdef LinkFacts *_addressed(Link *link) noexcept nogil:
    """The same with our address: the kernel is asked once."""
    cdef uint8_t found[128]
    cdef socklen_t size = sizeof(found)
    cdef LinkFacts *self = facts_of_link(link)
    if self == NULL or self.addressed:
        return self
    self.addressed = True
    memset(found, 0, sizeof(found))
    if getsockname(link.transport.source.fd, <sockaddr *>found, &size) == 0:
        self.server_length = address_of(found, self.server, &self.server_port)
    return self


cdef inline void _text(RuleText *into, const void *at, uint32_t length) noexcept nogil:
    into.at = <const uint8_t *>at
    into.length = length


cdef const PlacesData *_placed(Link *link, const Place **into) noexcept nogil:
    """The databases in force and what they say of the client: asked once, and again when there are others. Or NULL."""
    cdef const PlacesData *places = link.desk.current.data.places if link.desk.current != NULL else NULL
    cdef LinkFacts *self
    cdef uint8_t address[16]
    cdef uint16_t port
    cdef uint8_t length
    if places == NULL:
        return NULL
    self = facts_of_link(link)
    if self == NULL:
        return NULL
    if self.placed != places.number:
        length = address_of(link.peer, address, &port)
        places_find(places, address, length, &self.place)
        self.placed = places.number
    into[0] = &self.place
    return places


cdef void _place_text(RuleText *into, uint32_t number, Link *link) noexcept nogil:
    cdef const Place *place = NULL
    cdef const PlacesData *places = _placed(link, &place)
    if places != NULL:
        into.at = place_text(places, place, number, &into.length)


cdef int64_t _place_number(uint32_t number, Link *link) noexcept nogil:
    cdef const Place *place = NULL
    cdef const PlacesData *places = _placed(link, &place)
    if places == NULL:
        return INT64_MIN
    return place_asnum(places, place) if number == PLACE_ASNUM else place_in_union(places, place)


cdef LinkFacts *_certified(Link *link) noexcept nogil:
    """What is known of the connection, with what the client's certificate says: it is read once."""
    cdef LinkFacts *self = facts_of_link(link)
    if self == NULL or self.certified:
        return self
    self.certified = True
    octets_open(&self.certificate, &link.desk.memory)
    if not link.transport.tls.presented or not peer_certificate(&link.transport.tls, &self.certificate, &self.texts):
        octets_close(&self.certificate)
    return self


cdef void _certificate_text(RuleText *into, uint32_t number, Link *link) noexcept nogil:
    cdef const LinkFacts *known = _certified(link)
    cdef uint32_t begin
    if known == NULL or known.certificate.length == 0:
        return
    begin = known.texts.ends[number - 1] if number > 0 else 0
    _text(into, known.certificate.data + begin, known.texts.ends[number] - begin)


cdef void facts_close(LinkFacts *self) noexcept nogil:
    """The connection has gone."""
    if self.certified:
        octets_close(&self.certificate)
    free(self.der)


cdef void _call_text(CallFacts *self, uint32_t number, Exchange *exchange) noexcept nogil:
    """A text that differs from call to call."""
    cdef RuleText *into = &self.call_texts[number]
    into.at = NULL
    if number == RAY_ID:
        snprintf(self.ray, sizeof(self.ray), b"%016llx", <unsigned long long>exchange.ray)
        _text(into, self.ray, 16)
    elif number == RANDOM_SEED:
        self.seed[0] = desk_dice(exchange.desk)
        self.seed[1] = desk_dice(exchange.desk)
        _text(into, self.seed, 16)
    elif number == ZONE_NAME:
        _text(into, exchange.zone.name, exchange.zone.name_length)


cdef void _print_text(RuleText *into, uint32_t number, Link *link) noexcept nogil:
    """What the client's hello looked like."""
    cdef const Fingerprint *seen = link.print_
    if seen == NULL or seen.state != FINGERPRINT_DONE:
        return
    if number == TLS_CLIENT_RANDOM:
        _text(into, seen.random, RANDOM_TEXT)
    elif number == TLS_EXTENSIONS_SHA1:
        _text(into, seen.extensions, SHA1_TEXT)
    elif number == TLS_EXTENSIONS_SHA1_LE:
        _text(into, seen.extensions_le, SHA1_TEXT)
    elif number == TLS_CIPHERS_SHA1:
        _text(into, seen.ciphers, SHA1_TEXT)
    elif number == JA3:
        _text(into, seen.ja3, JA3_TEXT)
    else:
        _text(into, seen.ja4, JA4_TEXT)


cdef int64_t _score(Exchange *exchange, Link *link, const FieldSection *section,
                    const RequestHead *head) noexcept nogil:
    """How well the client fits what it says it is; the log is told too."""
    cdef BotView view
    cdef const Fingerprint *seen = link.print_
    view.section = section
    view.head = head
    view.opening = &link.conn.opening
    view.ja4 = seen.ja4 if seen != NULL and seen.state == FINGERPRINT_DONE else NULL
    view.hello_seen = seen != NULL and seen.state != FINGERPRINT_WAITS
    exchange.products |= <int>BOTS
    exchange.bot_score = bots_score(&view, &exchange.bot_reasons)
    return exchange.bot_score


cdef void _link_text(CallFacts *self, uint32_t number, Link *link) noexcept nogil:
    """A text about the connection."""
    cdef RuleText *into = &self.texts[number]
    into.at = NULL
    if number == TLS_VERSION and link.tls_version != 0:
        if link.tls_version == TLS_1_3:
            _text(into, b"TLSv1.3", 7)
        elif link.tls_version == TLS_1_2:
            _text(into, b"TLSv1.2", 7)
    elif number == TLS_CIPHER:
        into.at = <const uint8_t *>peer_cipher(&link.transport.tls, &into.length)
    elif TLS_CLIENT_RANDOM <= number <= TLS_CIPHERS_SHA1 or number == JA3 or number == JA4:
        _print_text(into, number, link)
    elif PLACE_FIRST <= number < PLACE_FIRST + <uint32_t>PLACE_TEXTS:
        _place_text(into, number - PLACE_FIRST, link)
    elif CERTIFICATE_TEXTS <= number < CERTIFICATE_TEXTS + <uint32_t>PEER_TEXTS:
        _certificate_text(into, number - CERTIFICATE_TEXTS, link)


cdef int64_t _measured(Link *link, uint32_t number) noexcept nogil:
    """What the kernel knows of the way to the client."""
    cdef uint8_t info[_INFO_SIZE]
    cdef socklen_t size = sizeof(info)
    cdef uint32_t rtt_us
    cdef uint64_t rate
    memset(info, 0, sizeof(info))
    if getsockopt(link.transport.source.fd, IPPROTO_TCP, _TCP_INFO, info, &size) != 0:
        return INT64_MIN
    if number == CLIENT_RTT:
        memcpy(&rtt_us, info + _RTT_AT, sizeof(rtt_us))
        return rtt_us // 1000
    memcpy(&rate, info + _RATE_AT, sizeof(rate))
    return <int64_t>min(rate, <uint64_t>1 << 62)


cdef int64_t _number(Link *link, uint32_t number) noexcept nogil:
    cdef LinkFacts *facts
    cdef uint16_t family
    memcpy(&family, link.peer, 2)
    if number == SERVER_PORT:
        facts = _addressed(link)
        return INT64_MIN if facts == NULL or facts.server_length == 0 else facts.server_port
    if number == CLIENT_TCP:
        return family != AF_UNIX
    if number == DELIVERY_RATE or number == CLIENT_RTT:
        return _measured(link, number)
    if number == CERT_PRESENTED:
        return link.transport.tls.presented
    if number == CERT_VERIFIED:
        return tls_client_is_verified(&link.transport.tls)
    if number == CERT_REVOKED:
        return link.transport.tls.revoked
    if number == CERT_TOO_LARGE or number == CERT_CHAIN_TOO_LARGE:
        facts = _certified(link)
        if facts == NULL:
            return INT64_MIN
        return facts.texts.too_large if number == CERT_TOO_LARGE else facts.texts.chain_too_large
    if number == PLACE_ASNUM or number == PLACE_IN_UNION:
        return _place_number(number, link)
    if number == HELLO_LENGTH and link.print_ != NULL and link.print_.state == FINGERPRINT_DONE:
        return link.print_.hello_length
    return INT64_MIN


cdef const RuleFacts *facts_of(const InspectionData *asked, Exchange *exchange, Link *link,
                               const FieldSection *section, const RequestHead *head, const uint8_t *hostname,
                               uint32_t length) noexcept nogil:
    """All that the programs of `asked` want to know of this call, in the worker's memory: good until the next one."""
    cdef CallFacts *self = &exchange.desk.known
    cdef RuleFacts *facts = &self.facts
    cdef LinkFacts *known
    cdef uint16_t port
    cdef uint64_t left
    cdef uint32_t number
    facts.section = section
    facts.head = head
    _text(&facts.hostname, hostname, length)
    facts.client.length = address_of(link.peer, self.client, &port)
    facts.client.at = self.client if facts.client.length > 0 else NULL
    facts.server.at = NULL
    facts.secure = link.tls_version != 0
    facts.now_ms = <int64_t>(clock_wall() // 1000000)
    facts.texts = self.texts
    facts.numbers = self.numbers
    facts.call_texts = self.call_texts
    if (asked.sources >> <int>SERVER) & 1:
        known = _addressed(link)
        if known != NULL and known.server_length > 0:
            _text(&facts.server, known.server, known.server_length)
    left = asked.texts
    while left != 0:
        number = fastgw_lowest(left)
        if number < CALL_TEXTS:
            _call_text(self, number, exchange)
        else:
            _link_text(self, number, link)
        left &= left - 1
    left = asked.integers
    while left != 0:
        number = fastgw_lowest(left)
        if number == BOT_SCORE:
            self.numbers[number] = _score(exchange, link, section, head)
        else:
            self.numbers[number] = _number(link, number)
        left &= left - 1
    return facts
