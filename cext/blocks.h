/* What MD5, SHA-1 and SHA-256 share: octets gathered into blocks of 64, and the padding behind the
   last one (RFC 1321 section 3, FIPS 180-4 section 5.1.1). */
#ifndef FASTGW_BLOCKS_H
#define FASTGW_BLOCKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  uint64_t length; /* octets so far */
  uint8_t block[64];
} Blocks;

/* Works one whole block into the state. */
typedef void (*BlockWork)(uint32_t *state, const uint8_t *block);

static inline uint32_t blocks_word(const uint8_t *at) {
  return ((uint32_t)at[0] << 24) | ((uint32_t)at[1] << 16) | ((uint32_t)at[2] << 8) | at[3];
}

static inline void blocks_feed(Blocks *self, uint32_t *state, BlockWork work, const uint8_t *at,
                               size_t length) {
  while (length > 0) {
    const size_t held = (size_t)(self->length % 64);
    const size_t some = length < 64 - held ? length : 64 - held;
    memcpy(self->block + held, at, some);
    self->length += some;
    at += some;
    length -= some;
    if (held + some == 64) {
      work(state, self->block);
    }
  }
}

/* Pads, appends the number of bits and writes `octets` of the state. `high_first`: the order of octets
   in words and in that number. */
static inline void blocks_close(Blocks *self, uint32_t *state, BlockWork work, int high_first,
                                uint8_t *digest, int octets) {
  static const uint8_t padding[64] = {0x80};
  const uint64_t bits = self->length * 8;
  uint8_t size[8];
  for (int at = 0; at < 8; at++) {
    size[at] = (uint8_t)(bits >> (high_first ? 56 - 8 * at : 8 * at));
  }
  blocks_feed(self, state, work, padding, 1 + (size_t)((119 - self->length % 64) % 64));
  blocks_feed(self, state, work, size, sizeof(size));
  for (int at = 0; at < octets; at++) {
    const int shift = 8 * (at % 4);
    digest[at] = (uint8_t)(state[at / 4] >> (high_first ? 24 - shift : shift));
  }
}

#endif
