"""One request and its response: decided, carried both ways, ended; the credit of both sides is kept here."""
from libc.stdint cimport uint32_t

from fastgw._core.h2.conn cimport ConnEvents
from fastgw._core.proxy.desk cimport Desk, Exchange, Side
from fastgw._core.proxy.reply cimport LocalReply

cdef void exchange_events(ConnEvents *toward_client, ConnEvents *toward_origin) noexcept nogil
cdef void exchange_commit(Exchange *self) noexcept nogil
cdef void exchange_fail(Exchange *self, LocalReply reply, Side side, int phase, const char *text) noexcept nogil
cdef void exchange_deny(Exchange *self, LocalReply reply, int grpc_status, const char *text) noexcept nogil
cdef void exchange_lose_client(Exchange *self, uint32_t code) noexcept nogil
cdef void exchange_sweep(Desk *desk) noexcept nogil
