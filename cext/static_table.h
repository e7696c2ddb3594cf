/* Written by cext/gen/static_table.py; edit that. The static table of RFC 7541 appendix A. */
#ifndef FASTGW_STATIC_TABLE_H
#define FASTGW_STATIC_TABLE_H

#include <stdint.h>
#include <string.h>

#define STATIC_ENTRIES 61

typedef struct {
  const char *name;
  const char *value;
  uint8_t name_length;
  uint8_t value_length;
  uint8_t values; /* in the first entry of a name: how many entries have it; 0 elsewhere */
} StaticEntry;

/* By index; 0 is no entry. */
static const StaticEntry static_table[STATIC_ENTRIES + 1] = {
    {"", "", 0, 0, 0},
    {":authority", "", 10, 0, 1},
    {":method", "GET", 7, 3, 2},
    {":method", "POST", 7, 4, 0},
    {":path", "/", 5, 1, 2},
    {":path", "/index.html", 5, 11, 0},
    {":scheme", "http", 7, 4, 2},
    {":scheme", "https", 7, 5, 0},
    {":status", "200", 7, 3, 7},
    {":status", "204", 7, 3, 0},
    {":status", "206", 7, 3, 0},
    {":status", "304", 7, 3, 0},
    {":status", "400", 7, 3, 0},
    {":status", "404", 7, 3, 0},
    {":status", "500", 7, 3, 0},
    {"accept-charset", "", 14, 0, 1},
    {"accept-encoding", "gzip, deflate", 15, 13, 1},
    {"accept-language", "", 15, 0, 1},
    {"accept-ranges", "", 13, 0, 1},
    {"accept", "", 6, 0, 1},
    {"access-control-allow-origin", "", 27, 0, 1},
    {"age", "", 3, 0, 1},
    {"allow", "", 5, 0, 1},
    {"authorization", "", 13, 0, 1},
    {"cache-control", "", 13, 0, 1},
    {"content-disposition", "", 19, 0, 1},
    {"content-encoding", "", 16, 0, 1},
    {"content-language", "", 16, 0, 1},
    {"content-length", "", 14, 0, 1},
    {"content-location", "", 16, 0, 1},
    {"content-range", "", 13, 0, 1},
    {"content-type", "", 12, 0, 1},
    {"cookie", "", 6, 0, 1},
    {"date", "", 4, 0, 1},
    {"etag", "", 4, 0, 1},
    {"expect", "", 6, 0, 1},
    {"expires", "", 7, 0, 1},
    {"from", "", 4, 0, 1},
    {"host", "", 4, 0, 1},
    {"if-match", "", 8, 0, 1},
    {"if-modified-since", "", 17, 0, 1},
    {"if-none-match", "", 13, 0, 1},
    {"if-range", "", 8, 0, 1},
    {"if-unmodified-since", "", 19, 0, 1},
    {"last-modified", "", 13, 0, 1},
    {"link", "", 4, 0, 1},
    {"location", "", 8, 0, 1},
    {"max-forwards", "", 12, 0, 1},
    {"proxy-authenticate", "", 18, 0, 1},
    {"proxy-authorization", "", 19, 0, 1},
    {"range", "", 5, 0, 1},
    {"referer", "", 7, 0, 1},
    {"refresh", "", 7, 0, 1},
    {"retry-after", "", 11, 0, 1},
    {"server", "", 6, 0, 1},
    {"set-cookie", "", 10, 0, 1},
    {"strict-transport-security", "", 25, 0, 1},
    {"transfer-encoding", "", 17, 0, 1},
    {"user-agent", "", 10, 0, 1},
    {"vary", "", 4, 0, 1},
    {"via", "", 3, 0, 1},
    {"www-authenticate", "", 16, 0, 1},
};

static const uint8_t static_slots[128] = {
    34, 0, 0, 29, 0, 0, 0, 0, 0, 16, 0, 49, 0, 0, 0, 0, 0, 37, 0, 0, 0, 0, 0, 0,
    24, 0, 61, 0, 0, 44, 41, 0, 0, 0, 0, 2, 45, 0, 40, 25, 0, 0, 0, 0, 0, 17, 0, 0,
    47, 28, 43, 19, 0, 0, 0, 0, 0, 0, 0, 0, 59, 26, 56, 0, 51, 0, 0, 0, 0, 0, 0, 54,
    57, 0, 21, 0, 55, 0, 38, 0, 0, 48, 18, 0, 0, 0, 0, 0, 0, 0, 36, 60, 46, 0, 15, 0,
    32, 27, 31, 0, 0, 52, 42, 0, 6, 35, 0, 33, 4, 0, 53, 0, 0, 8, 39, 58, 0, 20, 0, 50,
    0, 23, 30, 0, 22, 0, 1, 0,
};

static inline uint32_t static_name_key(const uint8_t *name, uint32_t length) {
  uint32_t middle = name[length / 2], last = name[length - 1];
  return name[0] | middle << 8 | last << 16 | length << 24;
}

/* The first index whose entry has this name, 0 if there is none. */
static inline uint32_t static_name_find(const uint8_t *name, uint32_t length) {
  if (length == 0) {
    return 0;
  }
  uint32_t slot = static_name_key(name, length) * 0x9b18b231u >> 25;
  uint32_t index = static_slots[slot];
  const StaticEntry *entry = &static_table[index];
  return entry->name_length == length && memcmp(entry->name, name, length) == 0 ? index : 0;
}

/* The index of the entry that has the name of entry `first` and this value, 0 if there is none. */
static inline uint32_t static_value_find(uint32_t first, const uint8_t *value, uint32_t length) {
  for (uint32_t index = first; index < first + static_table[first].values; index++) {
    const StaticEntry *entry = &static_table[index];
    if (entry->value_length == length &&
        ((const uint8_t *)entry->value == value || memcmp(entry->value, value, length) == 0)) {
      return index;
    }
  }
  return 0;
}

#endif
