"""The gate: what becomes of a request, by its head alone (the way of a request, steps 3 to 7)."""
from fastgw._core.proxy.desk cimport Exchange, Link
from fastgw._core.proxy.reply cimport LocalReply
from fastgw._core.wire.fields cimport FieldSection, RequestHead

cdef enum:
    TEXT_SIZE = 320     # octets of a reply's sentence, its zero included

cdef LocalReply exchange_decide(Exchange *self, Link *link, const FieldSection *section, const RequestHead *head,
                                char *text) noexcept nogil
cdef bint decide_effects(Exchange *self, const FieldSection *section, const RequestHead *head) noexcept nogil
cdef LocalReply failure_reply(const Exchange *self, const Link *link, int failure, char *text,
                              int *phase) noexcept nogil
