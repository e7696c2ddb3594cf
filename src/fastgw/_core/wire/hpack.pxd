"""HPACK, RFC 7541: field blocks to field sections and back, with their dynamic tables."""
from libc.stdint cimport uint8_t, uint32_t

from fastgw._core.reasons cimport Reason
from fastgw._core.wire.fields cimport Field, FieldSection
from fastgw._core.wire.hpack_table cimport HpackTable

ctypedef struct HpackDecoder:
    HpackTable table

ctypedef struct HpackEncoder:
    HpackTable table
    uint32_t announced          # the table size the peer's decoder knows of
    uint32_t smallest           # the smallest since then

cdef void hpack_decoder_open(HpackDecoder *self) noexcept nogil
cdef void hpack_decoder_close(HpackDecoder *self) noexcept nogil
cdef Reason hpack_decode(HpackDecoder *self, const uint8_t *block, uint32_t length,
                         FieldSection *out) noexcept nogil

cdef void hpack_encoder_open(HpackEncoder *self) noexcept nogil
cdef void hpack_encoder_close(HpackEncoder *self) noexcept nogil
cdef void hpack_encoder_resize(HpackEncoder *self, uint32_t size) noexcept nogil
cdef uint8_t *hpack_encode_begin(HpackEncoder *self, uint8_t *out) noexcept nogil
cdef uint8_t *hpack_encode_field(HpackEncoder *self, uint8_t *out, const Field *field) noexcept nogil

cdef inline uint32_t hpack_field_bound(const Field *field) noexcept nogil:
    """Octets that hpack_encode_field may write for this field; hpack_encode_begin writes at most 16."""
    return field.name_length + field.value_length + 16
