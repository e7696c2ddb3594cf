/* The Huffman code of RFC 7541: one window of 12 bits gives up to two symbols; longer codes are found by comparing. */
#include "huffman.h"

#include <string.h>

#include "huffman_tables.h"
#include "octets.h"

#define LONG_LENGTHS (sizeof(huffman_long) / sizeof(huffman_long[0]))

size_t huffman_encoded_length(const uint8_t *text, size_t length) {
  size_t bits = 0;
  for (size_t at = 0; at < length; at++) {
    bits += huffman_bits[text[at]];
  }
  return (bits + 7) / 8;
}

uint8_t *huffman_encode(uint8_t *out, const uint8_t *text, size_t length) {
  uint64_t bits = 0; /* the last `held` bits are still to be written */
  unsigned held = 0;
  for (size_t at = 0; at < length; at++) {
    bits = bits << huffman_codes[text[at]].bits | huffman_codes[text[at]].code;
    held += huffman_codes[text[at]].bits;
    if (held >= 32) {
      held -= 32;
      octets_put32(out, (uint32_t)(bits >> held));
      out += 4;
    }
  }
  if (held % 8 != 0) {
    unsigned padding = 8 - held % 8;
    bits = bits << padding | ((1u << padding) - 1);
    held += padding;
  }
  while (held > 0) {
    held -= 8;
    *out++ = (uint8_t)(bits >> held);
  }
  return out;
}

/* The symbol that `window`, 32 bits, begins with, where its code is longer than HUFFMAN_WINDOW_BITS. Returns the bits
   of the code, 0 for EOS. */
static unsigned long_symbol_get(uint32_t window, uint8_t *symbol) {
  for (size_t row = 0; row < LONG_LENGTHS; row++) {
    if (window < huffman_long[row].limit) {
      unsigned bits = huffman_long[row].bits;
      *symbol = huffman_long_symbols[huffman_long[row].at + (window >> (32 - bits)) - huffman_long[row].start];
      return bits;
    }
  }
  return 0;
}

static inline uint64_t get64(const uint8_t *at) {
  return (uint64_t)octets_get32(at) << 32 | octets_get32(at + 4);
}

/* The last `held` bits of a string, at the top of `bits`. Returns as huffman_decode does, `made` counted in. */
static inline __attribute__((always_inline)) int64_t tail_decode(uint8_t *out, size_t made, uint64_t bits,
                                                                 unsigned held, int keep) {
  if (held < 64) {
    bits |= ~(uint64_t)0 >> held; /* as if the padding never ended: what is cut looks like EOS */
  }
  while (held > 0) {
    uint32_t entry = huffman_pairs[bits >> (64 - HUFFMAN_WINDOW_BITS)];
    unsigned count = entry >> 24;
    unsigned used = entry >> 20 & 15;
    uint8_t pair[2] = {(uint8_t)entry, (uint8_t)(entry >> 8)};
    if (used > held) {
      count = 1;
      used = entry >> 16 & 15;
    }
    if (count == 0) {
      used = long_symbol_get((uint32_t)(bits >> 32), pair);
      count = 1;
    }
    if (used == 0 || used > held) {
      break;
    }
    if (keep) {
      memcpy(out + made, pair, 2);
    }
    made += count;
    bits = ~(~bits << used);
    held -= used;
  }
  return held < 8 && ~bits == 0 ? (int64_t)made : -1;
}

static inline __attribute__((always_inline)) int64_t decode(uint8_t *out, const uint8_t *coded, size_t length,
                                                            int keep) {
  const uint8_t *end = coded + length;
  uint64_t bits = 0; /* the next `held` bits stand at the top; below them: nothing, or the bits that follow anyway */
  unsigned held = 0;
  size_t made = 0;
  for (;;) {
    if (end - coded >= 8) {
      bits |= get64(coded) >> held;
      coded += (63 - held) >> 3;
      held |= 56;
    } else {
      while (held <= 56 && coded < end) {
        bits |= (uint64_t)*coded++ << (56 - held);
        held += 8;
      }
      if (coded == end) {
        return tail_decode(out, made, bits, held, keep);
      }
    }
    do { /* 30 bits hold any code */
      uint32_t entry = huffman_pairs[bits >> (64 - HUFFMAN_WINDOW_BITS)];
      unsigned used = entry >> 20 & 15;
      uint8_t pair[2] = {(uint8_t)entry, (uint8_t)(entry >> 8)};
      unsigned count = entry >> 24;
      if (count == 0) {
        used = long_symbol_get((uint32_t)(bits >> 32), pair);
        count = 1;
        if (used == 0) {
          return -1;
        }
      }
      if (keep) {
        memcpy(out + made, pair, 2);
      }
      made += count;
      bits <<= used;
      held -= used;
    } while (held >= 30);
  }
}

int64_t huffman_decode(uint8_t *out, const uint8_t *coded, size_t length) {
  return decode(out, coded, length, 1);
}

int64_t huffman_decoded_length(const uint8_t *coded, size_t length) {
  return decode(NULL, coded, length, 0);
}
