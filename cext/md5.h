/* MD5 (RFC 1321), for fingerprints that are defined by it. It protects nothing. */
#ifndef FASTGW_MD5_H
#define FASTGW_MD5_H

#include <stddef.h>
#include <stdint.h>

#include "blocks.h"

typedef struct {
  uint32_t state[4];
  Blocks blocks;
} Md5;

void md5_open(Md5 *self);
void md5_feed(Md5 *self, const uint8_t *at, size_t length);
void md5_close(Md5 *self, uint8_t digest[16]);

#endif
