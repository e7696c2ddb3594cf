"""How well a client fits what it says it is: a score with its reasons."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.wire.fields cimport FieldSection, RequestHead
from fastgw._core.wire.opening cimport Opening

cpdef enum BotReason:           # bits of `reasons`
    AGENT_MISSING = 1
    AGENT_TWICE = 2
    AGENT_MALFORMED = 4
    AGENT_UNKNOWN = 8
    AGENT_TOOL = 16
    AGENT_SCANNER = 32
    BROWSER_NATIVE = 64
    SETTINGS_DIFFER = 128
    ORDER_DIFFERS = 256
    WINDOW_DIFFERS = 512
    TLS_DIFFERS = 1024
    TLS_ODD = 2048
    ALPN_ODD = 4096
    TE_MISSING = 8192
    ENCODINGS_MISSING = 16384
    ORIGIN_MISSING = 32768
    FETCH_MISSING = 65536
    NOT_GRPC = 131072

ctypedef struct BotView:
    # What the score is made of; lent for the call.
    const FieldSection *section
    const RequestHead *head
    const Opening *opening      # NULL: not known
    const uint8_t *ja4          # 36 octets; NULL: not known
    bint hello_seen             # the ClientHello was looked at; without `ja4` it could not be read

cdef uint8_t bots_score(const BotView *self, uint32_t *reasons) noexcept nogil
