"""Field sections: what a field is; what is a legal request head, response head, or trailers.

Knows one section at a time: neither how it was coded, nor what the stream it came on expects.
"""
from libc.stdint cimport INT32_MAX, INT64_MAX, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

from fastgw._core.clock cimport clock_now
from fastgw._core.reasons cimport (
    ACCEPTED,
    AUTHORITY_AND_HOST_DISAGREE,
    AUTHORITY_INVALID,
    CONNECT_NOT_ALLOWED,
    CONTENT_LENGTH_INVALID,
    FIELD_CONNECTION_SPECIFIC,
    FIELD_NAME_INVALID,
    FIELD_TE_INVALID,
    FIELD_VALUE_INVALID,
    PATH_INVALID,
    PSEUDO_FIELD_AFTER_FIELD,
    PSEUDO_FIELD_DUPLICATE,
    PSEUDO_FIELD_INVALID,
    PSEUDO_FIELD_MISPLACED,
    PSEUDO_FIELD_MISSING,
    PSEUDO_FIELD_UNKNOWN,
    STATUS_INVALID,
)

from fastgw._core.reasons import Reason as ReasonName


cdef extern from "fieldscan.h" nogil:
    const int FIELDSCAN_TOKEN, FIELDSCAN_PATH, FIELDSCAN_AUTHORITY
    bint fieldscan_all(const uint8_t *at, size_t length, uint8_t wanted)
    bint fieldscan_name(const uint8_t *at, size_t length)
    bint fieldscan_value(const uint8_t *at, size_t length)
    int fieldscan_name_with(int twin, const uint8_t *at, size_t length)
    int fieldscan_value_with(int twin, const uint8_t *at, size_t length)


TABLE = {
    # request and response heads begin with these
    b":method": METHOD,
    b":scheme": SCHEME,
    b":path": PATH,
    b":authority": AUTHORITY,
    b":protocol": PROTOCOL,
    b":status": STATUS,
    # RFC 9113 section 8.2.2
    b"connection": CONNECTION_SPECIFIC,
    b"keep-alive": CONNECTION_SPECIFIC,
    b"proxy-connection": CONNECTION_SPECIFIC,
    b"transfer-encoding": CONNECTION_SPECIFIC,
    b"upgrade": CONNECTION_SPECIFIC,
    b"te": TE,
    # read on the way
    b"host": HOST,
    b"content-type": CONTENT_TYPE,
    b"content-length": CONTENT_LENGTH,
    b"cookie": COOKIE,
    b"authorization": AUTHORIZATION,
    b"proxy-authorization": AUTHORIZATION,
    b"user-agent": USER_AGENT,
    b"grpc-status": GRPC_STATUS,
    b"grpc-message": GRPC_MESSAGE,
    b"grpc-timeout": GRPC_TIMEOUT,
    b"grpc-encoding": GRPC_ENCODING,
    b"fastgw-error": RESERVED,
    b"fastgw-ray": RESERVED,
    # a new value each time
    b"age": VOLATILE,
    b"b3": VOLATILE,
    b"baggage": VOLATILE,
    b"cf-ray": VOLATILE,
    b"date": VOLATILE,
    b"etag": VOLATILE,
    b"expires": VOLATILE,
    b"grpc-tags-bin": VOLATILE,
    b"grpc-trace-bin": VOLATILE,
    b"if-match": VOLATILE,
    b"if-modified-since": VOLATILE,
    b"if-none-match": VOLATILE,
    b"last-modified": VOLATILE,
    b"traceparent": VOLATILE,
    b"tracestate": VOLATILE,
    b"uber-trace-id": VOLATILE,
    b"x-amzn-trace-id": VOLATILE,
    b"x-b3-flags": VOLATILE,
    b"x-b3-parentspanid": VOLATILE,
    b"x-b3-sampled": VOLATILE,
    b"x-b3-spanid": VOLATILE,
    b"x-b3-traceid": VOLATILE,
    b"x-cloud-trace-context": VOLATILE,
    b"x-correlation-id": VOLATILE,
    b"x-datadog-parent-id": VOLATILE,
    b"x-datadog-trace-id": VOLATILE,
    b"x-request-id": VOLATILE,
    b"x-trace-id": VOLATILE,
}

