#include "device/quirks.h"

#include <string.h>

/* The first rule whose texts are both part of the platform's and the device's names holds ("" is part of any). */
static const struct {
    const char *platform, *name;
    thaw_quirks quirks;
} rules[] = {
    /* A simulator, ten thousand times slower: our kernels are what it is to look at. Takes memory that was filled for
     * memory that nobody wrote. */
    {"Oclgrind", "", {.fill_by_writing = true, .simulated = true, .exact_buffers = true, .score_factor = 0.01}},
    /* Mesa caches compiled programs itself, and ends the process over a binary that it does not know. On its software
     * rasteriser CLBlast is slower than our kernel (512 cubed: 2.5 s against 0.7 s). 22.3 gives a sub-group's size as
     * the work-group size of every kernel, also of those that require more and run. llvmpipe ends all loops of a
     * work-item after 65,535 iterations (LP_MAX_TGSI_LOOP_ITERATIONS in its sources). */
    {"rusticl", "llvmpipe", {.clblast_runs = true, .group_unknown = true, .loops_end = true, .score_factor = 0.5}},
    {"rusticl", "", {.clblast_runs = true, .clblast_fast = true, .group_unknown = true, .score_factor = 1}},
    /* Caches compiled kernels itself, under the preprocessed source: OpenCL's header takes 25 ms of that, and 150 ms to
     * compile. Reading a program's binary costs another build. Compiles each kernel again for each work-group size, so
     * these must be few. CLBlast is not tuned for it: 2 to 7 GFLOP/s where cl/gemm.cl gives 15 to 60 (two cores with
     * AVX2). */
    {"Portable Computing Language",
     "",
     {.clblast_runs = true,
      .slow_header = true,
      .host_memory = true,
      .idle_between_kernels = true,
      .max_auto_group = 64,
      .score_factor = 1}},
    /* Binaries are PTX, which the driver compiles again; it caches by source itself. */
    {"NVIDIA", "", {.clblast_runs = true, .clblast_fast = true, .score_factor = 1}},
    {"", "", {.clblast_runs = true, .clblast_fast = true, .cache_binaries = true, .score_factor = 1}},
};

thaw_quirks thaw_quirks_find(const thaw_device_info *info)
{
    size_t i = 0;
    while (!strstr(info->platform, rules[i].platform) || !strstr(info->name, rules[i].name))
        i++;
    return rules[i].quirks;
}
