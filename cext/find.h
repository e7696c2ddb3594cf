/* Where does one octet string stand in another? Nothing outside of the two is ever read. */
#ifndef FASTGW_FIND_H
#define FASTGW_FIND_H

#include <stddef.h>
#include <stdint.h>

/* The first place of `part` in [at, at + length), or NULL. The empty part is found at once. */
const uint8_t *find_octets(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length);

/* The same without vector instructions. */
const uint8_t *find_octets_plain(const uint8_t *at, size_t length, const uint8_t *part, size_t part_length);

#endif
