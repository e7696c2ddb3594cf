/* Legal octets of field names and values: one table as the truth, vectors for what traffic is made of.
 *
 * The vector twins of the name test know only the octets that real names consist of (a-z 0-9 - . _ and the neighbours
 * ^ and `); anything else is left to the table. Strings shorter than a vector are loaded as two overlapping halves, the
 * end of a long one as one vector that overlaps the one before it. */
#include "fieldscan.h"

#include <string.h>

/* Sum of the FIELDSCAN_ classes each octet belongs to; test_fieldscan.py derives it anew from the RFCs' grammar. */
const uint8_t fieldscan_class[256] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  4,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  0,  0,  0,  4,  31, 12, 7,  31, 31, 31, 31, 28, 28, 31, 31, 28, 31, 31, 12, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 28, 28, 12, 28, 12, 12, 12, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
    30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 28, 12, 28, 15, 31, 15, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 12, 15, 12, 31, 0,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
    4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,  4,
};

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAVE_X86 1
typedef __m128i Vector16;

static inline Vector16 load16(const uint8_t *at) {
  return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline Vector16 from_halves(uint64_t low, uint64_t high) {
  return _mm_set_epi64x((long long)high, (long long)low);
}

static inline bool name16(Vector16 octets) {
  /* Octets from 0x80 on are negative here and fall below every range. */
  __m128i letter =
      _mm_and_si128(_mm_cmpgt_epi8(octets, _mm_set1_epi8(0x5d)), _mm_cmplt_epi8(octets, _mm_set1_epi8(0x7b)));
  __m128i digit =
      _mm_and_si128(_mm_cmpgt_epi8(octets, _mm_set1_epi8(0x2f)), _mm_cmplt_epi8(octets, _mm_set1_epi8(0x3a)));
  __m128i mark =
      _mm_or_si128(_mm_cmpeq_epi8(octets, _mm_set1_epi8('-')), _mm_cmpeq_epi8(octets, _mm_set1_epi8('.')));
  return _mm_movemask_epi8(_mm_or_si128(letter, _mm_or_si128(digit, mark))) == 0xffff;
}

static inline bool value16(Vector16 octets) {
  __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(octets, _mm_set1_epi8(0x1f)), octets);
  __m128i tab = _mm_cmpeq_epi8(octets, _mm_set1_epi8('\t'));
  __m128i del = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7f));
  return _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del)) == 0;
}

__attribute__((target("avx2"))) static bool name_avx2(const uint8_t *at, size_t length) {
  size_t number = 0;
  for (;;) {
    __m256i octets = _mm256_loadu_si256((const __m256i *)(const void *)(at + number));
    __m256i letter = _mm256_and_si256(_mm256_cmpgt_epi8(octets, _mm256_set1_epi8(0x5d)),
                                      _mm256_cmpgt_epi8(_mm256_set1_epi8(0x7b), octets));
    __m256i digit = _mm256_and_si256(_mm256_cmpgt_epi8(octets, _mm256_set1_epi8(0x2f)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8(0x3a), octets));
    __m256i mark = _mm256_or_si256(_mm256_cmpeq_epi8(octets, _mm256_set1_epi8('-')),
                                   _mm256_cmpeq_epi8(octets, _mm256_set1_epi8('.')));
    if (_mm256_movemask_epi8(_mm256_or_si256(letter, _mm256_or_si256(digit, mark))) != -1) {
      return fieldscan_all(at, length, FIELDSCAN_NAME);
    }
    if (number + 32 >= length) {
      return true;
    }
    number = number + 64 <= length ? number + 32 : length - 32;
  }
}

__attribute__((target("avx2"))) static bool value_avx2(const uint8_t *at, size_t length) {
  size_t number = 0;
  for (;;) {
    __m256i octets = _mm256_loadu_si256((const __m256i *)(const void *)(at + number));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(octets, _mm256_set1_epi8(0x1f)), octets);
    __m256i tab = _mm256_cmpeq_epi8(octets, _mm256_set1_epi8('\t'));
    __m256i del = _mm256_cmpeq_epi8(octets, _mm256_set1_epi8(0x7f));
    if (_mm256_movemask_epi8(_mm256_or_si256(_mm256_andnot_si256(tab, control), del)) != 0) {
      return false;
    }
    if (number + 32 >= length) {
      return true;
    }
    number = number + 64 <= length ? number + 32 : length - 32;
  }
}

/* Decided once, before main or on loading the module; a plain read afterwards. */
static bool avx2_here;

__attribute__((constructor)) static void look_for_avx2(void) {
  __builtin_cpu_init();
  avx2_here = __builtin_cpu_supports("avx2") != 0;
}

#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define HAVE_NEON 1
typedef uint8x16_t Vector16;

