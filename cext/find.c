/* Substring search: candidates by first and last octet, 16 places at a time; the rest is compared.
 *
 * A long part in hostile text would make that quadratic, so from FIND_LONG octets on the C library's linear search is
 * asked. Below it at most FIND_LONG octets are compared per place. */
#define _GNU_SOURCE
#include "find.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { FIND_LONG = 48 };

const uint8_t *find_octets_plain(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length) {
  if (part_length == 0) {
    return at != NULL ? at : part;
  }
  for (size_t place = 0; part_length <= length && place <= length - part_length; place++) {
    if (at[place] == part[0] && memcmp(at + place, part, part_length) == 0) {
      return at + place;
    }
  }
  return NULL;
}

const uint8_t *find_octets(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length) {
  if (part_length == 0) {
    return find_octets_plain(at, length, part, part_length);
  }
  if (part_length > length) {
    return NULL;
  }
  if (part_length == 1) {
    return memchr(at, part[0], length);
  }
  if (part_length >= FIND_LONG) {
    return memmem(at, length, part, part_length);
  }
#if defined(__SSE2__)
  const __m128i first = _mm_set1_epi8((char)part[0]);
  const __m128i last = _mm_set1_epi8((char)part[part_length - 1]);
  size_t place = 0;
  for (; place + part_length - 1 + 16 <= length; place += 16) {
    const __m128i begin = _mm_loadu_si128((const __m128i *)(const void *)(at + place));
    const __m128i end = _mm_loadu_si128((const __m128i *)(const void *)(at + place + part_length - 1));
    unsigned found =
        (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(begin, first), _mm_cmpeq_epi8(end, last)));
    for (; found != 0; found &= found - 1) {
      const uint8_t *candidate = at + place + (size_t)__builtin_ctz(found);
      if (memcmp(candidate, part, part_length) == 0) {
        return candidate;
      }
    }
  }
  const size_t places = length - part_length + 1;
  if (place == places) {
    return NULL;
  }
  if (place > 0) {
    /* The last places, with some that were looked at already. */
    const __m128i begin = _mm_loadu_si128((const __m128i *)(const void *)(at + places - 16));
    const __m128i end = _mm_loadu_si128((const __m128i *)(const void *)(at + length - 16));
    unsigned found =
        (unsigned)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(begin, first), _mm_cmpeq_epi8(end, last)));
    for (; found != 0; found &= found - 1) {
      const uint8_t *candidate = at + places - 16 + (size_t)__builtin_ctz(found);
      if (memcmp(candidate, part, part_length) == 0) {
        return candidate;
      }
    }
    return NULL;
  }
  return find_octets_plain(at, length, part, part_length);
#else
  return memmem(at, length, part, part_length);
#endif
}
