/* SHA-1 (FIPS 180-4), for fingerprints that are defined by it. It protects nothing. */
#include "sha1.h"

#include <string.h>

static inline uint32_t turn(uint32_t word, int bits) {
  return (word << bits) | (word >> (32 - bits));
}

static void sha1_block(uint32_t state[5], const uint8_t *block) {
  static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
  uint32_t w[80];
  uint32_t s[5];
  for (int at = 0; at < 16; at++) {
    w[at] = ((uint32_t)block[4 * at] << 24) | ((uint32_t)block[4 * at + 1] << 16) |
            ((uint32_t)block[4 * at + 2] << 8) | block[4 * at + 3];
  }
  for (int at = 16; at < 80; at++) {
    w[at] = turn(w[at - 3] ^ w[at - 8] ^ w[at - 14] ^ w[at - 16], 1);
  }
  memcpy(s, state, sizeof(s));
  for (int at = 0; at < 80; at++) {
    uint32_t mixed;
    if (at < 20) {
      mixed = (s[1] & s[2]) ^ (~s[1] & s[3]);
    } else if (at >= 40 && at < 60) {
      mixed = (s[1] & s[2]) ^ (s[1] & s[3]) ^ (s[2] & s[3]);
    } else {
      mixed = s[1] ^ s[2] ^ s[3];
    }
    mixed += turn(s[0], 5) + s[4] + constants[at / 20] + w[at];
    s[4] = s[3];
    s[3] = s[2];
    s[2] = turn(s[1], 30);
    s[1] = s[0];
    s[0] = mixed;
  }
  for (int at = 0; at < 5; at++) {
    state[at] += s[at];
  }
}

void sha1_open(Sha1 *self) {
  static const uint32_t begin[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  memcpy(self->state, begin, sizeof(begin));
  self->length = 0;
}

void sha1_feed(Sha1 *self, const uint8_t *at, size_t length) {
  while (length > 0) {
    const size_t held = (size_t)(self->length % 64);
    const size_t some = length < 64 - held ? length : 64 - held;
    memcpy(self->block + held, at, some);
    self->length += some;
    at += some;
    length -= some;
    if (self->length % 64 == 0) {
      sha1_block(self->state, self->block);
    }
  }
}

void sha1_close(Sha1 *self, uint8_t digest[20]) {
  static const uint8_t padding[64] = {0x80};
  const uint64_t bits = self->length * 8;
  uint8_t size[8];
  for (int at = 0; at < 8; at++) {
    size[at] = (uint8_t)(bits >> (56 - 8 * at));
  }
  sha1_feed(self, padding, 1 + (size_t)((119 - self->length % 64) % 64));
  sha1_feed(self, size, sizeof(size));
  for (int at = 0; at < 20; at++) {
    digest[at] = (uint8_t)(self->state[at / 4] >> (24 - 8 * (at % 4)));
  }
}
