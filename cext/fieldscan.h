/* Is this octet string a legal field name, field value, method, path or authority? (RFC 9113 section 8.2.1, RFC 9110
 * section 5.6.2, RFC 3986 sections 3.2 and 3.3.) Nothing outside [at, at + length) is ever read. */
#ifndef FASTGW_FIELDSCAN_H
#define FASTGW_FIELDSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FIELDSCAN_NAME = 1,      /* token octets without upper-case letters */
  FIELDSCAN_TOKEN = 2,     /* token octets */
  FIELDSCAN_VALUE = 4,     /* no control octet but HTAB */
  FIELDSCAN_PATH = 8,      /* visible ASCII but '#' */
  FIELDSCAN_AUTHORITY = 16 /* what RFC 3986 lets stand in host and port, hence no '@' and no '/' */
};

enum { FIELDSCAN_SSE2 = 1, FIELDSCAN_AVX2 = 2, FIELDSCAN_NEON = 3 };

extern const uint8_t fieldscan_class[256];

/* The scalar truth: does every octet belong to `wanted`, one of the classes above? */
static inline bool fieldscan_all(const uint8_t *at, size_t length, uint8_t wanted) {
  uint8_t held = 0xff;
  for (size_t number = 0; number < length; number++) {
    held &= fieldscan_class[at[number]];
  }
  return (held & wanted) != 0;
}

/* The fastest this machine has; true for no octets at all. */
bool fieldscan_name(const uint8_t *at, size_t length);
bool fieldscan_value(const uint8_t *at, size_t length);

/* One named twin, for tests: 1 legal, 0 illegal, -1 if this machine has no such instructions. */
int fieldscan_name_with(int twin, const uint8_t *at, size_t length);
int fieldscan_value_with(int twin, const uint8_t *at, size_t length);

#endif
