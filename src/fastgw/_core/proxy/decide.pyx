"""The gate: what becomes of a request, by its head alone (the way of a request, steps 3 to 7)."""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy, strcmp

from fastgw._core.inspect.gate cimport ALL_PHASES, BLOCKED, LIMITED, TOO_LARGE, Verdict, inspect_phases, verdict_text
from fastgw._core.inspect.rows cimport LATE_TRANSFORM, InspectionRow
from fastgw._core.io.transport cimport (
    ALPN_NOT_H2,
    CERTIFICATE_INVALID,
    CONNECT_REFUSED,
    CONNECT_TIMED_OUT,
    HANDSHAKE_FAILED,
    HANDSHAKE_TIMED_OUT,
)
from fastgw._core.proxy.desk cimport PHASE_CONNECT, PHASE_DNS, PHASE_SETTINGS, PHASE_TLS
from fastgw._core.proxy.facts cimport facts_of
from fastgw._core.proxy.link cimport desk_is_full
from fastgw._core.proxy.meter cimport RULES
from fastgw._core.proxy.pace cimport pace_limit
from fastgw._core.proxy.pool cimport (
    FAILURE_BAD_SETTINGS,
    FAILURE_NO_ADDRESS,
    FAILURE_NO_MEMORY,
    FAILURE_QUEUE_FULL,
    FAILURE_SETTINGS_TIMEOUT,
)
from fastgw._core.proxy.reply cimport (
    GRPC_DISABLED,
    HEAD_TOO_LARGE,
    HTTP_DISABLED,
    MISDIRECTED,
    NO_REPLY,
    ORIGIN_BAD_RESPONSE,
    ORIGIN_CERT_INVALID,
    ORIGIN_CONNECT_TIMEOUT,
    ORIGIN_DNS,
    ORIGIN_NO_H2,
    ORIGIN_REFUSED,
    ORIGIN_TLS_FAILED,
    ORIGIN_UNREACHABLE,
    OVERLOADED,
    RATE_LIMITED,
    RULE_BLOCKED,
    SSL_MODE_INSUFFICIENT,
    ZONE_UNKNOWN,
)
from fastgw._core.proxy.route cimport (
    HOST_PROXIED,
    HOSTNAME_MAX,
    CertificateRow,
    HostRow,
    SnapshotData,
    certificate_by_key,
    certificate_covers,
    certificate_of_host,
    hostname_normalize,
    origin_key,
    route_of,
    snapshot_host,
)
from fastgw._core.rules.facts cimport RuleFacts
from fastgw._core.wire.fields cimport Field, field_is
from fastgw._core.wire.grpc cimport media_type_is_grpc

cdef enum:
    _BEFORE_CHANGES = (1 << <int>LATE_TRANSFORM) - 1    # phases, a bit each
    _SHOWN = 80         # octets of a stranger's hostname that are repeated to it


cdef void _show(const uint8_t *text, uint32_t length, char *into) noexcept nogil:
    """Copy a stranger's octets so that they are harmless in any message: at most _SHOWN, zero-terminated."""
    cdef uint32_t at
    cdef uint8_t octet
    if length > _SHOWN:
        length = _SHOWN
    for at in range(length):
        octet = text[at]
        if (octet < 0x21 or octet > 0x7e or octet == c'"' or octet == c"'" or octet == c"\\" or octet == c"<"
                or octet == c"&"):
            octet = c"?"
        into[at] = <char>octet
    into[length] = 0


cdef bint _demands_are_met(const Link *link, const CertificateRow *wanted) noexcept nogil:
    """Would a handshake for the hostname that shows `wanted` have asked for no more than this connection's has?"""
    if wanted == NULL:
        return True
    if wanted.no_h2 or (wanted.demand != 0 and wanted.demand != link.demand):
        return False
    return link.tls_version == 0 or wanted.version_least <= link.tls_version


cdef bint _covered(Link *link, const SnapshotData *data, const HostRow *host, const uint8_t *hostname,
                   uint32_t length) noexcept nogil:
    """May the hostname be asked for on this connection (RFC 9110 section 7.4)?

    The certificate it was opened with must cover it, and what is demanded of its clients must have been demanded.
    """
    cdef const CertificateRow *wanted
    cdef const CertificateRow *shown
    if link.approved == host and link.approved_revision == data.revision:
        return True
    if link.certificate == 0 and data.demanding == 0:
        return True
    wanted = certificate_of_host(data, host, hostname, length)
    if not _demands_are_met(link, wanted):
        return False
    # In cleartext no certificate was shown, and nothing was promised. A zone's own certificate is its owner's choice.
    if link.certificate != 0 and (wanted == NULL or wanted.key != link.certificate or host.zone.certificate_count == 0):
        shown = certificate_by_key(data, link.certificate)
        if shown == NULL or not certificate_covers(shown, hostname, length):
            return False
    if not host.name.wildcard:
        link.approved = host
        link.approved_revision = data.revision
    return True


