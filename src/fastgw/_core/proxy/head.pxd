"""What is added, removed and rewritten in a head between client and origin."""
from fastgw._core.h2.conn cimport Conn
from fastgw._core.h2.stream cimport Stream
from fastgw._core.wire.fields cimport Field, FieldSection, RequestHead

cdef void head_request_put(Conn *conn, Stream *stream, FieldSection *section, const RequestHead *head,
                           const Field *timeout, const Field *authority, bint encrypted, bint ends) noexcept nogil
cdef void head_response_put(Conn *conn, Stream *stream, FieldSection *section, bint ends) noexcept nogil
