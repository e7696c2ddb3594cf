"""How well a client fits what it says it is: 99, less what speaks against it, and why.

No learning: each reason has a fixed weight, and the same head on the same connection always has the same score. What
is characteristic of a library stands in FAMILIES; docs/bots.md says of which it was seen on real connections.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from fastgw._core.wire.fields cimport (
    FIELDS_MAX, USER_AGENT, Field, FieldSection, RequestHead, field_kind, request_head_check)
from fastgw._core.wire.opening cimport OPENING_SETTINGS, Opening, opening_order, opening_settings

cdef enum:
    _BEST = 99
    _WORST = 1
    _FAMILIES_MAX = 32
    _WORD_MAX = 24
    _ORDERS = 3
    _WORDS_MAX = 64
    _AGENT_LOOKED_AT = 256      # octets of a user agent
    _JA4_CIPHERS = 4            # where the numbers stand in it
    _JA4_EXTENSIONS = 6
    _JA4_PROTOCOL = 8

TABLE = {
    # reason              points  what it means
    AGENT_MISSING:        (35, "no user agent"),
    AGENT_TWICE:          (30, "more than one user agent"),
    AGENT_MALFORMED:      (25, "a known library without a version"),
    AGENT_UNKNOWN:        (10, "a user agent that is not known here"),
    AGENT_TOOL:           (40, "an HTTP tool, no gRPC library"),
    AGENT_SCANNER:        (98, "a scanner by its own words"),
    BROWSER_NATIVE:       (60, "a browser that speaks native gRPC, which browsers cannot"),
    SETTINGS_DIFFER:      (35, "SETTINGS that this library does not send"),
    ORDER_DIFFERS:        (35, "pseudo-fields in another order than this library's"),
    WINDOW_DIFFERS:       (10, "a connection window that this library always widens, and here did not"),
    TLS_DIFFERS:          (30, "a ClientHello that this library's TLS does not send"),
    TLS_ODD:              (25, "a ClientHello that cannot be read, or is too large"),
    ALPN_ODD:             (15, "h2 is not the first protocol offered, by a gRPC library"),
    TE_MISSING:           (25, "no te: trailers, which every gRPC library sends"),
    ENCODINGS_MISSING:    (5, "no grpc-accept-encoding, which this library always sends"),
    ORIGIN_MISSING:       (25, "a browser that does not say which page calls"),
    FETCH_MISSING:        (15, "a browser without sec-fetch-site"),
    NOT_GRPC:             (20, "a request that is no gRPC call"),
}

cpdef enum Trait:
    BROWSER = 1
    WIDENS = 2                  # always widens the connection's window
    ENCODES = 4                 # always sends grpc-accept-encoding

# Settings that may come and that always do, by their numbers; `0` stands for those above 15. Ciphers and extensions:
# least and most, as JA4 counts them.
FAMILIES = {
    # word in the agent     orders             settings, always   ciphers   extensions traits
    "grpc-python-grpclib/":  (("mspa",),         "12345689", "4",    (14, 62), (8, 16),   WIDENS),
    "grpc-go/":              (("mspa",),         "146", "",          (3, 16),  (8, 16),   0),
    "grpc-java-netty/":      (("apms",),         "123456", "4",      (3, 62),  (8, 20),   ENCODES),
    "grpc-java-okhttp/":     (("smap",),         "123456", "",       (3, 62),  (8, 20),   ENCODES),
    "grpc-node-js/":         (("amps",),         "12345689", "",     (20, 62), (8, 18),   ENCODES),
    "grpc-dotnet/":          (("msap",),         "24", "24",         (5, 62),  (6, 20),   WIDENS | ENCODES),
    "tonic/":                (("msap",),         "1234568", "245",   (3, 16),  (8, 16),   0),
    "connect-go/":           (("amps",),         "12456", "24",      (3, 16),  (8, 16),   WIDENS),
    "grpc-python/":          (("pams", "smpa"),  "1234560", "4",     (3, 24),  (7, 18),   ENCODES),
    "grpc-python-asyncio/":  (("pams", "smpa"),  "1234560", "4",     (3, 24),  (7, 18),   ENCODES),
    "grpc-ruby/":            (("pams", "smpa"),  "1234560", "4",     (3, 24),  (7, 18),   ENCODES),
    "grpc-c++/":             (("pams", "smpa"),  "1234560", "4",     (3, 24),  (7, 18),   ENCODES),
    "grpc-csharp/":          (("pams", "smpa"),  "1234560", "4",     (3, 24),  (7, 18),   ENCODES),
    "grpc-php/":             (("pams", "smpa"),  "1234560", "4",     (3, 24),  (7, 18),   ENCODES),
    "grpc-objc/":            (("pams", "smpa"),  "1234560", "4",     (3, 24),  (7, 18),   ENCODES),
    "Firefox/":              (("mpas",),         "12345", "14",      (10, 20), (12, 20),  BROWSER | WIDENS),
    "Chrome/":               (("masp",),         "123468", "14",     (13, 18), (14, 20),  BROWSER | WIDENS),
    "Version/":              (("mspa", "msap"),  "234589", "4",      (10, 24), (10, 18),  BROWSER | WIDENS),
}

TOOLS = ("curl/", "wget/", "python-requests/", "python-urllib", "python-httpx/", "aiohttp/", "go-http-client/",
         "axios/", "java-http-client/", "apache-httpclient/", "okhttp/", "postmanruntime/", "insomnia/", "libwww-perl/",
         "node-fetch", "undici", "h2load", "nghttp2/", "ghz/")
SCANNERS = ("sqlmap", "nikto", "nuclei", "masscan", "zgrab", "nmap", "gobuster", "ffuf", "wpscan", "acunetix", "nessus",
            "openvas", "dirbuster", "feroxbuster", "censysinspect", "netsparker", "wfuzz", "arachni", "commix")

ctypedef struct _Word:
    uint8_t length
    char text[_WORD_MAX]

ctypedef struct _Family:
    _Word word
    uint8_t orders[_ORDERS]
    uint8_t order_count
    uint8_t traits
    uint8_t ciphers[2]
    uint8_t extensions[2]
    uint32_t may                # settings, a bit each
    uint32_t must

cdef _Family _families[_FAMILIES_MAX]
cdef uint32_t _family_count = 0
cdef _Word _words[_WORDS_MAX]   # tools, then scanners, in lower case
cdef uint32_t _tool_count = 0
cdef uint32_t _word_count = 0
cdef uint8_t _points[32]        # by the number of the bit


# ---- the user agent


cdef inline uint8_t _small(uint8_t octet) noexcept nogil:
    return octet | 0x20 if c"A" <= octet <= c"Z" else octet


cdef bint _has_at(const uint8_t *at, uint32_t length, const _Word *word, bint any_case) noexcept nogil:
    cdef uint32_t number
    if word.length > length:
        return False
    for number in range(word.length):
        if <uint8_t>word.text[number] != (_small(at[number]) if any_case else at[number]):
            return False
    return True


cdef const _Family *_family(const uint8_t *agent, uint32_t length, bint *versioned) noexcept nogil:
    """The library that a user agent names, at the beginning of one of its words; the first in the table wins."""
    cdef const _Family *best = NULL
    cdef const _Family *family
    cdef uint32_t at, number
    for at in range(length):
        if at > 0 and agent[at - 1] != c" ":
            continue
        for number in range(_family_count):
            family = &_families[number]
            if (best == NULL or family < best) and _has_at(agent + at, length - at, &family.word, False):
                best = family
                number = at + family.word.length
                versioned[0] = number < length and c"0" <= agent[number] <= c"9"
                break
    return best


cdef uint32_t _named(const uint8_t *agent, uint32_t length) noexcept nogil:
    """Is it a tool or a scanner by its own words, in any case?"""
    cdef uint32_t at, number, found = 0
    for at in range(length):
        for number in range(_word_count):
            if (_small(agent[at]) == <uint8_t>_words[number].text[0]
                    and _has_at(agent + at, length - at, &_words[number], True)):
                found |= <uint32_t>AGENT_TOOL if number < _tool_count else <uint32_t>AGENT_SCANNER
    return found


# ---- what is compared


cdef uint32_t _number(const uint8_t *digits) noexcept nogil:
    return <uint32_t>(digits[0] - c"0") * 10 + (digits[1] - c"0")


cdef uint32_t _compare_tls(const _Family *family, const uint8_t *ja4) noexcept nogil:
    cdef uint32_t ciphers = _number(ja4 + _JA4_CIPHERS)
    cdef uint32_t extensions = _number(ja4 + _JA4_EXTENSIONS)
    cdef uint32_t found = 0
    if (ciphers < family.ciphers[0] or ciphers > family.ciphers[1]
            or extensions < family.extensions[0] or extensions > family.extensions[1]):
        found |= <uint32_t>TLS_DIFFERS
    if not family.traits & BROWSER and (ja4[_JA4_PROTOCOL] != c"h" or ja4[_JA4_PROTOCOL + 1] != c"2"):
        found |= <uint32_t>ALPN_ODD
    return found


cdef uint32_t _compare_opening(const _Family *family, const Opening *opening, uint8_t order) noexcept nogil:
    cdef uint32_t number, found = 0
    cdef uint32_t seen = 0
    cdef bint known = False
    for number in range(min(<uint32_t>opening.count, <uint32_t>OPENING_SETTINGS)):
        seen |= <uint32_t>1 << (opening.id[number] if opening.id[number] < 16 else 0)
    if seen & ~family.may or family.must & ~seen:
        found |= <uint32_t>SETTINGS_DIFFER
    for number in range(family.order_count):
        known = known or family.orders[number] == order
    if not known:
        found |= <uint32_t>ORDER_DIFFERS
    if family.traits & WIDENS and opening.window == 0:
        found |= <uint32_t>WINDOW_DIFFERS
    return found


cdef inline bint _is(const Field *field, const char *name, uint32_t length) noexcept nogil:
    cdef uint32_t number
    if field.name_length != length:
        return False
    for number in range(length):
        if field.name[number] != <uint8_t>name[number]:
            return False
    return True


cdef inline bint _starts(const Field *field, const char *text, uint32_t length) noexcept nogil:
    cdef uint32_t number
    if field == NULL or field.value_length < length:
        return False
    for number in range(length):
        if _small(field.value[number]) != <uint8_t>text[number]:
            return False
    return True


cdef uint8_t bots_score(const BotView *self, uint32_t *reasons) noexcept nogil:
    """The score, 1 to 99, and in `reasons` the bits (BotReason) that took points off."""
    cdef const Field *agent = NULL
    cdef const _Family *family = NULL
    cdef const Field *field
    cdef uint32_t number, length = 0
    cdef uint32_t found = 0
    cdef bint versioned = True, encodings = False, origin = False, fetch = False
    cdef bint grpc = _starts(self.head.content_type, b"application/grpc", 16)
    cdef bint web = grpc and _starts(self.head.content_type, b"application/grpc-web", 20)
    for number in range(self.section.count):
        field = &self.section.fields[number]
        if field.kind == USER_AGENT:
            found |= <uint32_t>AGENT_TWICE if agent != NULL else 0
            agent = field
        elif field.name_length == 20:
            encodings = encodings or _is(field, b"grpc-accept-encoding", 20)
        elif field.name_length == 6:
            origin = origin or _is(field, b"origin", 6)
        elif field.name_length == 14:
            fetch = fetch or _is(field, b"sec-fetch-site", 14)
    if agent == NULL or agent.value_length == 0:
        found |= <uint32_t>AGENT_MISSING
    else:
        length = min(agent.value_length, <uint32_t>_AGENT_LOOKED_AT)
        family = _family(agent.value, length, &versioned)
        if family == NULL or family.traits & BROWSER:
            found |= _named(agent.value, length)
        if family == NULL and not found & (AGENT_TOOL | AGENT_SCANNER):
            found |= <uint32_t>AGENT_UNKNOWN
    if not grpc:
        found |= <uint32_t>NOT_GRPC
    elif not web and not self.head.te_trailers:
        found |= <uint32_t>TE_MISSING
    if self.hello_seen and self.ja4 == NULL:
        found |= <uint32_t>TLS_ODD
    if family != NULL:
        found |= <uint32_t>AGENT_MALFORMED if not versioned else 0
        found |= _compare_tls(family, self.ja4) if self.ja4 != NULL else 0
        if self.opening != NULL:
            found |= _compare_opening(family, self.opening, opening_order(self.section))
        if family.traits & BROWSER:
            found |= <uint32_t>BROWSER_NATIVE if grpc and not web else 0
            found |= <uint32_t>ORIGIN_MISSING if web and not origin else 0
            found |= <uint32_t>FETCH_MISSING if web and not fetch else 0
        elif family.traits & ENCODES and grpc and not encodings:
            found |= <uint32_t>ENCODINGS_MISSING
    reasons[0] = found
    return _weigh(found)


cdef uint8_t _weigh(uint32_t reasons) noexcept nogil:
    cdef uint32_t points = 0
    cdef uint32_t bit
    for bit in range(32):
        if reasons >> bit & 1:
            points += _points[bit]
    return <uint8_t>(_BEST - min(points, <uint32_t>(_BEST - _WORST)))


# ---- the tables, read once


cdef int _put(_Word *into, str text) except -1:
    cdef bytes octets = text.encode()
    if len(octets) > _WORD_MAX:
        raise ImportError(f"{text} is too long")
    into.length = len(octets)
    memcpy(into.text, <const char *>octets, len(octets))
    return 0


cdef uint32_t _bits(str digits) except? 0xffffffff:
    cdef uint32_t bits = 0
    for digit in digits:
        bits |= <uint32_t>1 << int(digit)
    return bits


cdef int _load() except -1:
    global _family_count, _tool_count, _word_count
    cdef _Family *family
    if set(TABLE) != set(BotReason) or len(FAMILIES) > _FAMILIES_MAX or len(TOOLS) + len(SCANNERS) > _WORDS_MAX:
        raise ImportError("a reason has no weight, or there are too many families or words")
    for reason, (points, _) in TABLE.items():
        _points[int(reason).bit_length() - 1] = points
    for word, (orders, may, must, ciphers, extensions, traits) in FAMILIES.items():
        family = &_families[_family_count]
        _family_count += 1
        _put(&family.word, word)
        for order in orders:
            family.orders[family.order_count] = sum(
                "mspa".index(letter) << 6 - 2 * at for at, letter in enumerate(order))
            family.order_count += 1
        family.traits = traits
        family.ciphers[0], family.ciphers[1] = ciphers
        family.extensions[0], family.extensions[1] = extensions
        family.may = _bits(may)
        family.must = _bits(must)
    for word in TOOLS + SCANNERS:
        _put(&_words[_word_count], word)
        _word_count += 1
    _tool_count = len(TOOLS)
    return 0


_load()


def words(uint32_t reasons):
    """The reasons by name, the heaviest first."""
    held = [reason for reason in BotReason if reasons & reason]
    return [reason.name.lower() for reason in sorted(held, key=lambda reason: -TABLE[reason][0])]


# For tests and tools.

def score(list fields not None, bytes settings=None, uint32_t window=0, bytes ja4=None, bint hello_seen=False):
    """(score, names of the reasons) of a head, pairs of octets, on a connection that began so."""
    cdef FieldSection section
    cdef RequestHead head
    cdef Opening opening
    cdef BotView view
    cdef Field *field
    cdef uint32_t reasons
    memset(&section, 0, sizeof(FieldSection))
    memset(&opening, 0, sizeof(Opening))
    memset(&view, 0, sizeof(BotView))
    for name, value in fields[:FIELDS_MAX]:
        field = &section.fields[section.count]
        section.count += 1
        field.name = <const uint8_t *><const char *>name
        field.name_length = len(name)
        field.value = <const uint8_t *><const char *>value
        field.value_length = len(value)
        field.kind = field_kind(field.name, field.name_length)
    request_head_check(&section, &head)
    view.section = &section
    view.head = &head
    if settings is not None:
        opening_settings(&opening, <const uint8_t *><const char *>settings, <uint32_t>len(settings))
        opening.window = window
        view.opening = &opening
    view.ja4 = <const uint8_t *><const char *>ja4 if ja4 is not None else NULL
    view.hello_seen = hello_seen or ja4 is not None
    number = bots_score(&view, &reasons)
    return number, words(reasons)