cdef bint _wants_html(const FieldSection *section) noexcept nogil:
    """A browser's `accept` names text/html."""
    cdef uint32_t number, at
    cdef const Field *field
    for number in range(section.count):
        field = &section.fields[number]
        if field.name_length == 6 and memcmp(field.name, b"accept", 6) == 0 and field.value_length >= 9:
            for at in range(field.value_length - 8):
                if memcmp(field.value + at, b"text/html", 9) == 0:
                    return True
    return False


cdef void _note(Exchange *self, const RequestHead *head) noexcept nogil:
    """Keep for the log what the head says, cut."""
    if head.path != NULL:
        self.path_length = <uint8_t>min(head.path.value_length, <uint32_t>sizeof(self.path))
        memcpy(self.path, head.path.value, self.path_length)
    if head.authority != NULL:
        self.authority_length = <uint8_t>min(head.authority.value_length, <uint32_t>sizeof(self.authority))
        memcpy(self.authority, head.authority.value, self.authority_length)


cdef LocalReply _decide_host(Exchange *self, Link *link, const FieldSection *section, const RequestHead *head,
                             uint8_t *hostname, uint32_t *found, char *text) noexcept nogil:
    """Authority -> hostname (HOSTNAME_MAX and one, `found` octets of it) -> record -> zone."""
    cdef char shown[_SHOWN + 1]
    cdef uint32_t length
    cdef const SnapshotData *data = self.use.data
    cdef const HostRow *host = NULL
    length = hostname_normalize(head.authority.value, head.authority.value_length, hostname)
    found[0] = length
    if length > 0:
        host = snapshot_host(data, hostname, length)
    if host == NULL or host.kind != HOST_PROXIED:
        _show(head.authority.value, head.authority.value_length, shown)
        if host == NULL:
            snprintf(text, TEXT_SIZE, b"no zone serves the hostname %s", shown)
        else:
            snprintf(text, TEXT_SIZE, b"the record of %s is DNS-only: set proxied = true to serve it here", shown)
        return ZONE_UNKNOWN
    self.zone = host.zone
    self.row = host.origin
    self.route = route_of(self.zone, hostname, length, section, head)
    self.key = origin_key(self.row, section)
    if not _covered(link, data, host, hostname, length):
        _show(hostname, length, shown)
        snprintf(text, TEXT_SIZE, b"this connection's certificate does not cover %s: open another one for it", shown)
        return MISDIRECTED
    return NO_REPLY


cdef LocalReply _inspect(Exchange *self, Link *link, const FieldSection *section, const RequestHead *head,
                         const uint8_t *hostname, uint32_t length, char *text) noexcept nogil:
    """What the zone's rules say. The verdict stays in desk.known until it has been carried out."""
    cdef const InspectionRow *row = self.zone.inspection
    cdef Verdict *verdict = &self.desk.known.verdict
    cdef const RuleFacts *facts = facts_of(row.data, self, link, section, head, hostname, length)
    # What changes a call comes after who calls: where that is asked, the last phases have to wait.
    cdef uint32_t phases = <uint32_t>ALL_PHASES if self.zone.access == NULL else _BEFORE_CHANGES
    cdef bint passes = inspect_phases(&self.desk.inspector, row, facts, self.desk.loop.now, phases, 0, verdict)
    self.products |= <int>RULES
    self.skipped = verdict.skipped
    if verdict.rule != NULL:
        self.rule_slot = verdict.slot
    if passes:
        pace_limit(self, &verdict.stream)
        return NO_REPLY
    verdict_text(verdict, row.zone, text, TEXT_SIZE)
    self.rule = verdict.rule
    self.retry_ms = verdict.retry_ms
    if verdict.outcome == BLOCKED:
        return RULE_BLOCKED
    if verdict.outcome == TOO_LARGE:
        return HEAD_TOO_LARGE
    return RATE_LIMITED if verdict.outcome == LIMITED else OVERLOADED


cdef bint decide_effects(Exchange *self, const FieldSection *section, const RequestHead *head) noexcept nogil:
    """What the zone's rules change of a call whose caller is known. False: they could not be asked."""
    cdef uint8_t hostname[HOSTNAME_MAX + 1]
    cdef uint32_t length = hostname_normalize(head.authority.value, head.authority.value_length, hostname)
    cdef const InspectionRow *row = self.zone.inspection
    cdef const RuleFacts *facts = facts_of(row.data, self, self.client_link, section, head, hostname, length)
    return inspect_phases(&self.desk.inspector, row, facts, self.desk.loop.now,
                          <uint32_t>ALL_PHASES & ~<uint32_t>_BEFORE_CHANGES, self.skipped, &self.desk.known.verdict)


