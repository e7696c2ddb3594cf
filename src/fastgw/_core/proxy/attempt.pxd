"""Attempts of a call: an endpoint chosen, a stream leased, the request sent, and what is kept of it for one more."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fastgw._core.h2.stream cimport Stream
from fastgw._core.proxy.desk cimport Exchange, Link
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef enum:
    BACKOFF_MS = 10             # until the next attempt when every endpoint has had one; doubled each time,
    BACKOFF_MOST_MS = 1000      # up to this, give or take half
    PUSHBACK_NONE = -2          # the origin said nothing about when to try again

cdef enum Again:                # why a call is tried again
    AGAIN_UNSENT = 0            # no connection: the request never left
    AGAIN_UNPROCESSED = 1       # the origin says that it did not look at it (RFC 9113 section 8.7)
    AGAIN_BY_POLICY = 2         # its route says so for this gRPC status

cdef void attempt_first(Exchange *self, FieldSection *section, const RequestHead *head) noexcept nogil
cdef void attempt_stashed(Exchange *self, FieldSection *section, const RequestHead *head) noexcept nogil
cdef bint attempt_again(Exchange *self, Again why, int64_t pushback_ms) noexcept nogil
cdef void attempt_due(Exchange *self) noexcept nogil
cdef void attempt_lease_ready(Exchange *self, Link *link) noexcept nogil
cdef void attempt_lease_failed(Exchange *self, Link *link, int failure) noexcept nogil
cdef bint attempt_note(Exchange *self, const uint8_t *payload, uint32_t length) noexcept nogil
cdef uint32_t attempt_unpaid(Exchange *self, uint32_t length) noexcept nogil
cdef void attempt_hedge(Exchange *self) noexcept nogil
cdef bint attempt_lose_one(Exchange *self, Stream *loser) noexcept nogil
cdef void attempt_drop_rival(Exchange *self) noexcept nogil
cdef void attempt_settle(Exchange *self) noexcept nogil
cdef void attempt_over(Exchange *self) noexcept nogil
