"""What rules are told of a call, its connection and its client."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from fastgw._core.inspect.rows cimport InspectionData
from fastgw._core.proxy.desk cimport Exchange, Link, LinkFacts
from fastgw._core.rules.facts cimport RuleFacts
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cpdef enum TextFact:            # those of the catalogue of fields that are known, by their place in it
    RAY_ID = 0
    RANDOM_SEED = 1
    ZONE_NAME = 2
    TLS_VERSION = 4
    TLS_CIPHER = 5
    TLS_CLIENT_RANDOM = 6
    TLS_EXTENSIONS_SHA1 = 7
    TLS_EXTENSIONS_SHA1_LE = 8
    TLS_CIPHERS_SHA1 = 9
    CERTIFICATE_TEXTS = 10      # the first of PEER_TEXTS of them
    JA3 = 26
    JA4 = 27
    PLACE_FIRST = 29            # the first of PLACE_TEXTS

cpdef enum NumberFact:
    SERVER_PORT = 0
    CLIENT_TCP = 1
    DELIVERY_RATE = 2
    CLIENT_RTT = 3
    HELLO_LENGTH = 4
    CERT_PRESENTED = 5
    CERT_VERIFIED = 6
    CERT_REVOKED = 7
    CERT_TOO_LARGE = 8
    CERT_CHAIN_TOO_LARGE = 9
    BOT_SCORE = 10
    PLACE_ASNUM = 16
    PLACE_IN_UNION = 17

cdef const RuleFacts *facts_of(const InspectionData *asked, Exchange *exchange, Link *link,
                               const FieldSection *section, const RequestHead *head, const uint8_t *hostname,
                               uint32_t length) noexcept nogil
cdef void facts_close(LinkFacts *self) noexcept nogil
cdef uint8_t address_of(const uint8_t *socket_address, uint8_t *into, uint16_t *port) noexcept nogil
cdef LinkFacts *facts_of_link(Link *link) noexcept nogil
