/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). */
#include "sha256.h"

#include <string.h>

/* Fractions of the cube roots of the first 64 primes. */
static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* Fractions of the square roots of the first 8 primes. */
static const uint32_t begin[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline uint32_t turn(uint32_t word, int bits) {
  return (word >> bits) | (word << (32 - bits));
}

static void sha256_block(uint32_t *state, const uint8_t *block) {
  uint32_t w[64];
  uint32_t s[8];
  for (int at = 0; at < 16; at++) {
    w[at] = blocks_word(block + 4 * at);
  }
  for (int at = 16; at < 64; at++) {
    const uint32_t small = turn(w[at - 15], 7) ^ turn(w[at - 15], 18) ^ (w[at - 15] >> 3);
    const uint32_t large = turn(w[at - 2], 17) ^ turn(w[at - 2], 19) ^ (w[at - 2] >> 10);
    w[at] = w[at - 16] + small + w[at - 7] + large;
  }
  memcpy(s, state, sizeof(s));
  for (int at = 0; at < 64; at++) {
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t most = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t one =
        s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + choice + rounds[at] + w[at];
    const uint32_t two = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + most;
    memmove(s + 1, s, 7 * sizeof(s[0]));
    s[4] += one;
    s[0] = one + two;
  }
  for (int at = 0; at < 8; at++) {
    state[at] += s[at];
  }
}

void sha256_open(Sha256 *self) {
  memcpy(self->state, begin, sizeof(begin));
  self->blocks.length = 0;
}

void sha256_feed(Sha256 *self, const uint8_t *at, size_t length) {
  blocks_feed(&self->blocks, self->state, sha256_block, at, length);
}

void sha256_close(Sha256 *self, uint8_t digest[32]) {
  blocks_close(&self->blocks, self->state, sha256_block, 1, digest, 32);
}

static void hmac_pad(const uint8_t key[64], uint8_t with, uint8_t pad[64]) {
  for (int at = 0; at < 64; at++) {
    pad[at] = (uint8_t)(key[at] ^ with);
  }
}

void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *first, size_t first_length,
                 const uint8_t *second, size_t second_length, uint8_t digest[32]) {
  Sha256 sha;
  uint8_t block[64] = {0};
  uint8_t pad[64];
  if (key_length > sizeof(block)) {
    sha256_open(&sha);
    sha256_feed(&sha, key, key_length);
    sha256_close(&sha, block);
  } else if (key_length > 0) {
    memcpy(block, key, key_length);
  }
  hmac_pad(block, 0x36, pad);
  sha256_open(&sha);
  sha256_feed(&sha, pad, sizeof(pad));
  sha256_feed(&sha, first, first_length);
  sha256_feed(&sha, second, second_length);
  sha256_close(&sha, digest);
  hmac_pad(block, 0x5c, pad);
  sha256_open(&sha);
  sha256_feed(&sha, pad, sizeof(pad));
  sha256_feed(&sha, digest, 32);
  sha256_close(&sha, digest);
}