cdef enum:
    _NAME_SIZE = 32             # of the longest name above, rounded up
    _SLOTS = 512
    _SLOT_SHIFT = 23            # 32 - log2(_SLOTS)
    _REGULAR = ~0xfe            # in a set of FieldKind bits: everything but the pseudo-fields 1..7

ctypedef struct _Slot:
    uint8_t name[_NAME_SIZE]
    uint32_t length             # 0: the slot is empty
    uint32_t kind

# The names above by a hash without collisions, found when the module is loaded.
cdef _Slot _slots[_SLOTS]
cdef uint32_t _multiplier


cdef inline uint32_t _slot_of(const uint8_t *name, uint32_t length) noexcept nogil:
    cdef uint32_t mixed = length ^ <uint32_t>name[0] << 8 ^ <uint32_t>name[length >> 1] << 16
    return ((mixed ^ <uint32_t>name[length - 1] << 24) * _multiplier) >> _SLOT_SHIFT


cdef uint8_t field_kind(const uint8_t *name, uint32_t length) noexcept nogil:
    """The FieldKind of a name; exact octets, so an upper-case name is ORDINARY."""
    cdef const _Slot *slot
    if length == 0:
        return ORDINARY
    slot = &_slots[_slot_of(name, length)]
    if slot.length == length and memcmp(slot.name, name, length) == 0:
        return <uint8_t>slot.kind
    return PSEUDO_UNKNOWN if name[0] == c":" else ORDINARY


cdef inline bint _is_space(uint8_t octet) noexcept nogil:
    return octet == c" " or octet == c"\t"


cdef void field_judge(Field *field) noexcept nogil:
    """Set `kind` and `fault` of a field whose name and value are set (RFC 9113 section 8.2.1).

    A name that begins with a colon is judged by its kind alone. `grpc-message` may have spaces at its edges:
    gRPC C-core sends them.
    """
    cdef uint32_t length = field.value_length
    field.kind = field_kind(field.name, field.name_length)
    field.fault = ACCEPTED
    if field.name_length == 0 or field.kind == ORDINARY and not fieldscan_name(field.name, field.name_length):
        field.fault = FIELD_NAME_INVALID
    elif length > 0:
        if not fieldscan_value(field.value, length):
            field.fault = FIELD_VALUE_INVALID
        elif (_is_space(field.value[0]) or _is_space(field.value[length - 1])) and field.kind != GRPC_MESSAGE:
            field.fault = FIELD_VALUE_INVALID


cdef bint field_is(const Field *field, const char *value, uint32_t length) noexcept nogil:
    """Is the field's value exactly this?"""
    return field.value_length == length and memcmp(field.value, value, length) == 0


cdef int64_t _number_get(const Field *field, int64_t most) noexcept nogil:
    """The value as a decimal number of digits only, -1 if it is not one or is more than `most`."""
    cdef int64_t number = 0
    cdef uint32_t at
    cdef int digit
    if field.value_length == 0:
        return -1
    for at in range(field.value_length):
        digit = <int>field.value[at] - c"0"
        if digit < 0 or digit > 9 or number > (most - digit) // 10:
            return -1
        number = number * 10 + digit
    return number


cdef Reason _content_length_take(const Field *field, int64_t *length) noexcept nogil:
    """Read a content-length into `length`, which must be -1: no second one, even of the same value, may pass.

    RFC 9110 section 8.6 lets us choose to refuse it; who is behind the origin may read two as something else.
    """
    cdef int64_t number = _number_get(field, INT64_MAX)
    if number < 0 or length[0] >= 0:
        return CONTENT_LENGTH_INVALID
    length[0] = number
    return ACCEPTED


cdef Reason _path_check(const Field *path, const Field *method) noexcept nogil:
    """RFC 9113 section 8.3.1: `:path` of http and https, in origin form, or `*` for OPTIONS."""
    if path.value_length == 1 and path.value[0] == c"*" and field_is(method, b"OPTIONS", 7):
        return ACCEPTED
    if path.value_length == 0 or path.value[0] != c"/":
        return PATH_INVALID
    return ACCEPTED if fieldscan_all(path.value, path.value_length, FIELDSCAN_PATH) else PATH_INVALID


