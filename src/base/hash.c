#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

thaw_hash thaw_hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
    const XXH128_hash_t hash = XXH3_128bits_withSeed(size ? bytes : "", size, seed);
    return (thaw_hash){hash.low64, hash.high64};
}

/* Little-endian, so that the same content hashes alike on every machine. */
static void put_number(uint8_t bytes[8], uint64_t number)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
}

thaw_hash thaw_hash_extend(thaw_hash hash, const void *bytes, size_t size)
{
    const thaw_hash part = thaw_hash_bytes(bytes, size, 0);
    const uint64_t numbers[] = {hash.low, hash.high, size, part.low, part.high};
    uint8_t joined[sizeof numbers];
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        put_number(joined + 8 * i, numbers[i]);
    return thaw_hash_bytes(joined, sizeof joined, 0);
}

bool thaw_hash_equal(thaw_hash a, thaw_hash b)
{
    return a.low == b.low && a.high == b.high;
}

void thaw_hash_text(thaw_hash hash, char text[THAW_HASH_TEXT])
{
    snprintf(text, THAW_HASH_TEXT, "%016" PRIx64 "%016" PRIx64, hash.high, hash.low);
}
