#include "base/random.h"

#include <assert.h>

uint64_t thaw_random_next(thaw_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double thaw_random_uniform(thaw_random *random)
{
    return (double)(thaw_random_next(random) >> 11) * 0x1p-53;
}

/* Draws again where the last, incomplete run of `bound` numbers was hit. */
uint64_t thaw_random_below(thaw_random *random, uint64_t bound)
{
    assert(bound > 0);
    const uint64_t rejected = (UINT64_MAX - bound + 1) % bound; /* 2^64 mod bound */
    uint64_t drawn;
    do
        drawn = thaw_random_next(random);
    while (drawn < rejected);
    return drawn % bound;
}

/* Fisher and Yates, from the back. */
void thaw_random_shuffle(thaw_random *random, size_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)thaw_random_below(random, i);
        const size_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
