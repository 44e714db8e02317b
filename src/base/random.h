/* A small seeded generator: the same numbers on every machine. */
#ifndef THAW_BASE_RANDOM_H
#define THAW_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* SplitMix64 (Steele, Lea, Flood 2014). Start with any seed. */
typedef struct thaw_random {
    uint64_t state;
} thaw_random;

uint64_t thaw_random_next(thaw_random *random);
double thaw_random_uniform(thaw_random *random);                 /* [0, 1) */
uint64_t thaw_random_below(thaw_random *random, uint64_t bound); /* [0, bound), without bias */
void thaw_random_shuffle(thaw_random *random, size_t *items, size_t count);

#endif
