/* SipHash-1-3 with a 128-bit key: for tables whose keys are chosen by strangers. Same key, same octets, same hash. */
#ifndef FASTGW_KEYED_HASH_H
#define FASTGW_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define KEYED_HASH_LITTLE(word) __builtin_bswap64(word)
#else
#define KEYED_HASH_LITTLE(word) (word)
#endif

typedef struct {
  uint64_t a, b, c, d;
} KeyedHashState;

static inline uint64_t keyed_hash_turn(uint64_t word, int bits) {
  return (word << bits) | (word >> (64 - bits));
}

static inline void keyed_hash_round(KeyedHashState *state) {
  state->a += state->b;
  state->c += state->d;
  state->b = keyed_hash_turn(state->b, 13) ^ state->a;
  state->d = keyed_hash_turn(state->d, 16) ^ state->c;
  state->a = keyed_hash_turn(state->a, 32);
  state->c += state->b;
  state->a += state->d;
  state->b = keyed_hash_turn(state->b, 17) ^ state->c;
  state->d = keyed_hash_turn(state->d, 21) ^ state->a;
  state->c = keyed_hash_turn(state->c, 32);
}

static inline void keyed_hash_word(KeyedHashState *state, uint64_t word) {
  state->d ^= word;
  keyed_hash_round(state);
  state->a ^= word;
}

static inline uint64_t keyed_hash(const uint64_t key[2], const uint8_t *at, size_t length) {
  KeyedHashState state = {key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
                          key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
  uint64_t last = (uint64_t)length << 56;
  uint64_t word;
  size_t left;
  for (left = length; left >= 8; left -= 8, at += 8) {
    memcpy(&word, at, 8);
    keyed_hash_word(&state, KEYED_HASH_LITTLE(word));
  }
  for (size_t number = 0; number < left; number++) {
    last |= (uint64_t)at[number] << (8 * number);
  }
  keyed_hash_word(&state, last);
  state.c ^= 0xff;
  keyed_hash_round(&state);
  keyed_hash_round(&state);
  keyed_hash_round(&state);
  return state.a ^ state.b ^ state.c ^ state.d;
}

/* The same in steps, for 128 bits of several texts: who calls says first how long each is. A text's last word is
   filled up with zeros. */
static inline void keyed_hash_begin(KeyedHashState *state, const uint64_t key[2]) {
  state->a = key[0] ^ 0x736f6d6570736575ULL;
  state->b = key[1] ^ 0x646f72616e646f6dULL ^ 0xee;
  state->c = key[0] ^ 0x6c7967656e657261ULL;
  state->d = key[1] ^ 0x7465646279746573ULL;
}

static inline void keyed_hash_octets(KeyedHashState *state, const uint8_t *at, size_t length) {
  uint64_t word;
  for (; length >= 8; length -= 8, at += 8) {
    memcpy(&word, at, 8);
    keyed_hash_word(state, KEYED_HASH_LITTLE(word));
  }
  if (length > 0) {
    word = 0;
    for (size_t number = 0; number < length; number++) {
      word |= (uint64_t)at[number] << (8 * number);
    }
    keyed_hash_word(state, word);
  }
}

static inline void keyed_hash_end(KeyedHashState *state, uint64_t into[2]) {
  state->c ^= 0xee;
  for (int round = 0; round < 3; round++) {
    keyed_hash_round(state);
  }
  into[0] = state->a ^ state->b ^ state->c ^ state->d;
  state->b ^= 0xdd;
  for (int round = 0; round < 3; round++) {
    keyed_hash_round(state);
  }
  into[1] = state->a ^ state->b ^ state->c ^ state->d;
}

#endif