static inline Vector16 load16(const uint8_t *at) {
  return vld1q_u8(at);
}

static inline Vector16 from_halves(uint64_t low, uint64_t high) {
  return vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)));
}

static inline bool name16(Vector16 octets) {
  uint8x16_t letter = vcleq_u8(vsubq_u8(octets, vdupq_n_u8(0x5e)), vdupq_n_u8(0x7a - 0x5e));
  uint8x16_t digit = vcleq_u8(vsubq_u8(octets, vdupq_n_u8('0')), vdupq_n_u8(9));
  uint8x16_t mark = vcleq_u8(vsubq_u8(octets, vdupq_n_u8('-')), vdupq_n_u8(1));
  return vminvq_u8(vorrq_u8(letter, vorrq_u8(digit, mark))) == 0xff;
}

static inline bool value16(Vector16 octets) {
  uint8x16_t control = vbicq_u8(vcltq_u8(octets, vdupq_n_u8(0x20)), vceqq_u8(octets, vdupq_n_u8('\t')));
  return vmaxvq_u8(vorrq_u8(control, vceqq_u8(octets, vdupq_n_u8(0x7f)))) == 0;
}
#endif

#if defined(HAVE_X86) || defined(HAVE_NEON)
/* 4 to 15 octets, as one vector: the first and the last 8 (or 4) octets, overlapping. */
static inline Vector16 load_short(const uint8_t *at, size_t length) {
  uint64_t low, high;
  uint32_t first, last;
  if (length >= 8) {
    memcpy(&low, at, 8);
    memcpy(&high, at + length - 8, 8);
  } else {
    memcpy(&first, at, 4);
    memcpy(&last, at + length - 4, 4);
    low = ((uint64_t)last << 32) | first;
    high = low;
  }
  return from_halves(low, high);
}

static inline bool name_vector(const uint8_t *at, size_t length) {
  size_t number = 0;
  if (length < 16) {
    return (length >= 4 && name16(load_short(at, length))) || fieldscan_all(at, length, FIELDSCAN_NAME);
  }
  for (;;) {
    if (!name16(load16(at + number))) {
      return fieldscan_all(at, length, FIELDSCAN_NAME);
    }
    if (number + 16 >= length) {
      return true;
    }
    number = number + 32 <= length ? number + 16 : length - 16;
  }
}

static inline bool value_vector(const uint8_t *at, size_t length) {
  size_t number = 0;
  if (length < 4) {
    return fieldscan_all(at, length, FIELDSCAN_VALUE);
  }
  if (length < 16) {
    return value16(load_short(at, length));
  }
  for (;;) {
    if (!value16(load16(at + number))) {
      return false;
    }
    if (number + 16 >= length) {
      return true;
    }
    number = number + 32 <= length ? number + 16 : length - 16;
  }
}
#endif

bool fieldscan_name(const uint8_t *at, size_t length) {
#if defined(HAVE_X86) || defined(HAVE_NEON)
  return name_vector(at, length); /* names are short: wider vectors would not be filled */
#else
  return fieldscan_all(at, length, FIELDSCAN_NAME);
#endif
}

bool fieldscan_value(const uint8_t *at, size_t length) {
#if defined(HAVE_X86)
  if (length >= 64 && avx2_here) {
    return value_avx2(at, length);
  }
#endif
#if defined(HAVE_X86) || defined(HAVE_NEON)
  return value_vector(at, length);
#else
  return fieldscan_all(at, length, FIELDSCAN_VALUE);
#endif
}

int fieldscan_name_with(int twin, const uint8_t *at, size_t length) {
#if defined(HAVE_X86)
  if (twin == FIELDSCAN_AVX2 && avx2_here) {
    return length < 32 ? name_vector(at, length) : name_avx2(at, length);
  }
  if (twin == FIELDSCAN_SSE2) {
    return name_vector(at, length);
  }
#elif defined(HAVE_NEON)
  if (twin == FIELDSCAN_NEON) {
    return name_vector(at, length);
  }
#endif
  return twin == 0 ? fieldscan_all(at, length, FIELDSCAN_NAME) : -1;
}

int fieldscan_value_with(int twin, const uint8_t *at, size_t length) {
#if defined(HAVE_X86)
  if (twin == FIELDSCAN_AVX2 && avx2_here) {
    return length < 32 ? value_vector(at, length) : value_avx2(at, length);
  }
  if (twin == FIELDSCAN_SSE2) {
    return value_vector(at, length);
  }
#elif defined(HAVE_NEON)
  if (twin == FIELDSCAN_NEON) {
    return value_vector(at, length);
  }
#endif
  return twin == 0 ? fieldscan_all(at, length, FIELDSCAN_VALUE) : -1;
}
