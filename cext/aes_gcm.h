/* AES-128-GCM (FIPS 197, NIST SP 800-38D) by the processor's own instructions, as TLS 1.3 seals records with it.
 *
 * No secret octet ever chooses an address or a branch: the cipher and the products are single instructions. Where the
 * processor lacks them there is no second way; aes_gcm_ways says so, and nothing else here may be called then. */
#ifndef FASTGW_AES_GCM_H
#define FASTGW_AES_GCM_H

#include <stddef.h>
#include <stdint.h>

enum {
  AES_GCM_TAG = 16,
  AES_GCM_NONCE = 12,
  AES_GCM_AAD_MAX = 16,
};

typedef struct {
  uint8_t rounds[11][16]; /* the key schedule */
  uint8_t powers[8][16];  /* of the hash key, the eighth first, octets reversed, in Montgomery's form */
  uint8_t ways;           /* what aes_gcm_ways said */
} AesGcm;

/* How many blocks one instruction of this processor takes: 4, 1, or 0 if it cannot do this at all. */
int aes_gcm_ways(void);

/* Prepare a key. `ways`: at most what aes_gcm_ways says, and not 0. */
void aes_gcm_open(AesGcm *self, const uint8_t key[16], int ways);

/* Encrypt `length` octets and one more, `last`, to `into`, and write the tag behind them: length + 17 octets. `into`
 * may be `from`, and must not overlap it otherwise. At most AES_GCM_AAD_MAX octets of `aad`. */
void aes_gcm_seal(const AesGcm *self, const uint8_t nonce[12], const uint8_t *aad, size_t aad_length,
                  const uint8_t *from, size_t length, uint8_t last, uint8_t *into);

/* Decrypt `length` octets, behind which the tag stands, to `into`, which may be `from`. Returns 1, or 0 if the tag is
 * wrong: then `into` is all zeros. */
int aes_gcm_unseal(const AesGcm *self, const uint8_t nonce[12], const uint8_t *aad, size_t aad_length,
                   const uint8_t *from, size_t length, uint8_t *into);

#endif
