#include "bench/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

void thaw_host_system(char *text, size_t size)
{
    struct utsname names;
    text[0] = '\0';
    if (uname(&names) == 0)
        snprintf(text, size, "%s %s %s", names.sysname, names.release, names.machine);
}

void thaw_host_processor(char *text, size_t size)
{
    char line[256];
    text[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !text[0] && fgets(line, sizeof line, file)) {
        const char *name = strchr(line, ':');
        if (name && strncmp(line, "model name", 10) == 0)
            snprintf(text, size, "%.*s", (int)strcspn(name + 2, "\n"), name + 2);
    }
    if (file)
        fclose(file);
}

size_t thaw_host_threads(void)
{
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (size_t)count : 1;
}

uint64_t thaw_host_memory_bytes(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t thaw_host_process_bytes(void)
{
    unsigned long long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A number from a file of one line. */
static bool read_number(size_t package, const char *name, double *number)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%zu/%s", package, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    const bool found = fscanf(file, "%lf", number) == 1;
    fclose(file);
    return found;
}

bool thaw_host_read_energy(thaw_host_energy *energy)
{
    double microjoules, most;
    energy->count = 0;
    while (energy->count < THAW_HOST_PACKAGES && read_number(energy->count, "energy_uj", &microjoules) &&
           read_number(energy->count, "max_energy_range_uj", &most)) {
        energy->joules[energy->count] = microjoules * 1e-6;
        energy->wraps_at[energy->count++] = most * 1e-6;
    }
    return energy->count > 0;
}

double thaw_host_energy_between(const thaw_host_energy *before, const thaw_host_energy *after)
{
    double sum = 0;
    for (size_t i = 0; i < before->count && i < after->count; i++) {
        const double used = after->joules[i] - before->joules[i];
        sum += used < 0 ? used + after->wraps_at[i] : used;
    }
    return sum;
}
