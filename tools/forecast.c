#include "forecast.h"

#include <string.h>

#include "json_output.h"
#include "recipe.h"
#include "train_options.h"

static const double megabyte = 1e6;

static const char *trained_text(const thaw_forecast_row *row, char text[24])
{
    if (row->unfreeze < 0)
        return "as asked";
    if (row->unfreeze == 0)
        return "head";
    if (row->everything)
        return "everything";
    snprintf(text, 24, "head + %d", row->unfreeze);
    return text;
}

/* "12.3 s", "4:05" */
static const char *time_text(double seconds, char text[24])
{
    if (seconds < 99.95)
        snprintf(text, 24, "%.*f s", seconds < 9.995 ? 2 : 1, seconds);
    else
        snprintf(text, 24, "%.0f:%02d min", (seconds - (double)((int)seconds % 60)) / 60, (int)seconds % 60);
    return text;
}

static void print_row(const thaw_forecast_row *row)
{
    char trained[24], features[24], epoch[24], total[24], epochs[16] = "-";
    printf("%c %-20s %-11s ", row->taken ? '*' : ' ', cli_recipe_text(row->recipe), trained_text(row, trained));
    if (!row->possible) {
        printf("not possible: %s\n", row->reason);
        return;
    }
    if (row->epochs)
        snprintf(epochs, sizeof epochs, "%d", row->epochs);
    printf("%-7s %6s %10s %10s %10s %8.0f %8.0f %8.1f  %s\n", cli_augment_text(row->augment), epochs,
           time_text(row->feature_seconds, features), time_text(row->epoch_seconds, epoch),
           time_text(row->seconds, total), (double)row->device_bytes / megabyte, (double)row->process_bytes / megabyte,
           (double)row->disk_bytes / megabyte, cli_name_end(row->cut));
}

static void print_taken(const thaw_forecast *forecast)
{
    char total[24], least[24];
    for (size_t i = 0; i < forecast->count; i++) {
        const thaw_forecast_row *row = &forecast->rows[i];
        if (!row->taken)
            continue;
        printf("\n* would be taken: about %s", time_text(row->seconds, total));
        if (row->least_seconds < row->seconds)
            printf("; %s if the probe turns out so good that no better model could be told from it",
                   time_text(row->least_seconds, least));
        printf("\n");
        if (row->found_count > 0)
            printf("  the features of %zu of %zu images, views counted, were kept from earlier runs\n",
                   row->found_count, row->item_count);
    }
}

static void print_text(const thaw_forecast *forecast)
{
    char measured[24];
    printf("  %-20s %-11s %-7s %6s %10s %10s %10s %8s %8s %8s  %s\n", "recipe", "trained", "augment", "epochs",
           "features", "epoch", "total", "device", "process", "disk MB", "cut");
    for (size_t i = 0; i < forecast->count; i++)
        print_row(&forecast->rows[i]);
    print_taken(forecast);
    printf("\nmeasured in %s, which compiled what had to be compiled: an image takes %.2f ms to decode, %.2f ms to the "
           "head\nnot in it: loading the base, starting OpenCL, saving\n",
           time_text(forecast->seconds, measured), 1e3 * forecast->decode_seconds, 1e3 * forecast->frozen_seconds);
}

static json_t *row_json(const thaw_forecast_row *row)
{
    return json_pack(
        "{s:s, s:i, s:b, s:o, s:s, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:o}",
        "recipe", cli_recipe_text(row->recipe), "unfreeze", row->unfreeze, "everything", row->everything, "cut",
        cli_json_text(row->cut), "augment", cli_augment_text(row->augment), "epochs", row->epochs, "steps",
        (json_int_t)row->steps, "feature_seconds", cli_json_number(row->feature_seconds), "probe_seconds",
        cli_json_number(row->probe_seconds), "epoch_seconds", cli_json_number(row->epoch_seconds), "seconds",
        cli_json_number(row->seconds), "least_seconds", cli_json_number(row->least_seconds), "device_bytes",
        (json_int_t)row->device_bytes, "process_bytes", (json_int_t)row->process_bytes, "disk_bytes",
        (json_int_t)row->disk_bytes, "item_count", (json_int_t)row->item_count, "found_count",
        (json_int_t)row->found_count, "features_kept", row->features_kept, "possible", row->possible, "taken",
        row->taken, "reason", cli_json_text(row->possible ? NULL : row->reason));
}

static json_t *rows_json(const thaw_forecast *forecast)
{
    json_t *array = json_array();
    for (size_t i = 0; i < forecast->count; i++)
        cli_json_append(array, row_json(&forecast->rows[i]));
    return array;
}

thaw_status cli_forecast_print(const cli_state *cli, const thaw_forecast *forecast)
{
    if (!cli->globals.json) {
        print_text(forecast);
        return THAW_OK;
    }
    return cli_json_print(json_pack(
        "{s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "device", cli_json_text(thaw_device_describe(cli->device)->name),
        "train_count", (json_int_t)forecast->train_count, "val_count", (json_int_t)forecast->validation_count,
        "decode_seconds", cli_json_number(forecast->decode_seconds), "frozen_seconds",
        cli_json_number(forecast->frozen_seconds), "measured_seconds", cli_json_number(forecast->seconds), "plan",
        rows_json(forecast)));
}
