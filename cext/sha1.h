/* SHA-1 (FIPS 180-4), for fingerprints that are defined by it. It protects nothing. */
#ifndef FASTGW_SHA1_H
#define FASTGW_SHA1_H

#include <stddef.h>
#include <stdint.h>

#include "blocks.h"

typedef struct {
  uint32_t state[5];
  Blocks blocks;
} Sha1;

void sha1_open(Sha1 *self);
void sha1_feed(Sha1 *self, const uint8_t *at, size_t length);
void sha1_close(Sha1 *self, uint8_t digest[20]);

#endif
