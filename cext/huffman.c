/* The Huffman code of RFC 7541: 12 bits give up to two symbols; longer codes are found by comparing. */
#include "huffman.h"

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
      *symbol =
          huffman_long_symbols[huffman_long[row].at + (window >> (32 - bits)) - huffman_long[row].start];
      return bits;
    }
  }
  return 0;
}

static inline uint64_t get64(const uint8_t *at) {
  return (uint64_t)octets_get32(at) << 32 | octets_get32(at + 4);
}

/* The bits of a string that are not decoded yet: the next `held` of them stand at the top of `bits`. */
typedef struct {
  uint64_t bits;
  unsigned held;
} Window;

static inline uint32_t window_entry(const Window *self) {
  return huffman_pairs[self->bits >> (64 - HUFFMAN_WINDOW_BITS)];
}

/* Write the one or two symbols of a non-zero entry and go past their bits; returns how many symbols. A shift takes the
   low 6 bits of its count, which an entry keeps clear for it. */
static inline unsigned window_take(Window *self, uint32_t entry, uint8_t *out, int keep) {
  if (keep) {
    out[0] = (uint8_t)(entry >> 8);
    out[1] = (uint8_t)(entry >> 16);
  }
  self->bits <<= entry & 63;
  self->held -= entry & 63;
  return entry >> 24 & 3;
}

/* The end of a string: all its bits that are left are in the window. Returns as huffman_decode does, `made` counted
   in. */
static inline __attribute__((always_inline)) int64_t tail_decode(Window window, uint8_t *out, size_t made,
                                                                 int keep) {
  uint32_t entry;
  while (window.held >= HUFFMAN_WINDOW_BITS && (entry = window_entry(&window)) != 0) {
    made += window_take(&window, entry, keep ? out + made : NULL, keep);
  }
  if (window.held < 64) {
    window.bits |=
        ~(uint64_t)0 >> window.held; /* as if the padding never ended: what is cut looks like EOS */
  }
  while (window.held > 0) {
    uint8_t symbol;
    unsigned used;
    entry = window_entry(&window);
    symbol = (uint8_t)(entry >> 8);
    used = entry != 0 ? entry >> 28 : long_symbol_get((uint32_t)(window.bits >> 32), &symbol);
    if (used == 0 || used > window.held) {
      break;
    }
    if (keep) {
      out[made] = symbol;
    }
    made++;
    window.bits = ~(~window.bits << used);
    window.held -= used;
  }
  return window.held < 8 && ~window.bits == 0 ? (int64_t)made : -1;
}

static inline __attribute__((always_inline)) int64_t decode(uint8_t *out, const uint8_t *coded, size_t length,
                                                            int keep) {
  const uint8_t *end = coded + length;
  Window window = {0, 0}; /* below the held bits: nothing, or the bits that follow anyway */
  size_t made = 0;
  for (;;) {
    uint32_t entry;
    if (end - coded >= 8) {
      window.bits |= get64(coded) >> window.held;
      coded += (63 - window.held) >> 3;
      window.held |= 56;
    } else {
      while (window.held <= 56 && coded < end) {
        window.bits |= (uint64_t)*coded++ << (56 - window.held);
        window.held += 8;
      }
      if (coded == end) {
        return tail_decode(window, out, made, keep);
      }
    }
    entry = window_entry(&window);
    if (entry == 0) {
      uint8_t symbol;
      unsigned used = long_symbol_get((uint32_t)(window.bits >> 32), &symbol);
      if (used == 0) {
        return -1;
      }
      if (keep) {
        out[made] = symbol;
      }
      made++;
      window.bits <<= used;
      window.held -= used;
      continue;
    }
    /* 56 bits and more hold four windows. */
    made += window_take(&window, entry, keep ? out + made : NULL, keep);
    for (int more = 0; more < 3 && (entry = window_entry(&window)) != 0; more++) {
      made += window_take(&window, entry, keep ? out + made : NULL, keep);
    }
  }
}

int64_t huffman_decode(uint8_t *out, const uint8_t *coded, size_t length) {
  return decode(out, coded, length, 1);
}

int64_t huffman_decoded_length(const uint8_t *coded, size_t length) {
  return decode(NULL, coded, length, 0);
}
