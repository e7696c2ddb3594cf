"""Certificates in DER (RFC 5280 section 4.1), element by element: octets of strangers, never read beyond their end."""
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    DER_BOOLEAN = 0x01
    DER_INTEGER = 0x02
    DER_OCTET_STRING = 0x04
    DER_OBJECT = 0x06
    DER_SEQUENCE = 0x30
    DER_SET = 0x31
    DER_VERSION = 0xa0          # [0] of TBSCertificate
    DER_EXTENSIONS = 0xa3       # [3]


ctypedef struct Der:
    # What is left to read, or the content of one element.
    const uint8_t *at
    uint32_t left


cdef inline bint der_next(Der *self, uint8_t *tag, Der *content) noexcept nogil:
    """Take one element off the front; False if there is no whole one. Lengths of up to three octets."""
    cdef uint32_t length, octets
    cdef uint32_t head = 2
    if self.left < 2:
        return False
    tag[0] = self.at[0]
    length = self.at[1]
    if length & 0x80:
        octets = length & 0x7f
        if octets == 0 or octets > 3 or self.left < 2 + octets:
            return False
        length = 0
        while head < 2 + octets:
            length = length << 8 | self.at[head]
            head += 1
    if length > self.left - head:
        return False
    content.at = self.at + head
    content.left = length
    self.at += head + length
    self.left -= head + length
    return True


cdef inline bint der_expect(Der *self, uint8_t wanted, Der *content) noexcept nogil:
    """Take one element of this tag off the front; False if the next one is none."""
    cdef uint8_t tag = 0
    return der_next(self, &tag, content) and tag == wanted


cdef inline bint der_open(const uint8_t *der, uint32_t length, Der *rest, Der *serial) noexcept nogil:
    """Begin a certificate: its serial number, and in `rest` what follows it in TBSCertificate. False if it is none."""
    cdef Der whole, inner
    cdef uint8_t tag = 0
    whole.at = der
    whole.left = length
    if not der_expect(&whole, DER_SEQUENCE, &inner) or not der_expect(&inner, DER_SEQUENCE, rest):
        return False
    if not der_next(rest, &tag, serial):
        return False
    if tag == DER_VERSION and not der_next(rest, &tag, serial):
        return False
    return tag == DER_INTEGER


cdef inline bint der_extension(Der *listed, Der *oid, Der *value) noexcept nogil:
    """Take one extension off the front, critical or not; False if the next element is none."""
    cdef Der one
    cdef uint8_t tag = 0
    if not der_expect(listed, DER_SEQUENCE, &one) or not der_expect(&one, DER_OBJECT, oid):
        return False
    if not der_next(&one, &tag, value):
        return False
    if tag == DER_BOOLEAN and not der_next(&one, &tag, value):
        return False
    return tag == DER_OCTET_STRING


cdef inline bint der_is_id_ce(const Der *oid, uint8_t arc, uint8_t number) noexcept nogil:
    """Is it 2.5.`arc`.`number`?"""
    return oid.left == 3 and oid.at[0] == 0x55 and oid.at[1] == arc and oid.at[2] == number
