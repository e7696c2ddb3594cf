/* The Huffman code of RFC 7541 section 5.2 and appendix B, both ways. Knows nothing of fields or tables. */
#ifndef FASTGW_HUFFMAN_H
#define FASTGW_HUFFMAN_H

#include <stddef.h>
#include <stdint.h>

/* Room that huffman_decode wants for `length` coded octets: the shortest code has 5 bits, and it writes in pairs. */
#define HUFFMAN_DECODED_BOUND(length) ((uint64_t)(length)*8 / 5 + 2)

/* Octets that `text` takes when coded, padding included. */
size_t huffman_encoded_length(const uint8_t *text, size_t length);

/* Write `text` coded and padded; exactly huffman_encoded_length octets. Returns where it ended. */
uint8_t *huffman_encode(uint8_t *out, const uint8_t *text, size_t length);

/* Write what `coded` means; `out` must have room for HUFFMAN_DECODED_BOUND(length), or for the true length and 2 more.
   Returns the number of octets, or -1 if a code is cut, the padding is not the beginning of EOS or longer than 7 bits,
   or EOS itself occurs. */
int64_t huffman_decode(uint8_t *out, const uint8_t *coded, size_t length);

/* The same without writing. */
int64_t huffman_decoded_length(const uint8_t *coded, size_t length);

#endif
