#define csealing_key_create sealing_key_create
#define csealing_key_destroy sealing_key_destroy
#define csealing_seal sealing_seal
#define csealing_open sealing_open
#include "../../../Sources/Core/CSealing/CSealing.c"
#undef csealing_key_create
#undef csealing_key_destroy
#undef csealing_seal
#undef csealing_open
#include <string.h>

csealing_key *csealing_key_create(const uint8_t bytes[CSEALING_KEY_SIZE]);
void csealing_key_destroy(csealing_key *key);
bool csealing_seal(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *plain,
                   size_t length, void *sealed, uint8_t tag[CSEALING_TAG_SIZE]);
bool csealing_open(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *sealed,
                   size_t length, const uint8_t tag[CSEALING_TAG_SIZE], void *plain);
void csealing_benchmark_plain(bool plain);

static _Thread_local bool creates_plain;

void csealing_benchmark_plain(bool plain) { creates_plain = plain; }

// A key that seals nothing is marked in its address, which is even otherwise.
static bool is_plain(const csealing_key *key) { return (uintptr_t)key & 1; }

csealing_key *csealing_key_create(const uint8_t bytes[CSEALING_KEY_SIZE])
{
    csealing_key *key = sealing_key_create(bytes);
    return key && creates_plain ? (csealing_key *)((uintptr_t)key | 1) : key;
}

void csealing_key_destroy(csealing_key *key) { sealing_key_destroy((csealing_key *)((uintptr_t)key & ~(uintptr_t)1)); }

bool csealing_seal(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *plain,
                   size_t length, void *sealed, uint8_t tag[CSEALING_TAG_SIZE])
{
    if (!is_plain(key))
        return sealing_seal(key, number, associated, associated_length, plain, length, sealed, tag);
    memcpy(sealed, plain, length);
    memset(tag, 0, CSEALING_TAG_SIZE);
    return true;
}

bool csealing_open(const csealing_key *key, uint64_t number, const void *associated, size_t associated_length, const void *sealed,
                   size_t length, const uint8_t tag[CSEALING_TAG_SIZE], void *plain)
{
    return is_plain(key) || sealing_open(key, number, associated, associated_length, sealed, length, tag, plain);
}