cdef LocalReply exchange_decide(Exchange *self, Link *link, const FieldSection *section, const RequestHead *head,
                                char *text) noexcept nogil:
    """NO_REPLY: forward to the origin of self.row. Otherwise the denial, and its sentence in `text` (TEXT_SIZE)."""
    cdef LocalReply reply
    cdef uint8_t hostname[HOSTNAME_MAX + 1]
    cdef uint32_t length
    cdef bint post = head.method != NULL and field_is(head.method, b"POST", 4)
    self.grpc = (post and head.content_type != NULL
                 and media_type_is_grpc(head.content_type.value, head.content_type.value_length))
    if not self.grpc:
        self.wants_html = _wants_html(section)
        self.is_head = head.method != NULL and field_is(head.method, b"HEAD", 4)
    if self.desk.log:
        _note(self, head)
    if section.too_large:
        snprintf(text, TEXT_SIZE, b"the request head has %u octets in %u fields, limit %u octets and %u fields; "
                 b"the largest is %.*s",
                 section.list_size, section.seen, section.list_limit, section.field_limit,
                 <int>section.largest_name_length, <const char *>section.largest_name)
        return HEAD_TOO_LARGE
    if desk_is_full(self.desk):
        snprintf(text, TEXT_SIZE, b"the gateway has no memory left for more calls")
        return OVERLOADED
    reply = _decide_host(self, link, section, head, hostname, &length, text)
    if reply != NO_REPLY:
        return reply
    if not self.grpc:
        if not self.zone.http:
            snprintf(text, TEXT_SIZE, b"the request is not gRPC (POST with content-type application/grpc) "
                     b"and zone %s has http = off", self.zone.name)
            return HTTP_DISABLED
    elif not self.zone.grpc:
        snprintf(text, TEXT_SIZE, b"gRPC is switched off for zone %s: its setting grpc is off", self.zone.name)
        return GRPC_DISABLED
    elif not self.zone.encrypted:
        snprintf(text, TEXT_SIZE, b"zone %s: gRPC needs the setting ssl to be full or strict", self.zone.name)
        return SSL_MODE_INSUFFICIENT
    if self.zone.inspection == NULL:
        return NO_REPLY
    return _inspect(self, link, section, head, hostname, length, text)


cdef const char *_cleartext_hint(const char *detail) noexcept nogil:
    """What OpenSSL calls a wrong version number is nearly always a peer that does not speak TLS at all."""
    if strcmp(detail, b"wrong version number") == 0:
        return b" (it does not speak TLS; a cleartext origin needs origin_protocol = h2c)"
    return b""


cdef LocalReply failure_reply(const Exchange *self, const Link *link, int failure, char *text,
                              int *phase) noexcept nogil:
    """Which reply a failed lease is, one sentence of it in `text` (TEXT_SIZE) and when it happened in `phase`."""
    cdef const char *label = self.endpoint.label
    cdef const char *detail = b""
    if link != NULL:
        detail = <const char *>link.transport.detail
    phase[0] = <int>PHASE_CONNECT
    if failure == FAILURE_NO_ADDRESS:
        phase[0] = <int>PHASE_DNS
        snprintf(text, TEXT_SIZE, b"origin %s: the name does not resolve", label)
        return ORIGIN_DNS
    if failure == FAILURE_QUEUE_FULL:
        snprintf(text, TEXT_SIZE, b"origin %s: %u calls wait for a connection already, which is its limit", label,
                 self.row.policy.waiting_most)
        return OVERLOADED
    if failure == FAILURE_NO_MEMORY:
        snprintf(text, TEXT_SIZE, b"the gateway is out of memory or descriptors")
        return OVERLOADED
    snprintf(text, TEXT_SIZE, b"origin %s: %s", label, detail)
    if failure == CONNECT_REFUSED:
        return ORIGIN_REFUSED
    if failure == CONNECT_TIMED_OUT:
        return ORIGIN_CONNECT_TIMEOUT
    if failure == FAILURE_SETTINGS_TIMEOUT or failure == FAILURE_BAD_SETTINGS:
        phase[0] = <int>PHASE_SETTINGS
        if failure == FAILURE_SETTINGS_TIMEOUT:
            snprintf(text, TEXT_SIZE, b"origin %s: no HTTP/2 SETTINGS came in time", label)
            return ORIGIN_CONNECT_TIMEOUT
        snprintf(text, TEXT_SIZE, b"origin %s: what it sent first is not HTTP/2", label)
        return ORIGIN_BAD_RESPONSE
    if failure == HANDSHAKE_FAILED or failure == HANDSHAKE_TIMED_OUT:
        phase[0] = <int>PHASE_TLS
        if failure == HANDSHAKE_FAILED:
            snprintf(text, TEXT_SIZE, b"origin %s: the TLS handshake failed: %s%s", label, detail,
                     _cleartext_hint(detail))
        return ORIGIN_TLS_FAILED
    if failure == CERTIFICATE_INVALID:
        phase[0] = <int>PHASE_TLS
        snprintf(text, TEXT_SIZE, b"origin %s: its certificate is not accepted: %s", label, detail)
        return ORIGIN_CERT_INVALID
    if failure == ALPN_NOT_H2:
        phase[0] = <int>PHASE_TLS
        return ORIGIN_NO_H2
    if link != NULL and link.open:
        phase[0] = <int>PHASE_SETTINGS
        snprintf(text, TEXT_SIZE, b"origin %s: it ended the connection before HTTP/2 SETTINGS came: %s", label,
                 detail)
    return ORIGIN_UNREACHABLE
