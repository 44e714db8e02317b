/* thaw devices: every OpenCL device, and whether it computes correctly. */
#include <stdlib.h>

#include "cli.h"
#include "json_output.h"

typedef struct devices_options {
    bool check;
} devices_options;

static const cli_option table[] = {
    {"check", &cli_flag, offsetof(devices_options, check), .help = "run a short self-test on each device"},
};
static const cli_group groups[] = {CLI_GROUP("Options", table, 0)};

/* What the self-test of one device gave; reason is "" where there is nothing to say. */
typedef struct check_result {
    thaw_status status;
    char reason[256];
} check_result;

static void defaults(void *options)
{
    *(devices_options *)options = (devices_options){0};
}

static void check_device(cli_state *cli, const thaw_device_info *info, check_result *result)
{
    char selector[24];
    thaw_device *device = NULL;
    if (info->score <= 0) {
        *result = (check_result){.status = THAW_ERR_DEVICE};
        snprintf(result->reason, sizeof result->reason, "unusable: %s", info->reason);
        return;
    }
    snprintf(selector, sizeof selector, "%zu", info->index);
    result->status = thaw_device_open(cli->context, selector, &device);
    if (result->status == THAW_OK)
        result->status = thaw_device_check(device);
    if (result->status != THAW_OK)
        snprintf(result->reason, sizeof result->reason, "%s", thaw_error_message(cli->context));
    thaw_device_close(&device);
}

static json_t *device_json(const thaw_device_info *info, const check_result *check)
{
    json_t *object = json_pack(
        "{s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:o, s:b, s:o}", "index",
        (json_int_t)info->index, "platform", cli_json_text(info->platform), "name", cli_json_text(info->name), "vendor",
        cli_json_text(info->vendor), "driver", cli_json_text(info->driver), "version", cli_json_text(info->version),
        "type", info->type, "compute_units", (json_int_t)info->compute_units, "native_float_width",
        (json_int_t)info->native_float_width, "global_bytes", (json_int_t)info->global_bytes, "max_alloc_bytes",
        (json_int_t)info->max_alloc_bytes, "local_bytes", (json_int_t)info->local_bytes, "fp16", info->fp16, "fp64",
        info->fp64, "shared_memory", info->shared_memory, "score", cli_json_number(info->score), "selected",
        info->selected, "reason", info->reason[0] ? cli_json_text(info->reason) : json_null());
    if (object && check)
        json_object_set_new(object, "check", cli_json_text(check->status == THAW_OK ? "ok" : check->reason));
    return object;
}

static thaw_status print_json(const thaw_device_info *list, size_t count, const check_result *checks)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (!cli_json_append(array, device_json(&list[i], checks ? &checks[i] : NULL)))
            return json_decref(array), THAW_ERR_MEMORY;
    return cli_json_print(json_pack("{s:o}", "devices", array));
}

static void print_device(const thaw_device_info *info, const check_result *check)
{
    printf("%s %2zu  %s\n", info->selected ? "*" : " ", info->index, info->name);
    printf("      %s, %s, %s, driver %s\n", info->platform, info->vendor, info->version, info->driver);
    printf("      %s, %u compute units, %.1f GiB memory (%.1f at once), float width %u, fp16 %s, fp64 %s, score %.6g\n",
           info->type, info->compute_units, (double)info->global_bytes / (1 << 30),
           (double)info->max_alloc_bytes / (1 << 30), info->native_float_width, info->fp16 ? "yes" : "no",
           info->fp64 ? "yes" : "no", info->score);
    if (info->score <= 0)
        printf("      unusable: %s\n", info->reason);
    if (check)
        printf("      check: %s\n", check->status == THAW_OK ? "ok" : check->reason);
}

static thaw_status print_all(cli_state *cli, const thaw_device_info *list, size_t count, const check_result *checks)
{
    if (cli->globals.json)
        return print_json(list, count, checks);
    for (size_t i = 0; i < count; i++)
        print_device(&list[i], checks ? &checks[i] : NULL);
    if (count > 0)
        puts("* is the one that is used unless --device or THAW_DEVICE says otherwise");
    return THAW_OK;
}

/* A usable device that fails its check fails the command. */
static thaw_status worst(cli_state *cli, const thaw_device_info *list, size_t count, const check_result *checks)
{
    for (size_t i = 0; checks && i < count; i++)
        if (checks[i].status != THAW_OK && list[i].score > 0)
            return cli_fail(cli, checks[i].status, "device %zu: %s", i, checks[i].reason);
    return THAW_OK;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)arguments, (void)argument_count;
    const devices_options *options = all_options;
    thaw_device_info *list = NULL;
    check_result *checks = NULL;
    size_t count = 0;
    thaw_status status = thaw_devices_list(cli->context, cli->globals.device, &list, &count);
    if (status == THAW_OK && options->check && count > 0) {
        checks = calloc(count, sizeof *checks);
        if (!checks)
            status = THAW_ERR_MEMORY;
        for (size_t i = 0; checks && i < count; i++)
            check_device(cli, &list[i], &checks[i]);
    }
    if (status == THAW_OK)
        status = print_all(cli, list, count, checks);
    if (status == THAW_OK)
        status = count > 0 ? worst(cli, list, count, checks) : cli_open_device(cli); /* which says what to install */
    free(checks);
    thaw_devices_free(&list);
    return status;
}

const cli_command cli_command_devices = {
    .name = "devices",
    .arguments = "",
    .summary = "list the OpenCL devices",
    .description = "Lists every device of every OpenCL platform, with the one marked that is used by default. With "
                   "--check each multiplies two matrices and compares the product with the host's.",
    .examples = "  thaw devices\n  thaw devices --check --json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .options_bytes = sizeof(devices_options),
    .defaults = defaults,
    .run = run,
};
