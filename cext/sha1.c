/* SHA-1 (FIPS 180-4), for fingerprints that are defined by it. It protects nothing. */
#include "sha1.h"

#include <string.h>

static inline uint32_t turn(uint32_t word, int bits) {
  return (word << bits) | (word >> (32 - bits));
}

static void sha1_block(uint32_t *state, const uint8_t *block) {
  static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
  uint32_t w[80];
  uint32_t s[5];
  for (int at = 0; at < 16; at++) {
    w[at] = blocks_word(block + 4 * at);
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
  self->blocks.length = 0;
}

void sha1_feed(Sha1 *self, const uint8_t *at, size_t length) {
  blocks_feed(&self->blocks, self->state, sha1_block, at, length);
}

void sha1_close(Sha1 *self, uint8_t digest[20]) {
  blocks_close(&self->blocks, self->state, sha1_block, 1, digest, 20);
}
