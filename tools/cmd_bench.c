/* thaw bench: how fast the device is, kernels are on it, and whole models; and what such files say beside each other.
 */
#define _GNU_SOURCE /* sched_getaffinity() */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_compare.h"
#include "bench_table.h"
#include "cli.h"

#define RUN_NAME "this run" /* what pages and messages call a file that is not one yet */

typedef struct bench_options {
    cli_text_list sections, assertions;
    const char *filter, *output, *html;
    int32_t repeats;
    bool quick, compare;
    double time_limit;
    uint64_t seed;
} bench_options;

#define FIELD(member) offsetof(bench_options, member)
static const cli_option measure_table[] = {
    {"section", &cli_texts, FIELD(sections), "NAME", .help = "device, kernels or models; once for each",
     .otherwise = "all of them"},
    {"filter", &cli_text, FIELD(filter), "GLOB", .help = "only measurements whose id matches",
     .otherwise = "all of them"},
    {"quick", &cli_flag, FIELD(quick), .help = "less, and shorter: under a minute on two cores"},
    {"repeat", &cli_int32, FIELD(repeats), "N", .help = "repetitions of each measurement",
     .otherwise = "until the median is known to 2 %, or time is up", CLI_RANGE(1, 10000)},
    {"time-limit", &cli_number, FIELD(time_limit), "SECONDS", .help = "of the whole run",
     .otherwise = "840, with --quick 50", CLI_RANGE(1, 1e6)},
    {"seed", &cli_seed, FIELD(seed), "N", .help = "of all numbers that are drawn"},
};
static const cli_option report_table[] = {
    {"output", &cli_text, FIELD(output), "FILE", .help = "write everything as JSON"},
    {"html", &cli_text, FIELD(html), "FILE", .help = "write a page with charts, complete in itself"},
    {"assert", &cli_texts, FIELD(assertions), "EXPR",
     .help = "status 1 unless a figure is as said: 'models.resnet18.forward>=50'; once for each"},
    {"compare", &cli_flag, FIELD(compare), .help = "measure nothing: lay files side by side that --output wrote"},
};
#undef FIELD
static const cli_group groups[] = {CLI_GROUP("What is measured", measure_table, 0),
                                   CLI_GROUP("What becomes of it", report_table, 0)};

static void defaults(void *all_options)
{
    bench_options *options = all_options;
    *options = (bench_options){.seed = thaw_bench_defaults().seed};
}

/* --- measuring --- */

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

static void on_progress(void *user, double share, double seconds)
{
    cli_state *cli = user;
    const size_t percent = (size_t)(100 * share);
    const thaw_progress progress = {
        .phase = "bench", .done = percent, .total = 100, .seconds = seconds, .rate = (double)percent / seconds};
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

/* All of them, each that does not hold with its reason. */
static thaw_status check_assertions(cli_state *cli, const cli_text_list *texts, const thaw_report *report)
{
    size_t failed = 0;
    for (size_t i = 0; i < texts->count; i++) {
        thaw_assertion assertion;
        thaw_status status = thaw_assertion_parse(cli->context, texts->items[i], &assertion);
        if (status == THAW_OK)
            status = thaw_assertion_check(cli->context, &assertion, report);
        if (status == THAW_ERR_CHECK)
            cli_error(cli, "bench: %s", thaw_error_message(cli->context));
        else if (status != THAW_OK)
            return status;
        failed += status == THAW_ERR_CHECK;
    }
    return failed ? cli_fail(cli, THAW_ERR_CHECK, "bench: %zu of %zu assertions did not hold", failed, texts->count)
                  : THAW_OK;
}

static thaw_status report_more(cli_state *cli, const bench_options *options, const char *json)
{
    thaw_report *report;
    thaw_status status = thaw_report_parse(cli->context, RUN_NAME, json, strlen(json), &report);
    if (status == THAW_OK && options->html)
        status = thaw_report_write_html(cli->context, report, options->html);
    if (status == THAW_OK)
        status = check_assertions(cli, &options->assertions, report);
    thaw_report_close(&report);
    return status;
}

static thaw_status report(cli_state *cli, const bench_options *options, const thaw_bench_result *result)
{
    char *json;
    thaw_status status = thaw_bench_to_json(cli->context, result, &json);
    if (status != THAW_OK)
        return status;
    if (cli->globals.json)
        puts(json);
    else
        bench_table_print(result);
    fflush(stdout); /* before what went wrong is told */
    if (options->output)
        status = write_output(cli, options->output, json);
    if (status == THAW_OK && (options->html || options->assertions.count > 0))
        status = report_more(cli, options, json);
    free(json);
    if (status == THAW_OK && !thaw_bench_result_good(result))
        status = cli_fail(cli, THAW_ERR_CHECK, "bench: not all that was measured gave the right numbers, see above");
    return status;
}

/* PoCL's threads wander between cores, and two of them may share one for as long as kernels are short: half as fast, as
 * long as it lasts. Tied to a core each, they compute as they do under steady work. Not where the process may not use
 * all cores, which PoCL would not know. POCL_AFFINITY=0 leaves them free. */
static void tie_threads(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) == sysconf(_SC_NPROCESSORS_ONLN))
        setenv("POCL_AFFINITY", "1", 0);
}