cdef inline uint8_t _lower(uint8_t octet) noexcept nogil:
    return octet | 0x20 if c"A" <= octet <= c"Z" else octet


cdef Reason _authority_check(const Field *authority, const Field *host) noexcept nogil:
    """Either may be NULL. RFC 9113 section 8.3.1: no user information, no Host that names another."""
    cdef uint32_t at
    cdef const Field *field = authority if authority != NULL else host
    if field == NULL:
        return PSEUDO_FIELD_MISSING
    if field.value_length == 0 or not fieldscan_all(field.value, field.value_length, FIELDSCAN_AUTHORITY):
        return AUTHORITY_INVALID
    if authority == NULL or host == NULL:
        return ACCEPTED
    if host.value_length == 0:
        return AUTHORITY_INVALID
    if host.value_length != authority.value_length:
        return AUTHORITY_AND_HOST_DISAGREE
    for at in range(host.value_length):
        if _lower(host.value[at]) != _lower(authority.value[at]):
            return AUTHORITY_AND_HOST_DISAGREE
    return ACCEPTED


cdef Reason _request_pseudo_check(RequestHead *head, const Field *host) noexcept nogil:
    """Judge the pseudo-fields the walk has found; `authority` becomes Host where it is missing."""
    cdef Reason reason
    if head.method != NULL and field_is(head.method, b"CONNECT", 7):
        return CONNECT_NOT_ALLOWED
    if head.method == NULL or head.scheme == NULL or head.path == NULL:
        return PSEUDO_FIELD_MISSING
    if head.method.value_length == 0:
        return PSEUDO_FIELD_INVALID
    if not fieldscan_all(head.method.value, head.method.value_length, FIELDSCAN_TOKEN):
        return PSEUDO_FIELD_INVALID
    if not field_is(head.scheme, b"https", 5) and not field_is(head.scheme, b"http", 4):
        return PSEUDO_FIELD_INVALID
    reason = _path_check(head.path, head.method)
    if reason == ACCEPTED:
        reason = _authority_check(head.authority, host)
    if head.authority == NULL:
        head.authority = host
    return reason


cdef Reason _pseudo_take(const Field *field, uint32_t seen, bint of_request) noexcept nogil:
    """May this pseudo-field stand in such a head, behind the kinds in `seen`? RFC 9113 section 8.3."""
    if field.kind == PSEUDO_UNKNOWN or field.kind == PROTOCOL:
        return PSEUDO_FIELD_UNKNOWN  # extended CONNECT is not offered, so :protocol is not known
    if (field.kind == STATUS) == of_request:
        return PSEUDO_FIELD_MISPLACED
    if seen & <uint32_t>_REGULAR:
        return PSEUDO_FIELD_AFTER_FIELD
    if seen & (<uint32_t>1 << field.kind):
        return PSEUDO_FIELD_DUPLICATE
    return ACCEPTED


cdef Reason request_head_check(const FieldSection *section, RequestHead *head) noexcept nogil:
    """Is this a legal request head (RFC 9113 sections 8.2, 8.3.1)? Fills `head`, which points into it.

    Every field must have been judged. After a refusal `head` holds what was found until then. Of several
    content-type or grpc-timeout fields the first counts.
    """
    cdef const Field *host = NULL
    cdef const Field *field
    cdef uint32_t number, kind
    cdef uint32_t seen = 0      # bits by FieldKind
    cdef Reason reason = ACCEPTED
    memset(head, 0, sizeof(RequestHead))
    head.content_length = -1
    for number in range(section.count):
        field = &section.fields[number]
        kind = field.kind
        if field.fault != ACCEPTED:
            return <Reason>field.fault
        if METHOD <= kind <= PSEUDO_UNKNOWN:
            reason = _pseudo_take(field, seen, True)
            if reason != ACCEPTED:
                return reason
            if kind == METHOD:
                head.method = field
            elif kind == SCHEME:
                head.scheme = field
            elif kind == PATH:
                head.path = field
            else:
                head.authority = field
        elif kind == CONNECTION_SPECIFIC:
            return FIELD_CONNECTION_SPECIFIC
        elif kind == TE:
            if not field_is(field, b"trailers", 8):
                return FIELD_TE_INVALID
            head.te_trailers = True
        elif kind == HOST:
            if host != NULL:
                return AUTHORITY_INVALID
            host = field
        elif kind == CONTENT_TYPE:
            if head.content_type == NULL:
                head.content_type = field
        elif kind == CONTENT_LENGTH:
            reason = _content_length_take(field, &head.content_length)
        elif kind == GRPC_TIMEOUT:
            if head.grpc_timeout == NULL:
                head.grpc_timeout = field
        if reason != ACCEPTED:
            return reason
        seen |= <uint32_t>1 << kind
    return _request_pseudo_check(head, host)


