"""Secrets of a TLS 1.3 connection: how one comes from another, and how OpenSSL tells them (RFC 8446 section 7)."""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, strlen, strncmp

cdef extern from "sha256.h" nogil:
    void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *first, size_t first_length,
                     const uint8_t *second, size_t second_length, uint8_t *digest)

cdef extern from "<string.h>" nogil:
    void explicit_bzero(void *at, size_t length)

cdef enum:
    _LABEL_MAX = 32         # octets of what stands before the count of a block, in `secret_expand`
    _RANDOM_DIGITS = 64     # of the ClientHello's random in a line


cdef void secret_expand(const uint8_t *secret, const char *label, uint8_t *into, uint32_t length) noexcept nogil:
    """HKDF-Expand-Label with an empty context (RFC 8446 section 7.1): `length` octets, at most 32, to `into`.

    `label` is without the prefix and at most 12 octets long.
    """
    cdef uint8_t[_LABEL_MAX] info
    cdef uint8_t[SECRET_SIZE] block
    cdef uint8_t one = 1
    cdef uint32_t size = <uint32_t>strlen(label)
    info[0] = 0
    info[1] = <uint8_t>length
    info[2] = <uint8_t>(6 + size)
    memcpy(info + 3, b"tls13 ", 6)
    memcpy(info + 9, label, size)
    info[9 + size] = 0
    hmac_sha256(secret, SECRET_SIZE, info, 10 + size, &one, 1, block)
    memcpy(into, block, length)
    secret_wipe(block, sizeof(block))


cdef void secret_step(uint8_t *secret) noexcept nogil:
    """Put the next traffic secret in the place of this one (RFC 8446 section 7.2)."""
    secret_expand(secret, "traffic upd", secret, SECRET_SIZE)


cdef bint secret_told(const char *line, const char *label, uint8_t *into) noexcept nogil:
    """Take the secret from a line `LABEL random secret`, both in hexadecimal; False: the line is of something else.

    A secret of another length than SECRET_SIZE is something else. No digit chooses a branch.
    """
    cdef size_t size = strlen(label)
    cdef const uint8_t *digits = <const uint8_t *>line + size + 1 + _RANDOM_DIGITS + 1
    cdef uint32_t at
    if strncmp(line, label, size) != 0 or strlen(line) != size + 1 + _RANDOM_DIGITS + 1 + 2 * <size_t>SECRET_SIZE:
        return False
    for at in range(SECRET_SIZE):
        into[at] = <uint8_t>(_value(digits[2 * at]) << 4 | _value(digits[2 * at + 1]))
    return True


cdef inline uint8_t _value(uint8_t digit) noexcept nogil:
    """Of 0-9, a-f, A-F: letters have the bit 0x40 and count from 1."""
    return <uint8_t>((digit & 15) + 9 * (digit >> 6))


cdef void secret_wipe(void *at, size_t length) noexcept nogil:
    """Overwrite octets, even if nobody reads them again."""
    explicit_bzero(at, length)


# For tests and tools.

def expand(bytes secret not None, bytes label not None, uint32_t length):
    """HKDF-Expand-Label of a secret of 32 octets."""
    cdef uint8_t[SECRET_SIZE] into
    if len(secret) != SECRET_SIZE or len(label) > 12 or length > SECRET_SIZE:
        raise ValueError("a secret has 32 octets, a label at most 12, and what is asked for at most 32")
    secret_expand(secret, label, into, length)
    return bytes(into[:length])


def step(bytes secret not None):
    """The traffic secret that comes after this one."""
    cdef uint8_t[SECRET_SIZE] into
    if len(secret) != SECRET_SIZE:
        raise ValueError("a secret has 32 octets")
    memcpy(into, <const uint8_t *>secret, SECRET_SIZE)
    secret_step(into)
    return bytes(into[:SECRET_SIZE])


def told(bytes line not None, bytes label not None):
    """The secret in a line of a key log, None if it is of another label."""
    cdef uint8_t[SECRET_SIZE] into
    return bytes(into[:SECRET_SIZE]) if secret_told(line, label, into) else None