static thaw_status measure(cli_state *cli, const bench_options *options)
{
    thaw_bench_options wanted = thaw_bench_defaults();
    thaw_bench_result result = {0};
    wanted.filter = options->filter;
    wanted.repeats = options->repeats;
    wanted.quick = options->quick;
    wanted.time_limit_seconds = options->time_limit;
    wanted.seed = options->seed;
    wanted.on_progress = on_progress;
    wanted.user = cli;
    thaw_status status = choose_sections(cli, &options->sections, &wanted);
    tie_threads();
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

/* --- the command --- */

/* Before minutes are spent on what can't be said or written afterwards. */
static thaw_status check_wishes(cli_state *cli, const bench_options *options)
{
    for (size_t i = 0; i < options->assertions.count; i++) {
        thaw_assertion assertion;
        const thaw_status status = thaw_assertion_parse(cli->context, options->assertions.items[i], &assertion);
        if (status != THAW_OK)
            return status;
    }
    thaw_status status = options->output ? cli_check_output(cli, options->output) : THAW_OK;
    if (status == THAW_OK && options->html)
        status = cli_check_output(cli, options->html);
    return status;
}

static thaw_status refuse_with_compare(cli_state *cli)
{
    for (size_t i = 0; i < sizeof measure_table / sizeof measure_table[0]; i++)
        if (cli_parser_given(cli->parser, measure_table[i].name))
            return cli_fail_usage(cli, "--compare measures nothing: it does not go with --%s", measure_table[i].name);
    if (cli_parser_given(cli->parser, "output") || cli_parser_given(cli->parser, "assert"))
        return cli_fail_usage(cli, "--compare only reads files: it goes with --html and --json");
    return THAW_OK;
}

static thaw_status compare(cli_state *cli, const bench_options *options, const char *const *paths, size_t count)
{
    const thaw_status status = refuse_with_compare(cli);
    if (status != THAW_OK)
        return status;
    if (count < 2)
        return cli_fail_usage(cli, "--compare wants two files at least, as --output writes them");
    return bench_compare(cli, paths, count, options->html);
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    const bench_options *options = all_options;
    const thaw_status status = check_wishes(cli, options);
    if (status != THAW_OK)
        return status;
    if (options->compare)
        return compare(cli, options, arguments, argument_count);
    if (argument_count > 0)
        return cli_fail_usage(cli, "unexpected argument '%s': files are for --compare", arguments[0]);
    return measure(cli, options);
}

const cli_command cli_command_bench = {
    .name = "bench",
    .arguments = "[FILE FILE...]",
    .summary = "measure the device, kernels and models",
    .description =
        "Measures what the device does at most (arithmetic, memory, transfers, latencies), what single kernels make of "
        "that (matrix products, convolutions and other layers), and what whole models do with random weights: no file "
        "is "
        "needed. Each kernel and model is compared with a reference first, and not timed where it is wrong. Figures "
        "are "
        "medians, with a 95 % interval; docs/benchmark.md tells what each of them means. What can't be measured here "
        "says "
        "why.\n"
        "With --compare it lays two to eight files side by side, as ratios to the first.\n"
        "Ends in status 1 where anything was wrong or failed, or an assertion did not hold.",
    .examples = "  thaw bench --quick\n  thaw bench --output here.json --html here.html\n  thaw bench --filter "
                "'kernels.gemm.*'\n  thaw bench --section models --assert 'models.resnet18.forward>=50'\n  thaw bench "
                "--compare here.json there.json --html both.html\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .most_arguments = THAW_COMPARISON_MOST,
    .options_bytes = sizeof(bench_options),
    .defaults = defaults,
    .run = run,
};
