// AES-256-GCM (NIST SP 800-38D) over memory of the caller, by the BoringSSL that swift-crypto carries: a key is expanded once, and sealing and
// opening allocate nothing.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CSEALING_KEY_SIZE = 32, CSEALING_TAG_SIZE = 16 };

typedef struct evp_aead_ctx_st csealing_key;

// NULL: no memory.
csealing_key *csealing_key_create(const uint8_t bytes[CSEALING_KEY_SIZE]);
// Overwrites the key before its memory is given back.
void csealing_key_destroy(csealing_key *key);

// The nonce is `number`, big endian behind four zero bytes: a number must never be used twice with one key.
// `sealed` takes `length` bytes and is `plain` or does not overlap it. False: the lengths are beyond what AES-GCM allows.
bool csealing_seal(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *plain,
                   size_t length, void *sealed, uint8_t tag[CSEALING_TAG_SIZE]);
// False: nothing of it is to be believed, and `plain`, which may be `sealed`, holds zeros. Takes the same time wherever the tags differ.
bool csealing_open(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *sealed,
                   size_t length, const uint8_t tag[CSEALING_TAG_SIZE], void *plain);