cdef Reason response_head_check(const FieldSection *section, ResponseHead *head) noexcept nogil:
    """Is this a legal response head, interim ones included (RFC 9113 sections 8.2 and 8.3.2)? Fills `head`.

    Every field must have been judged. `grpc_status` is that of a trailers-only answer.
    """
    cdef const Field *field
    cdef uint32_t number, kind
    cdef uint32_t seen = 0      # bits by FieldKind
    cdef int64_t status
    cdef Reason reason = ACCEPTED
    memset(head, 0, sizeof(ResponseHead))
    head.content_length = -1
    head.grpc_status = -1
    for number in range(section.count):
        field = &section.fields[number]
        kind = field.kind
        if field.fault != ACCEPTED:
            return <Reason>field.fault
        if METHOD <= kind <= PSEUDO_UNKNOWN:
            reason = _pseudo_take(field, seen, False)
            if reason != ACCEPTED:
                return reason
            status = _number_get(field, 599)
            if field.value_length != 3 or status < 100 or status == 101:  # 101: RFC 9113 section 8.6
                return STATUS_INVALID
            head.status = <uint16_t>status
        elif kind == CONNECTION_SPECIFIC:
            return FIELD_CONNECTION_SPECIFIC
        elif kind == TE:
            return FIELD_TE_INVALID
        elif kind == CONTENT_TYPE:
            if head.content_type == NULL:
                head.content_type = field
        elif kind == CONTENT_LENGTH:
            reason = _content_length_take(field, &head.content_length)
        elif kind == GRPC_STATUS:
            if not seen & (<uint32_t>1 << GRPC_STATUS):
                head.grpc_status = <int>_number_get(field, INT32_MAX)
        if reason != ACCEPTED:
            return reason
        seen |= <uint32_t>1 << kind
    return ACCEPTED if head.status != 0 else PSEUDO_FIELD_MISSING


cdef Reason trailers_check(const FieldSection *section, int *grpc_status) noexcept nogil:
    """Are these legal trailers (RFC 9113 section 8.1, RFC 9110 section 6.5.1)? Sets `grpc_status`, or -1.

    Every field must have been judged. Fields that frame or route a message are refused: they come too late.
    """
    cdef const Field *field
    cdef uint32_t number
    cdef bint status_seen = False
    grpc_status[0] = -1
    for number in range(section.count):
        field = &section.fields[number]
        if field.fault != ACCEPTED:
            return <Reason>field.fault
        if METHOD <= field.kind <= PSEUDO_UNKNOWN:
            return PSEUDO_FIELD_MISPLACED
        elif field.kind == CONNECTION_SPECIFIC:
            return FIELD_CONNECTION_SPECIFIC
        elif field.kind == TE:
            return FIELD_TE_INVALID
        elif field.kind == HOST:
            return AUTHORITY_INVALID
        elif field.kind == CONTENT_LENGTH:
            return CONTENT_LENGTH_INVALID
        elif field.kind == GRPC_STATUS and not status_seen:
            status_seen = True
            grpc_status[0] = <int>_number_get(field, INT32_MAX)
    return ACCEPTED


