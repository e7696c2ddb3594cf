"""What is known of a request when its head is complete."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef enum:
    TEXT_FACTS = 41         # rows of TEXT_FACTS in the catalogue of fields
    NUMBER_FACTS = 18       # rows of NUMBER_FACTS there

cdef enum Source:
    # In the order of SOURCES in the catalogue of fields.
    TEXT_FACT = 0
    NUMBER_FACT, HEADER, HOSTNAME, CLIENT, SERVER, SECURE, METHOD, FULL_URI, URI
    URI_PATH, EXTENSION, QUERY, COOKIE, HEADERS, HEADER_NAMES, HEADER_VALUES, TRUNCATED
    COOKIES, ARGS, ARG_NAMES, ARG_VALUES, SECONDS, MILLISECONDS, SERVICE, GRPC_METHOD
    GRPC_TIMEOUT, GRPC_WEB, METADATA, ZERO, VERSION

ctypedef struct RuleText:
    const uint8_t *at       # NULL: not known
    uint32_t length

ctypedef struct RuleFacts:
    # Pointers only, lent for as long as rules are asked about this head. Nothing is parsed before a rule wants it.
    const FieldSection *section
    const RequestHead *head
    RuleText hostname           # normalized, without port
    RuleText client             # the client's address, 4 or 16 octets in network order
    RuleText server             # ours
    bint secure                 # the client speaks TLS
    int64_t now_ms              # wall clock, milliseconds since 1970
    const RuleText *texts       # TEXT_FACTS of them, of the connection; NULL: none is known
    const int64_t *numbers      # NUMBER_FACTS of them, INT64_MIN: not known; NULL: none is
    const RuleText *call_texts  # the first CALL_TEXTS, of the call, where `at` is not NULL; NULL: none

cdef enum:
    CALL_TEXTS = 4              # ray id, random seed, zone, upstream zone: differ from call to call
