/* What the host's system tells. */
#ifndef THAW_BENCH_HOST_H
#define THAW_BENCH_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Linux 6.1.0 x86_64" */
void thaw_host_system(char *text, size_t size);
/* The processor's name; "" where it is not known. */
void thaw_host_processor(char *text, size_t size);
size_t thaw_host_threads(void);
/* The host's memory; resident memory of this process; 0: not known. */
uint64_t thaw_host_memory_bytes(void);
uint64_t thaw_host_process_bytes(void);

/* What the processor's packages have used, by Linux' powercap (Intel's and AMD's RAPL). */
enum { THAW_HOST_PACKAGES = 8 };
typedef struct thaw_host_energy {
    size_t count;
    double joules[THAW_HOST_PACKAGES], wraps_at[THAW_HOST_PACKAGES];
} thaw_host_energy;

/* False where the system does not show it. */
bool thaw_host_read_energy(thaw_host_energy *energy);
/* From one reading to a later one, counters that began anew (once) included. */
double thaw_host_energy_between(const thaw_host_energy *before, const thaw_host_energy *after);

#endif
