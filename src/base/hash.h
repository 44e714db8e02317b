/* 128-bit content hashes (XXH3): cache keys, proof that a tensor did not change, stable splits. */
#ifndef THAW_BASE_HASH_H
#define THAW_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct thaw_hash {
    uint64_t low, high;
} thaw_hash;

#define THAW_HASH_TEXT 33 /* 32 hexadecimal digits and the end */

thaw_hash thaw_hash_bytes(const void *bytes, size_t size, uint64_t seed);
/* The hash of what `hash` stood for followed by these bytes (length included, so that parts can't run together). */
thaw_hash thaw_hash_extend(thaw_hash hash, const void *bytes, size_t size);
bool thaw_hash_equal(thaw_hash a, thaw_hash b);
void thaw_hash_text(thaw_hash hash, char text[THAW_HASH_TEXT]);

#endif
