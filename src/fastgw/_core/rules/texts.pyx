"""Functions that make a text, or several, out of one: parts, joints, removals, tokens."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from fastgw._core.rules.coding cimport base64_decode, text_case, url_decode
from fastgw._core.rules.values cimport (
    BOOL,
    LIST,
    MISSING,
    NO_ROOM,
    scratch_take,
    value_list,
    value_none,
    value_number,
    value_text,
)
from fastgw._core.rules.wildcard cimport WILDCARD_PARTS, Part, Wildcard, wildcard_fits


cdef extern from "find.h" nogil:
    const uint8_t *find_octets(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length)

cdef extern from "sha256.h" nogil:
    void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *first, size_t first_length,
                     const uint8_t *second, size_t second_length, uint8_t *digest)

cdef enum:
    _SUM_MOST = 0x40000000
    _TIME_DIGITS = 10


cdef inline int64_t _place(int64_t number, int64_t length) noexcept nogil:
    """Negative numbers count from the end; what is beyond either end is the end."""
    if number < 0:
        number = number + length if number >= -length else 0
    return min(number, length)


cdef void text_substring(const Value **arguments, uint32_t count, Value *into) noexcept nogil:
    cdef int64_t length = arguments[0].length
    cdef int64_t start = _place(arguments[1].number, length)
    cdef int64_t end = _place(arguments[2].number, length) if count > 2 else length
    value_text(into, <const uint8_t *>arguments[0].at + start, <uint32_t>(end - start if end > start else 0))


cdef inline bint _white(uint8_t octet) noexcept nogil:
    return octet == c" " or c"\t" <= octet <= c"\r"


cdef void text_trim(const Value *text, bint start, bint end, Value *into) noexcept nogil:
    cdef const uint8_t *at = <const uint8_t *>text.at
    cdef uint32_t length = text.length
    while start and length > 0 and _white(at[0]):
        at += 1
        length -= 1
    while end and length > 0 and _white(at[length - 1]):
        length -= 1
    value_text(into, at, length)


cdef void text_remove(const Value *text, const Value *octets, Scratch *scratch, Value *into) noexcept nogil:
    cdef const uint8_t *at = <const uint8_t *>text.at
    cdef uint8_t *out = <uint8_t *>scratch_take(scratch, text.length)
    cdef uint64_t among[4]
    cdef uint32_t number
    cdef uint32_t length = 0
    cdef uint8_t octet
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    for number in range(4):
        among[number] = 0
    for number in range(octets.length):
        octet = (<const uint8_t *>octets.at)[number]
        among[octet >> 6] |= <uint64_t>1 << (octet & 63)
    for number in range(text.length):
        out[length] = at[number]
        length += not among[at[number] >> 6] >> (at[number] & 63) & 1
    value_text(into, out, length)


cdef void text_join(const Value *texts, const Value *separator, Scratch *scratch, Value *into) noexcept nogil:
    cdef const Value *items = <const Value *>texts.at
    cdef uint64_t length = 0
    cdef uint32_t at
    cdef uint8_t *out = NULL
    for at in range(texts.length):
        length += items[at].length + (separator.length if at > 0 else 0)
    if length < _SUM_MOST:
        out = <uint8_t *>scratch_take(scratch, <uint32_t>length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    value_text(into, out, <uint32_t>length)
    for at in range(texts.length):
        if at > 0:
            memcpy(out, separator.at, separator.length)
            out += separator.length
        memcpy(out, items[at].at, items[at].length)
        out += items[at].length


cdef void text_split(const Value *text, const Value *separator, uint32_t limit, Scratch *scratch,
                     Value *into) noexcept nogil:
    """The last part has the rest, separators and all."""
    cdef const uint8_t *at = <const uint8_t *>text.at
    cdef const uint8_t *end = at + text.length
    cdef const uint8_t *found
    cdef Value *items = value_list(into, scratch, limit)
    if items == NULL:
        return
    while into.length + 1 < limit:
        found = find_octets(at, <size_t>(end - at), <const uint8_t *>separator.at, separator.length)
        if found == NULL:
            break
        value_text(&items[into.length], at, <uint32_t>(found - at))
        into.length += 1
        at = found + separator.length
    value_text(&items[into.length], at, <uint32_t>(end - at))
    into.length += 1


cdef void text_concat(const Value **arguments, uint32_t count, Scratch *scratch, Value *into) noexcept nogil:
    """Texts, or arrays of them; what is missing is left out, and the result misses where everything does."""
    cdef uint64_t length = 0
    cdef uint32_t at, inner
    cdef uint8_t *out = NULL
    cdef Value *items
    value_none(into, MISSING)
    for at in range(count):
        if arguments[at].kind != MISSING:
            length += arguments[at].length
            into.kind = arguments[at].kind
    if into.kind == MISSING:
        return
    if into.kind == LIST:
        items = value_list(into, scratch, <uint32_t>length)
        for at in range(count):
            for inner in range(arguments[at].length if items != NULL else 0):
                items[into.length] = (<const Value *>arguments[at].at)[inner]
                into.length += 1
        return
    if length < _SUM_MOST:
        out = <uint8_t *>scratch_take(scratch, <uint32_t>length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    value_text(into, out, <uint32_t>length)
    for at in range(count):
        if arguments[at].length > 0:
            memcpy(out, arguments[at].at, arguments[at].length)
            out += arguments[at].length


cdef void query_without(const Value **arguments, uint32_t count, Scratch *scratch, Value *into) noexcept nogil:
    """A query string without the parameters named from the second argument on."""
    cdef const uint8_t *at = <const uint8_t *>arguments[0].at
    cdef const uint8_t *end = at + arguments[0].length
    cdef const uint8_t *stop
    cdef const uint8_t *sign
    cdef uint8_t *out = <uint8_t *>scratch_take(scratch, arguments[0].length + 1)
    cdef uint32_t length = 0
    cdef uint32_t number, name_length
    cdef bint kept
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    while at < end:
        stop = <const uint8_t *>memchr(at, c"&", <size_t>(end - at))
        stop = end if stop == NULL else stop
        sign = <const uint8_t *>memchr(at, c"=", <size_t>(stop - at)) if stop > at else NULL
        name_length = <uint32_t>((stop if sign == NULL else sign) - at)
        kept = True
        for number in range(1, count):
            kept = kept and not (arguments[number].length == name_length
                                 and memcmp(arguments[number].at, at, name_length) == 0)
        if kept:
            memcpy(out + length, at, <size_t>(stop - at))
            length += <uint32_t>(stop - at)
            out[length] = c"&"
            length += 1
        at = stop + 1
    value_text(into, out, length - 1 if length > 0 else 0)


cdef bint _cut(const Value *pattern, Scratch *scratch, Wildcard *made) noexcept nogil:
    """A pattern that was checked when the rules were compiled, in its parts. False: no room."""
    cdef const uint8_t *at = <const uint8_t *>pattern.at
    cdef uint8_t *out = <uint8_t *>scratch_take(scratch, pattern.length)
    cdef uint32_t number = 0
    if out == NULL:
        return False
    made.count = 1
    made.parts[0].at = out
    made.parts[0].length = 0
    while number < pattern.length:
        if at[number] == c"*" and made.count < WILDCARD_PARTS:
            made.parts[made.count].at = out
            made.parts[made.count].length = 0
            made.count += 1
        else:
            number += at[number] == c"\\"
            out[0] = at[number]
            out += 1
            made.parts[made.count - 1].length += 1
        number += 1
    return True


cdef uint64_t _replaced(const Value *with_, const Part *stars, uint32_t count, uint8_t *out) noexcept nogil:
    """The replacement with ${1} and so on filled in, `$$` is a dollar sign. Its length; written if `out` is given."""
    cdef const uint8_t *at = <const uint8_t *>with_.at
    cdef uint32_t number = 0
    cdef uint64_t length = 0
    cdef uint32_t star, begin
    while number < with_.length:
        star, begin = 0, number + 2
        if at[number] == c"$" and number + 1 < with_.length and at[number + 1] == c"{":
            while begin < with_.length and c"0" <= at[begin] <= c"9" and star < 100:
                star = star * 10 + (at[begin] - c"0")
                begin += 1
        if star >= 1 and star <= count and begin < with_.length and at[begin] == c"}":
            if out != NULL:
                memcpy(out + length, stars[star - 1].at, stars[star - 1].length)
            length += stars[star - 1].length
            number = begin + 1
            continue
        if at[number] == c"$" and number + 1 < with_.length and at[number + 1] == c"$":
            number += 1
        if out != NULL:
            out[length] = at[number]
        length += 1
        number += 1
    return length


cdef int _fits(const Value *text, const Value *pattern, bint strict, Scratch *scratch, Wildcard *made,
               Part *stars) noexcept nogil:
    """1 if the text fits, 0 if not, -1 if there is no room. Stars lie in the text as it was given."""
    cdef Value cased_text = text[0]
    cdef Value cased_pattern = pattern[0]
    cdef uint32_t number
    if not strict:
        text_case(text, False, scratch, &cased_text)
        text_case(pattern, False, scratch, &cased_pattern)
    if cased_text.kind == NO_ROOM or cased_pattern.kind == NO_ROOM or not _cut(&cased_pattern, scratch, made):
        return -1
    if made.count == 1:
        return (text.length == made.parts[0].length
                and memcmp(cased_text.at, made.parts[0].at, text.length) == 0)
    if not wildcard_fits(made, <const uint8_t *>cased_text.at, text.length, stars):
        return 0
    for number in range(made.count - 1):
        stars[number].at = <const uint8_t *>text.at + (stars[number].at - <const uint8_t *>cased_text.at)
    return 1


cdef void wildcard_call(const Value *text, const Value *pattern, Scratch *scratch, Value *into) noexcept nogil:
    cdef Wildcard made
    cdef Part stars[WILDCARD_PARTS]
    cdef int fits = _fits(text, pattern, False, scratch, &made, stars)
    if fits < 0:
        value_none(into, NO_ROOM)
    else:
        value_number(into, BOOL, fits)


cdef void wildcard_replace(const Value **arguments, uint32_t count, Scratch *scratch, Value *into) noexcept nogil:
    """(text, pattern, replacement[, "s"]): the text itself where it does not fit the pattern."""
    cdef Wildcard made
    cdef Part stars[WILDCARD_PARTS]
    cdef uint64_t length
    cdef uint8_t *out = NULL
    cdef int fits = _fits(arguments[0], arguments[1], count > 3 and arguments[3].length > 0, scratch, &made, stars)
    if fits == 0:
        into[0] = arguments[0][0]
        return
    if fits > 0:
        length = _replaced(arguments[2], stars, made.count - 1, NULL)
        if length < _SUM_MOST:
            out = <uint8_t *>scratch_take(scratch, <uint32_t>length)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    _replaced(arguments[2], stars, made.count - 1, out)
    value_text(into, out, <uint32_t>length)


cdef void uuid_make(const Value *random, Scratch *scratch, Value *into) noexcept nogil:
    """RFC 9562 section 5.4 of 16 octets; missing where there are fewer."""
    cdef const uint8_t *at = <const uint8_t *>random.at
    cdef const char *digits = b"0123456789abcdef"
    cdef uint8_t *out
    cdef uint32_t number
    cdef uint32_t length = 0
    cdef uint8_t octet
    if random.length < 16:
        value_none(into, MISSING)
        return
    out = <uint8_t *>scratch_take(scratch, 36)
    if out == NULL:
        value_none(into, NO_ROOM)
        return
    for number in range(16):
        octet = at[number]
        if number == 6:
            octet = 0x40 | (octet & 0x0f)
        elif number == 8:
            octet = 0x80 | (octet & 0x3f)
        if number == 4 or number == 6 or number == 8 or number == 10:
            out[length] = c"-"
            length += 1
        out[length] = <uint8_t>digits[octet >> 4]
        out[length + 1] = <uint8_t>digits[octet & 15]
        length += 2
    value_text(into, out, 36)


cdef bint _same(const uint8_t *one, const uint8_t *other) noexcept nogil:
    """Are 32 octets equal? In a time that does not tell where they differ."""
    cdef uint8_t differ = 0
    cdef uint32_t at
    for at in range(32):
        differ |= one[at] ^ other[at]
    return differ == 0


cdef bint timed_hmac_valid(const Value **arguments, uint32_t count, Scratch *scratch, bint *no_room) noexcept nogil:
    """(key, text, ttl, now[, separator length[, flags]]); text = message, separator, 10 digits of seconds, `-`, MAC.

    The MAC is that of message and digits, in base64, with percent signs where a URL needs them. Of several places
    that look like the time the last is meant.
    """
    cdef const uint8_t *at = <const uint8_t *>arguments[1].at
    cdef uint32_t length = arguments[1].length
    cdef uint32_t separator = <uint32_t>arguments[4].number if count > 4 else 0
    cdef int64_t time = 0
    cdef uint32_t dash, digit
    cdef Value coded, mac
    cdef uint8_t digest[32]
    for dash in range(length - 1 if length > 0 else 0, _TIME_DIGITS + separator - 1, -1):
        if at[dash] != c"-":
            continue
        for digit in range(dash - _TIME_DIGITS, dash):
            if not c"0" <= at[digit] <= c"9":
                break
            time = time * 10 + (at[digit] - c"0") if digit > dash - _TIME_DIGITS else at[digit] - c"0"
        else:
            break
    else:
        return False
    value_text(&coded, at + dash + 1, length - dash - 1)
    if memchr(coded.at, c"%", coded.length) != NULL:
        url_decode(&coded, False, False, scratch, &coded)
    no_room[0] = coded.kind == NO_ROOM
    if no_room[0] or not base64_decode(<const uint8_t *>coded.at, coded.length, scratch, &mac):
        return False
    no_room[0] = mac.kind == NO_ROOM
    if no_room[0] or mac.length != 32:
        return False
    hmac_sha256(<const uint8_t *>arguments[0].at, arguments[0].length, at, dash - _TIME_DIGITS - separator,
                at + dash - _TIME_DIGITS, _TIME_DIGITS, digest)
    return _same(digest, <const uint8_t *>mac.at) and arguments[3].number - time <= arguments[2].number
