/* SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). */
#ifndef FASTGW_SHA256_H
#define FASTGW_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "blocks.h"

typedef struct {
  uint32_t state[8];
  Blocks blocks;
} Sha256;

void sha256_open(Sha256 *self);
void sha256_feed(Sha256 *self, const uint8_t *at, size_t length);
void sha256_close(Sha256 *self, uint8_t digest[32]);

/* HMAC over two pieces, one behind the other. */
void hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *first, size_t first_length,
                 const uint8_t *second, size_t second_length, uint8_t digest[32]);

#endif
