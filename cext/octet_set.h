/* The first octet of a string that belongs to a set, or the first two to two sets. Nothing outside [at, end) is ever read. */
#ifndef FASTGW_OCTET_SET_H
#define FASTGW_OCTET_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint8_t holds[256]; /* 1 for each octet of the set: the truth */
  uint8_t low[16];    /* by the lower four bits: the groups of upper halves that occur with them */
  uint8_t high[16];   /* by the upper four bits: the group they are in, one bit, or 0 */
  bool by_vector;     /* the set falls into at most eight groups, and this machine has the instructions */
} OctetSet;

/* Fill the rest from `holds`. */
void octet_set_prepare(OctetSet *set);

/* Where the first octet of the set is, or `end`. */
const uint8_t *octet_set_find(const OctetSet *set, const uint8_t *at, const uint8_t *end);

/* Where an octet of `first` stands with one of `second`, or with the end, behind it; or `end`. */
const uint8_t *octet_pair_find(const OctetSet *first, const OctetSet *second, const uint8_t *at,
                               const uint8_t *end);

#endif
