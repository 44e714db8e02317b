/* thaw cache: what the cache folder holds, and taking it away. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "json_output.h"

typedef struct cache_options {
    int kind; /* -1: all */
} cache_options;

#define LIST_NAME(name, text) text,
static const char *const kinds[] = {THAW_CACHE_LIST(LIST_NAME) NULL};
#undef LIST_NAME

static const cli_option table[] = {
    {"only", &cli_choice, offsetof(cache_options, kind), .help = "only that part of the cache", .choices = kinds},
};
static const cli_group groups[] = {CLI_GROUP("Options", table, 0)};

static void defaults(void *all_options)
{
    ((cache_options *)all_options)->kind = -1;
}

static bool is_chosen(const cache_options *options, int kind)
{
    return options->kind < 0 || options->kind == kind;
}

/* "12.3 MB" */
static const char *size_text(uint64_t bytes, char text[24])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB"};
    double number = (double)bytes;
    size_t unit = 0;
    for (; number >= 1000 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        number /= 1000;
    snprintf(text, 24, unit ? "%.1f %s" : "%.0f %s", number, units[unit]);
    return text;
}

static json_t *facts_json(const thaw_cache_facts *facts)
{
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:o}", "name", facts->name, "folder", cli_json_text(facts->folder),
                     "files", (json_int_t)facts->files, "entries", (json_int_t)facts->entries, "bytes",
                     (json_int_t)facts->bytes, "limit_bytes",
                     facts->limit_bytes ? json_integer((json_int_t)facts->limit_bytes) : json_null());
}

static void print_facts(const thaw_cache_facts *facts)
{
    char bytes[24], limit[24];
    printf("%-9s %10llu entries  %10s", facts->name, (unsigned long long)facts->entries,
           size_text(facts->bytes, bytes));
    if (facts->limit_bytes)
        printf(" of %s", size_text(facts->limit_bytes, limit));
    printf("  %s\n", facts->folder);
}

static thaw_status info(cli_state *cli, const cache_options *options)
{
    json_t *caches = json_array();
    for (int kind = 0; kind < THAW_CACHE_KINDS; kind++) {
        thaw_cache_facts facts;
        if (!is_chosen(options, kind))
            continue;
        const thaw_status status = thaw_cache_info(cli->context, (thaw_cache_kind)kind, &facts);
        if (status != THAW_OK) {
            json_decref(caches);
            return status;
        }
        if (cli->globals.json)
            cli_json_append(caches, facts_json(&facts));
        else
            print_facts(&facts);
        thaw_cache_facts_free(&facts);
    }
    if (cli->globals.json)
        return cli_json_print(json_pack("{s:o}", "caches", caches));
    json_decref(caches);
    return THAW_OK;
}

static thaw_status clear(cli_state *cli, const cache_options *options)
{
    size_t files = 0;
    uint64_t bytes = 0;
    char text[24];
    for (int kind = 0; kind < THAW_CACHE_KINDS; kind++) {
        size_t here_files;
        uint64_t here_bytes;
        if (!is_chosen(options, kind))
            continue;
        const thaw_status status = thaw_cache_clear(cli->context, (thaw_cache_kind)kind, &here_files, &here_bytes);
        if (status != THAW_OK)
            return status;
        files += here_files;
        bytes += here_bytes;
    }
    if (cli->globals.json)
        return cli_json_print(
            json_pack("{s:I, s:I}", "removed_files", (json_int_t)files, "removed_bytes", (json_int_t)bytes));
    printf("removed %zu files, %s\n", files, size_text(bytes, text));
    return THAW_OK;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)argument_count;
    if (strcmp(arguments[0], "info") == 0)
        return info(cli, all_options);
    if (strcmp(arguments[0], "clear") == 0)
        return clear(cli, all_options);
    return cli_fail_usage(cli, "'%s': expected info or clear", arguments[0]);
}

const cli_command cli_command_cache = {
    .name = "cache",
    .arguments = "info|clear",
    .summary = "what is kept between runs, and removing it",
    .description =
        "Compiled programs, the algorithms that were measured to be the fastest, and the features that frozen parts of "
        "models made of images are kept in the folder THAW_CACHE_DIR, else ~/.cache/thaw. All of it can be made again. "
        "Features that were not used for the longest time go by themselves where they take more than their limit: "
        "THAW_CACHE_LIMIT (in MB), else a tenth of what is free on the disk. With the tuning, features go too: "
        "other algorithms may give other last bits.",
    .examples = "  thaw cache info\n"
                "  thaw cache clear --only features\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 1,
    .most_arguments = 1,
    .options_bytes = sizeof(cache_options),
    .defaults = defaults,
    .run = run,
};
