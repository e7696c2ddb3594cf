/* Looking for an octet of a set, sixteen at a time where the machine can.
 *
 * Octets with the same upper four bits are a row of sixteen; rows with the same members are a group and share one bit.
 * An octet is in the set if the group of its upper half is among the groups of its lower half: two table look-ups that
 * one vector instruction does for sixteen octets. */
#include "octet_set.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAVE_X86 1
#endif

void octet_set_prepare(OctetSet *set) {
  uint16_t rows[8];
  unsigned groups = 0;
  memset(set->low, 0, sizeof set->low);
  memset(set->high, 0, sizeof set->high);
  set->by_vector = false;
  for (unsigned upper = 0; upper < 16; upper++) {
    uint16_t row = 0;
    for (unsigned lower = 0; lower < 16; lower++) {
      row = (uint16_t)(row | (set->holds[upper * 16 + lower] ? 1u << lower : 0u));
    }
    if (row == 0) {
      continue;
    }
    unsigned group = 0;
    while (group < groups && rows[group] != row) {
      group++;
    }
    if (group == 8) {
      return;
    }
    if (group == groups) {
      rows[groups++] = row;
    }
    set->high[upper] = (uint8_t)(1u << group);
    for (unsigned lower = 0; lower < 16; lower++) {
      if (row & 1u << lower) {
        set->low[lower] = (uint8_t)(set->low[lower] | 1u << group);
      }
    }
  }
#ifdef HAVE_X86
  set->by_vector = __builtin_cpu_supports("ssse3");
#endif
}

#ifdef HAVE_X86
/* A bit for each of sixteen octets that is not in the set. */
__attribute__((target("ssse3"))) static inline unsigned outside16(__m128i low, __m128i high,
                                                                  const uint8_t *at) {
  const __m128i half = _mm_set1_epi8(0x0f);
  __m128i octets = _mm_loadu_si128((const __m128i *)(const void *)at);
  __m128i lower = _mm_shuffle_epi8(low, _mm_and_si128(octets, half));
  __m128i upper = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(octets, 4), half));
  return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_and_si128(lower, upper), _mm_setzero_si128()));
}

/* Where the search goes on octet by octet: at what is looked for, or with less than 16 (or 17) octets left. */
__attribute__((target("ssse3"))) static const uint8_t *find16(const OctetSet *first, const OctetSet *second,
                                                              const uint8_t *at, const uint8_t *end) {
  const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)first->low);
  const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)first->high);
  if (second == NULL || !second->by_vector) {
    while (end - at >= 16) {
      unsigned inside = ~outside16(low, high, at) & 0xffffu;
      if (inside != 0) {
        return at + __builtin_ctz(inside);
      }
      at += 16;
    }
    return at;
  }
  const __m128i low2 = _mm_loadu_si128((const __m128i *)(const void *)second->low);
  const __m128i high2 = _mm_loadu_si128((const __m128i *)(const void *)second->high);
  while (end - at >= 17) {
    unsigned inside = ~(outside16(low, high, at) | outside16(low2, high2, at + 1)) & 0xffffu;
    if (inside != 0) {
      return at + __builtin_ctz(inside);
    }
    at += 16;
  }
  return at;
}
#endif

const uint8_t *octet_set_find(const OctetSet *set, const uint8_t *at, const uint8_t *end) {
#ifdef HAVE_X86
  if (set->by_vector) {
    at = find16(set, NULL, at, end);
  }
#endif
  while (at < end && !set->holds[*at]) {
    at++;
  }
  return at;
}

const uint8_t *octet_pair_find(const OctetSet *first, const OctetSet *second, const uint8_t *at,
                               const uint8_t *end) {
  for (;;) {
#ifdef HAVE_X86
    if (first->by_vector) {
      at = find16(first, second, at, end);
    }
#endif
    while (at < end && !first->holds[*at]) {
      at++;
    }
    if (end - at < 2 || second->holds[at[1]]) {
      return at;
    }
    at++;
  }
}
