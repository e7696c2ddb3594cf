/* Network-order integers on unaligned memory (RFC 9113 section 2.2: all numeric values are in network byte order). */
#ifndef FASTGW_OCTETS_H
#define FASTGW_OCTETS_H

#include <stdint.h>

static inline uint16_t octets_get16(const uint8_t *at) {
  return (uint16_t)((at[0] << 8) | at[1]);
}

static inline uint32_t octets_get24(const uint8_t *at) {
  return ((uint32_t)at[0] << 16) | ((uint32_t)at[1] << 8) | at[2];
}

static inline uint32_t octets_get32(const uint8_t *at) {
  return ((uint32_t)at[0] << 24) | ((uint32_t)at[1] << 16) | ((uint32_t)at[2] << 8) | at[3];
}

static inline void octets_put16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static inline void octets_put24(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 16);
  at[1] = (uint8_t)(value >> 8);
  at[2] = (uint8_t)value;
}

static inline void octets_put32(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 24);
  at[1] = (uint8_t)(value >> 16);
  at[2] = (uint8_t)(value >> 8);
  at[3] = (uint8_t)value;
}

#endif
