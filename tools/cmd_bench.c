/* thaw bench: how fast the device is, kernels are on it, and whole models. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_table.h"
#include "cli.h"

typedef struct bench_options {
    cli_text_list sections;
    const char *filter, *output;
    int32_t repeats;
    bool quick;
    double time_limit;
    uint64_t seed;
} bench_options;

#define FIELD(member) offsetof(bench_options, member)
static const cli_option table[] = {
    {"section", &cli_texts, FIELD(sections), "NAME", .help = "device, kernels or models; several times for several",
     .otherwise = "all of them"},
    {"filter", &cli_text, FIELD(filter), "GLOB", .help = "only measurements whose id matches",
     .otherwise = "all of them"},
    {"quick", &cli_flag, FIELD(quick), .help = "less, and shorter: under a minute on two cores"},
    {"repeat", &cli_int32, FIELD(repeats), "N", .help = "repetitions of each measurement",
     .otherwise = "until the median is known to 2 %, or time is up", CLI_RANGE(1, 10000)},
    {"time-limit", &cli_number, FIELD(time_limit), "SECONDS", .help = "of the whole run",
     .otherwise = "840, with --quick 50", CLI_RANGE(1, 1e6)},
    {"seed", &cli_seed, FIELD(seed), "N", .help = "of all numbers that are drawn"},
    {"output", &cli_text, FIELD(output), "FILE", .help = "write everything as JSON"},
};
#undef FIELD
static const cli_group groups[] = {CLI_GROUP("Options", table, 0)};

static void defaults(void *all_options)
{
    bench_options *options = all_options;
    *options = (bench_options){.seed = thaw_bench_defaults().seed};
}

static thaw_status choose_sections(cli_state *cli, const cli_text_list *names, thaw_bench_options *wanted)
{
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT && names->count > 0; i++)
        wanted->sections[i] = false;
    for (size_t n = 0; n < names->count; n++) {
        int i = 0;
        while (i < THAW_BENCH_SECTION_COUNT && strcmp(names->items[n], thaw_bench_section_text((thaw_bench_section)i)))
            i++;
        if (i == THAW_BENCH_SECTION_COUNT)
            return cli_fail_usage(cli, "--section '%s': there are device, kernels and models", names->items[n]);
        wanted->sections[i] = true;
    }
    return THAW_OK;
}

static void on_entry(void *user, const thaw_bench_entry *entry, size_t done, size_t total)
{
    cli_state *cli = user;
    const thaw_progress progress = {.phase = thaw_bench_section_text(entry->section), .done = done, .total = total};
    cli_progress_tell(&cli->progress, &progress);
}

static thaw_status write_output(cli_state *cli, const char *path, const char *json)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return cli_fail_path(cli, path);
    const bool written = fputs(json, file) >= 0 && fputc('\n', file) != EOF;
    return fclose(file) == 0 && written ? THAW_OK : cli_fail_path(cli, path);
}

static thaw_status report(cli_state *cli, const bench_options *options, const thaw_bench_result *result)
{
    char *json;
    thaw_status status = thaw_bench_to_json(cli->context, result, &json);
    if (status != THAW_OK)
        return status;
    if (options->output)
        status = write_output(cli, options->output, json);
    if (cli->globals.json)
        puts(json);
    else
        bench_table_print(result);
    free(json);
    if (status == THAW_OK && !thaw_bench_result_good(result))
        status = cli_fail(cli, THAW_ERR_CHECK, "bench: some measurements are wrong or failed, see above");
    return status;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)arguments;
    (void)argument_count;
    const bench_options *options = all_options;
    thaw_bench_options wanted = thaw_bench_defaults();
    thaw_bench_result result = {0};
    wanted.filter = options->filter;
    wanted.repeats = options->repeats;
    wanted.quick = options->quick;
    wanted.time_limit_seconds = options->time_limit;
    wanted.seed = options->seed;
    wanted.on_entry = on_entry;
    wanted.user = cli;
    thaw_status status = choose_sections(cli, &options->sections, &wanted);
    if (status == THAW_OK && options->output)
        status = cli_check_output(cli, options->output);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    if (status == THAW_OK)
        status = thaw_bench_run(cli->device, &wanted, &result);
    cli_progress_clear(&cli->progress);
    if (status == THAW_OK)
        status = report(cli, options, &result);
    thaw_bench_result_free(&result);
    return status;
}

const cli_command cli_command_bench = {
    .name = "bench",
    .arguments = "",
    .summary = "measure the device, kernels and models",
    .description =
        "Measures what the device does at most (arithmetic, memory, transfers, latencies), what single kernels make of "
        "that (matrix products, convolutions and other layers), and what whole models do with random weights: no file "
        "is "
        "needed. Each kernel and model is compared with a reference first, and not timed where it is wrong. Figures "
        "are "
        "medians, with a 95 % interval; docs/benchmark.md tells what each of them means.\n"
        "Ends in status 1 where anything was wrong or failed. What can't be measured here says why.",
    .examples = "  thaw bench --quick\n  thaw bench --section device\n  thaw bench --filter 'kernels.gemm.*' --output "
                "gemm.json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .options_bytes = sizeof(bench_options),
    .defaults = defaults,
    .run = run,
};