def _fill() -> None:
    """Find a multiplier that gives every name of the table a slot of its own."""
    global _multiplier
    cdef _Slot *slot
    cdef uint32_t number
    for number in range(1, 100000):
        _multiplier = <uint32_t>(number * <uint64_t>0x9e3779b1)
        if len({_slot_of(name, len(name)) for name in TABLE}) == len(TABLE):
            break
    else:
        raise ImportError("no collision-free hash for the field names")
    for name, kind in TABLE.items():
        if len(name) > _NAME_SIZE:
            raise ImportError(f"{name!r} does not fit its slot")
        slot = &_slots[_slot_of(name, len(name))]
        slot.kind = kind
        slot.length = len(name)
        for at, octet in enumerate(name):
            slot.name[at] = octet


_fill()


# For tests and tools.

cdef class Section:
    """A field section made of (name, value) pairs, judged as HPACK would hand it over."""
    cdef FieldSection *section
    cdef object keep

    def __cinit__(self, fields):
        cdef Field *field
        self.section = <FieldSection *>calloc(1, sizeof(FieldSection))
        if self.section == NULL:
            raise MemoryError
        self.keep = [(bytes(name), bytes(value)) for name, value in fields]
        if len(self.keep) > FIELDS_MAX:
            raise ValueError("too many fields")
        for one in self.keep:
            field = &self.section.fields[self.section.count]
            field.name = one[0]
            field.name_length = len(one[0])
            field.value = one[1]
            field.value_length = len(one[1])
            field_judge(field)
            self.section.count += 1

    def __dealloc__(self):
        free(self.section)

    cdef object value_of(self, const Field *field):
        return None if field == NULL else field.value[:field.value_length]

    def judged(self):
        """(kind, fault) of each field."""
        cdef uint32_t at
        return [
            (FieldKind(self.section.fields[at].kind), ReasonName(self.section.fields[at].fault))
            for at in range(self.section.count)
        ]

    def request_head(self):
        """(reason, what was found)."""
        cdef RequestHead head
        reason = ReasonName(request_head_check(self.section, &head))
        return reason, {
            "method": self.value_of(head.method),
            "scheme": self.value_of(head.scheme),
            "path": self.value_of(head.path),
            "authority": self.value_of(head.authority),
            "content_type": self.value_of(head.content_type),
            "grpc_timeout": self.value_of(head.grpc_timeout),
            "content_length": head.content_length,
            "te_trailers": bool(head.te_trailers),
        }

    def response_head(self):
        """(reason, what was found)."""
        cdef ResponseHead head
        reason = ReasonName(response_head_check(self.section, &head))
        return reason, {
            "status": head.status,
            "content_type": self.value_of(head.content_type),
            "content_length": head.content_length,
            "grpc_status": head.grpc_status,
        }

    def trailers(self):
        """(reason, grpc_status)."""
        cdef int grpc_status = -1
        cdef Reason reason = trailers_check(self.section, &grpc_status)
        return ReasonName(reason), grpc_status

    def cost(self, uint32_t rounds):
        """Nanoseconds for judging all fields, and for checking them as a request head."""
        cdef RequestHead head
        cdef uint32_t _, at
        cdef uint64_t begun = clock_now()
        cdef uint64_t judged
        for _ in range(rounds):
            for at in range(self.section.count):
                field_judge(&self.section.fields[at])
        judged = clock_now()
        for _ in range(rounds):
            request_head_check(self.section, &head)
        return (judged - begun) / rounds, (clock_now() - judged) / rounds


def scan(str what, octets, int twin=-1):
    """Is `octets`, any buffer, a legal "name" or "value"? `twin` as in fieldscan.h, -1: what traffic gets.

    None if this machine does not have that twin.
    """
    cdef const uint8_t[::1] view = octets
    cdef const uint8_t *at = &view[0] if view.shape[0] > 0 else NULL
    cdef int answer
    if twin < 0:
        if what == "name":
            return bool(fieldscan_name(at, view.shape[0]))
        return bool(fieldscan_value(at, view.shape[0]))
    if what == "name":
        answer = fieldscan_name_with(twin, at, view.shape[0])
    else:
        answer = fieldscan_value_with(twin, at, view.shape[0])
    return None if answer < 0 else bool(answer)


def octet_classes(octets):
    """The FIELDSCAN_ classes that all of `octets` belong to, as a sum."""
    return sum(bit for bit in (1, 2, 4, 8, 16) if fieldscan_all(octets, len(octets), bit))
