/* MD5 (RFC 1321), for fingerprints that are defined by it. It protects nothing. */
#include "md5.h"

#include <string.h>

/* floor(2^32 * abs(sin(i + 1))), i from 0 to 63 (section 3.4). */
static const uint32_t sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static const uint8_t turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static void md5_block(uint32_t *state, const uint8_t *block) {
  uint32_t x[16];
  uint32_t a = state[0];
  uint32_t b = state[1];
  uint32_t c = state[2];
  uint32_t d = state[3];
  for (int at = 0; at < 16; at++) {
    x[at] = (uint32_t)block[4 * at] | ((uint32_t)block[4 * at + 1] << 8) |
            ((uint32_t)block[4 * at + 2] << 16) | ((uint32_t)block[4 * at + 3] << 24);
  }
  for (int at = 0; at < 64; at++) {
    const int round = at / 16;
    const int bits = turns[round][at % 4];
    uint32_t mixed;
    int word;
    if (round == 0) {
      mixed = (b & c) | (~b & d);
      word = at;
    } else if (round == 1) {
      mixed = (b & d) | (c & ~d);
      word = (5 * at + 1) % 16;
    } else if (round == 2) {
      mixed = b ^ c ^ d;
      word = (3 * at + 5) % 16;
    } else {
      mixed = c ^ (b | ~d);
      word = (7 * at) % 16;
    }
    mixed += a + sines[at] + x[word];
    a = d;
    d = c;
    c = b;
    b += (mixed << bits) | (mixed >> (32 - bits));
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

void md5_open(Md5 *self) {
  static const uint32_t begin[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  memcpy(self->state, begin, sizeof(begin));
  self->blocks.length = 0;
}

void md5_feed(Md5 *self, const uint8_t *at, size_t length) {
  blocks_feed(&self->blocks, self->state, md5_block, at, length);
}

void md5_close(Md5 *self, uint8_t digest[16]) {
  blocks_close(&self->blocks, self->state, md5_block, 0, digest, 16);
}
