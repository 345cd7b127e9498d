#include "CSealing.h"
#include <CCryptoBoringSSL_aead.h>

enum { NONCE_SIZE = 12 };

static void make_nonce(uint8_t nonce[NONCE_SIZE], uint64_t number)
{
    for (int i = 0; i < NONCE_SIZE; i++)
        nonce[i] = i < 4 ? 0 : (uint8_t)(number >> (8 * (NONCE_SIZE - 1 - i)));
}

csealing_key *csealing_key_create(const uint8_t bytes[CSEALING_KEY_SIZE])
{
    return EVP_AEAD_CTX_new(EVP_aead_aes_256_gcm(), bytes, CSEALING_KEY_SIZE, CSEALING_TAG_SIZE);
}

void csealing_key_destroy(csealing_key *key) { EVP_AEAD_CTX_free(key); }

bool csealing_seal(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *plain,
                   size_t length, void *sealed, uint8_t tag[CSEALING_TAG_SIZE])
{
    uint8_t nonce[NONCE_SIZE];
    size_t tag_length;
    make_nonce(nonce, number);
    return EVP_AEAD_CTX_seal_scatter(key, sealed, tag, &tag_length, CSEALING_TAG_SIZE, nonce, NONCE_SIZE, plain, length, NULL, 0,
                                     associated, associated_length) == 1 &&
           tag_length == CSEALING_TAG_SIZE;
}

bool csealing_open(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *sealed,
                   size_t length, const uint8_t tag[CSEALING_TAG_SIZE], void *plain)
{
    uint8_t nonce[NONCE_SIZE];
    make_nonce(nonce, number);
    return EVP_AEAD_CTX_open_gather(key, plain, nonce, NONCE_SIZE, sealed, length, tag, CSEALING_TAG_SIZE, associated,
                                    associated_length) == 1;
}
