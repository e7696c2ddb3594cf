"""The names in a certificate: found in its DER, compared with those that are wanted, and listed for people."""
from libc.stdint cimport uint8_t, uint32_t

ctypedef struct CertificateNames:
    # Slices of the certificate; NULL: it has none.
    const uint8_t *alternative      # content of the subject alternative names (RFC 5280 section 4.2.1.6)
    uint32_t alternative_length
    const uint8_t *common           # the last common name of the subject
    uint32_t common_length

cdef bint certificate_names(const uint8_t *der, uint32_t length, CertificateNames *into) noexcept nogil
cdef bint certificate_is_for(const CertificateNames *self, const char *wanted, bint common) noexcept nogil
cdef uint32_t certificate_list(const CertificateNames *self, char *into, uint32_t room) noexcept nogil
cdef const char *certificate_flaw(int error) noexcept nogil
