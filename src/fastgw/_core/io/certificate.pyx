"""The names in a certificate: found in its DER, compared with those that are wanted, and listed for people.

Reads octets of strangers: whatever does not fit the grammar of RFC 5280 section 4.1 is no certificate.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, strlen

from fastgw._core.io.der cimport (
    DER_EXTENSIONS,
    DER_OBJECT,
    DER_SEQUENCE,
    DER_SET,
    Der,
    der_expect,
    der_extension,
    der_is_id_ce,
    der_next,
    der_open,
)
from fastgw._core.io.sys cimport AF_INET, AF_INET6, inet_ntop, inet_pton

cdef enum:
    _UTF8 = 0x0c
    _PRINTABLE = 0x13
    _IA5 = 0x16
    _DNS_NAME = 0x82            # [2] of GeneralName
    _ADDRESS = 0x87             # [7]
    _LISTED = 3                 # names that are repeated in a message


cdef bint _common_name(Der subject, CertificateNames *into) noexcept nogil:
    cdef Der relative, pair, oid, value
    cdef uint8_t tag = 0
    while subject.left > 0:
        if not der_expect(&subject, DER_SET, &relative):
            return False
        while relative.left > 0:
            if not der_expect(&relative, DER_SEQUENCE, &pair) or not der_expect(&pair, DER_OBJECT, &oid):
                return False
            if not der_next(&pair, &tag, &value):
                return False
            if der_is_id_ce(&oid, 4, 3) and (tag == _UTF8 or tag == _PRINTABLE or tag == _IA5):
                into.common = value.at
                into.common_length = value.left
    return True


cdef bint _alternative_names(Der extensions, CertificateNames *into) noexcept nogil:
    cdef Der listed, one, oid, value
    if not der_expect(&extensions, DER_SEQUENCE, &listed):
        return False
    while listed.left > 0:
        if not der_extension(&listed, &oid, &value):
            return False
        if der_is_id_ce(&oid, 29, 17):
            if not der_expect(&value, DER_SEQUENCE, &one):
                return False
            into.alternative = one.at
            into.alternative_length = one.left
    return True


cdef bint certificate_names(const uint8_t *der, uint32_t length, CertificateNames *into) noexcept nogil:
    """Where the names of this certificate are; False if it is none. The slices live as long as `der`."""
    cdef Der rest, part
    cdef uint8_t tag = 0
    cdef uint32_t _number
    into.alternative = into.common = NULL
    into.alternative_length = into.common_length = 0
    if not der_open(der, length, &rest, &part):
        return False
    for _number in range(4):    # signature, issuer, validity, subject
        if not der_expect(&rest, DER_SEQUENCE, &part):
            return False
    if not _common_name(part, into):
        return False
    while rest.left > 0:        # the key, unique identifiers, extensions
        if not der_next(&rest, &tag, &part):
            return False
        if tag == DER_EXTENSIONS:
            return _alternative_names(part, into)
    return True


cdef inline uint8_t _lower(uint8_t octet) noexcept nogil:
    return octet | 0x20 if c"A" <= octet <= c"Z" else octet


cdef bint _same(const uint8_t *one, const uint8_t *other, uint32_t length) noexcept nogil:
    cdef uint32_t at
    for at in range(length):
        if _lower(one[at]) != _lower(other[at]):
            return False
    return True


cdef bint _covers(const uint8_t *pattern, uint32_t length, const uint8_t *name, uint32_t size) noexcept nogil:
    """A `*` is the whole first label and one label only, above a name of two labels (RFC 9525 section 6.3)."""
    cdef uint32_t at = 0
    cdef uint32_t dots = 0
    if length == size and _same(pattern, name, size):
        return size > 0
    if length < 4 or pattern[0] != c"*" or pattern[1] != c".":
        return False
    for at in range(1, length):
        dots += pattern[at] == c"."
    if dots < 2 or size < length:
        return False
    at = size - (length - 1)    # octets of the label the star stands for
    if name[at] != c"." or not _same(pattern + 1, name + at, length - 1):
        return False
    while at > 0:
        at -= 1
        if name[at] == c".":
            return False
    return True


cdef bint certificate_is_for(const CertificateNames *self, const char *wanted, bint common) noexcept nogil:
    """Is it made out to `wanted`, a DNS name or an address, zero-terminated?

    `common`: where the certificate lists no names at all, the common name of its subject will do.
    """
    cdef uint8_t[16] address
    cdef uint32_t size = <uint32_t>strlen(wanted)
    cdef uint32_t octets = 0
    cdef Der names, one
    cdef uint8_t tag = 0
    if inet_pton(AF_INET, wanted, address) == 1:
        octets = 4
    elif inet_pton(AF_INET6, wanted, address) == 1:
        octets = 16
    names.at = self.alternative
    names.left = self.alternative_length
    while names.left > 0 and der_next(&names, &tag, &one):
        if tag == _ADDRESS and octets > 0 and one.left == octets and memcmp(one.at, address, octets) == 0:
            return True
        if tag == _DNS_NAME and octets == 0 and _covers(one.at, one.left, <const uint8_t *>wanted, size):
            return True
    if not common or self.alternative != NULL or self.common == NULL:
        return False
    if octets > 0:
        return self.common_length == size and _same(self.common, <const uint8_t *>wanted, size)
    return _covers(self.common, self.common_length, <const uint8_t *>wanted, size)


cdef uint32_t _put(char *into, uint32_t room, uint32_t at, const uint8_t *text, uint32_t length) noexcept nogil:
    """Add what is harmless of `text`; the rest becomes question marks."""
    cdef uint32_t number
    for number in range(length):
        if at + 1 >= room:
            break
        into[at] = <char>text[number] if 0x20 < text[number] < 0x7f else c"?"
        at += 1
    into[at] = 0
    return at


cdef uint32_t certificate_list(const CertificateNames *self, char *into, uint32_t room) noexcept nogil:
    """The first names as text, `a.test, 10.0.0.1 and 12 more`, zero-terminated and cut to `room`; returns its length.

    Nothing, if it lists none.
    """
    cdef char text[64]
    cdef Der names, one
    cdef uint8_t tag = 0
    cdef uint32_t at = 0
    cdef uint32_t count = 0
    into[0] = 0
    names.at = self.alternative
    names.left = self.alternative_length
    while names.left > 0 and der_next(&names, &tag, &one):
        if tag == _ADDRESS:
            if one.left != 4 and one.left != 16:
                continue
            if inet_ntop(AF_INET if one.left == 4 else AF_INET6, one.at, text, 64) == NULL:
                continue
            one.at = <const uint8_t *>text
            one.left = <uint32_t>strlen(text)
        elif tag != _DNS_NAME:
            continue
        count += 1
        if count > _LISTED:
            continue
        if count > 1:
            at = <uint32_t>min(at + <uint32_t>snprintf(into + at, room - at, ", "), room - 1)
        at = _put(into, room, at, one.at, one.left)
    if count > _LISTED:
        at = <uint32_t>min(at + <uint32_t>snprintf(into + at, room - at, " and %u more", count - _LISTED), room - 1)
    return at


# Numbers of OpenSSL's public interface, X509_V_ERR_.
cdef enum:
    _UNABLE_TO_GET_ISSUER_CERT = 2
    _UNABLE_TO_GET_CRL = 3
    _CERT_NOT_YET_VALID = 9
    _CERT_HAS_EXPIRED = 10
    _CRL_NOT_YET_VALID = 11
    _CRL_HAS_EXPIRED = 12
    _DEPTH_ZERO_SELF_SIGNED_CERT = 18
    _SELF_SIGNED_CERT_IN_CHAIN = 19
    _UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20
    _UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21
    _CERT_REVOKED = 23
    _INVALID_CA = 24
    _INVALID_PURPOSE = 26
    _CERT_UNTRUSTED = 27


cdef const char *certificate_flaw(int error) noexcept nogil:
    """The check that failed, in words; `error` is what OpenSSL found. NULL: OpenSSL's own words will do."""
    if error == _CERT_HAS_EXPIRED:
        return b"expired"
    if error == _CERT_NOT_YET_VALID:
        return b"not yet valid"
    if error == _DEPTH_ZERO_SELF_SIGNED_CERT:
        return b"self-signed"
    if error == _CERT_REVOKED:
        return b"revoked"
    if (error == _UNABLE_TO_GET_ISSUER_CERT or error == _SELF_SIGNED_CERT_IN_CHAIN or error == _CERT_UNTRUSTED
            or error == _UNABLE_TO_GET_ISSUER_CERT_LOCALLY or error == _UNABLE_TO_VERIFY_LEAF_SIGNATURE):
        return b"unknown authority"
    if error == _UNABLE_TO_GET_CRL:
        return b"no revocation list of its authority is at hand"
    if error == _CRL_HAS_EXPIRED or error == _CRL_NOT_YET_VALID:
        return b"the revocation list of its authority is not up to date"
    if error == _INVALID_PURPOSE:
        return b"not made for this purpose"
    if error == _INVALID_CA:
        return b"issued by what is no authority"
    return NULL


# For tests and tools.

def names_of(bytes der not None, uint32_t room=256):
    """What a certificate lists, as text, and its common name; None if it is no certificate."""
    cdef CertificateNames names
    if not certificate_names(der, <uint32_t>len(der), &names):
        return None
    into = bytearray(room)
    length = certificate_list(&names, into, room)
    common = names.common[:names.common_length] if names.common != NULL else None
    return bytes(into[:length]).decode(), common


def is_for(bytes der not None, bytes wanted not None, bint common=False):
    """Is the certificate made out to `wanted`? False if it is none."""
    cdef CertificateNames names
    return bool(certificate_names(der, <uint32_t>len(der), &names) and certificate_is_for(&names, wanted, common))
