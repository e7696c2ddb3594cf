"""One request and its response: decided, carried both ways, ended; the credit of both sides is kept here."""
from fastgw._core.h2.conn cimport ConnEvents
from fastgw._core.proxy.desk cimport Desk, Exchange, Link

cdef void exchange_events(ConnEvents *toward_client, ConnEvents *toward_origin) noexcept nogil
cdef void exchange_lease_ready(Exchange *self, Link *link) noexcept nogil
cdef void exchange_lease_failed(Exchange *self, Link *link, int failure) noexcept nogil
cdef void exchange_sweep(Desk *desk) noexcept nogil
