/* thaw evaluate: how good a model is on a folder of images. */
#include <math.h>
#include <stdlib.h>

#include "cli.h"
#include "json_output.h"
#include "shared_options.h"

typedef struct evaluate_options {
    cli_data_options data;
    bool all;
    cli_job_options job;
    cli_preprocess_options preprocess;
} evaluate_options;

static const cli_option table[] = {
    {"data", &cli_text, offsetof(evaluate_options, data.folder), "DIR", .help = "a folder of images for each class",
     .required = true},
    {"all", &cli_flag, offsetof(evaluate_options, all), .help = "every image of DIR, its val folder or split or not"},
};
static const cli_group groups[] = {
    CLI_GROUP("Options", table, 0),
    CLI_GROUP("Which images (all of DIR, or its val folder if there is one, unless you say otherwise)", cli_split_table,
              offsetof(evaluate_options, data)),
    CLI_GROUP("Work", cli_job_table, offsetof(evaluate_options, job)),
    CLI_GROUP("Preprocessing (what the model carries is taken unless you say otherwise)", cli_preprocess_table,
              offsetof(evaluate_options, preprocess)),
};

#define MATRIX_MOST    16 /* classes whose confusion matrix is printed whole */
#define CONFUSION_MOST 20 /* otherwise: the commonest confusions */

static void defaults(void *all_options)
{
    evaluate_options *options = all_options;
    *options = (evaluate_options){0};
    cli_data_defaults(&options->data);
    options->data.validation_share = 0;
    cli_job_defaults(&options->job);
    cli_preprocess_defaults(&options->preprocess);
}

static void print_share(const char *name, double value, double low, double high)
{
    if (isnan(value))
        printf("%-9s      -\n", name);
    else
        printf("%-9s %6.2f %%   95 %% interval %.2f to %.2f\n", name, 100 * value, 100 * low, 100 * high);
}

static void print_percent(double share)
{
    if (isnan(share))
        printf("%10s", "-");
    else
        printf("%8.1f %%", 100 * share);
}

static void print_classes(const thaw_model *model, const thaw_evaluation *e)
{
    char number[24];
    printf("\n%-28s %7s %10s %10s\n", "class", "images", "recall", "precision");
    for (size_t i = 0; i < e->class_count; i++) {
        printf("%-28s %7zu ", cli_class_name(model, i, number), e->per_class[i].count);
        print_percent(e->per_class[i].recall);
        putchar(' ');
        print_percent(e->per_class[i].precision);
        putchar('\n');
    }
}

static void print_matrix(const thaw_model *model, const thaw_evaluation *e)
{
    char number[24];
    const size_t n = e->class_count;
    printf("\nconfusion matrix: a row for each true class, a column for each predicted one\n%-20s", "");
    for (size_t column = 0; column < n; column++)
        printf(" %5.5s", cli_class_name(model, column, number));
    putchar('\n');
    for (size_t row = 0; row < n; row++) {
        printf("%-20.20s", cli_class_name(model, row, number));
        for (size_t column = 0; column < n; column++)
            printf(" %5zu", e->confusion[row * n + column]);
        putchar('\n');
    }
}

typedef struct confusion {
    size_t count, row, column;
} confusion;

static int commoner(const void *a, const void *b)
{
    const confusion *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* With many classes a matrix says nothing: the commonest mistakes do. */
static thaw_status print_confusions(const thaw_model *model, const thaw_evaluation *e)
{
    char true_number[24], predicted_number[24];
    const size_t n = e->class_count;
    confusion *list = calloc(e->count + 1, sizeof *list); /* no more than one for each image */
    size_t count = 0;
    if (!list)
        return THAW_ERR_MEMORY;
    for (size_t row = 0; row < n; row++)
        for (size_t column = 0; column < n; column++)
            if (row != column && e->confusion[row * n + column] > 0)
                list[count++] = (confusion){e->confusion[row * n + column], row, column};
    qsort(list, count, sizeof *list, commoner);
    printf("\ncommonest confusions, true -> predicted\n");
    for (size_t i = 0; i < count && i < CONFUSION_MOST; i++)
        printf("%7zu  %s -> %s\n", list[i].count, cli_class_name(model, list[i].row, true_number),
               cli_class_name(model, list[i].column, predicted_number));
    free(list);
    return THAW_OK;
}

static thaw_status print_text(const thaw_model *model, const thaw_evaluation *e)
{
    printf("%zu images, %zu classes", e->count, e->class_count);
    if (e->bad_count > 0)
        printf(", %zu bad images left out", e->bad_count);
    putchar('\n');
    print_share("top-1", e->top1, e->top1_low, e->top1_high);
    print_share("top-5", e->top5, e->top5_low, e->top5_high);
    print_share("macro-F1", e->macro_f1, e->macro_f1_low, e->macro_f1_high);
    printf("%-9s %6.4f\n", "loss", e->loss);
    print_classes(model, e);
    if (e->class_count > MATRIX_MOST)
        return print_confusions(model, e);
    print_matrix(model, e);
    return THAW_OK;
}

static json_t *classes_json(const thaw_model *model, const thaw_evaluation *e)
{
    char number[24];
    json_t *array = json_array();
    for (size_t i = 0; i < e->class_count; i++)
        cli_json_append(
            array, json_pack("{s:o, s:I, s:o, s:o}", "name", cli_json_text(cli_class_name(model, i, number)), "count",
                             (json_int_t)e->per_class[i].count, "recall", cli_json_number(e->per_class[i].recall),
                             "precision", cli_json_number(e->per_class[i].precision)));
    return array;
}

static json_t *confusion_json(const thaw_evaluation *e)
{
    json_t *rows = json_array();
    for (size_t row = 0; row < e->class_count; row++) {
        json_t *columns = json_array();
        for (size_t column = 0; column < e->class_count; column++)
            cli_json_append(columns, json_integer((json_int_t)e->confusion[row * e->class_count + column]));
        cli_json_append(rows, columns);
    }
    return rows;
}

static thaw_status print_json(const cli_state *cli, const thaw_model *model, const thaw_evaluation *e)
{
    return cli_json_print(
        json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "device",
                  cli_json_text(thaw_device_describe(cli->device)->name), "count", (json_int_t)e->count, "top1",
                  cli_json_number(e->top1), "top1_low", cli_json_number(e->top1_low), "top1_high",
                  cli_json_number(e->top1_high), "top5", cli_json_number(e->top5), "top5_low",
                  cli_json_number(e->top5_low), "top5_high", cli_json_number(e->top5_high), "macro_f1",
                  cli_json_number(e->macro_f1), "macro_f1_low", cli_json_number(e->macro_f1_low), "macro_f1_high",
                  cli_json_number(e->macro_f1_high), "loss", cli_json_number(e->loss), "per_class",
                  classes_json(model, e), "confusion", confusion_json(e), "bad_images", cli_json_bad_images(cli)));
}

static thaw_status evaluate(cli_state *cli, const evaluate_options *options, thaw_model *model,
                            const thaw_dataset *dataset)
{
    thaw_preprocess preprocess;
    thaw_evaluation evaluation = {0};
    thaw_status status = cli_preprocess_resolve(cli, &options->preprocess, model, &preprocess);
    if (status == THAW_OK)
        status = cli_name_classes(cli, model, dataset, &preprocess);
    if (status == THAW_OK)
        status = cli_open_device(cli);
    if (status != THAW_OK)
        return status;
    const thaw_job job = cli_job(cli, options->job.batch_size, options->job.workers, options->job.frozen_precision);
    status = thaw_evaluate(model, cli->device, dataset, options->all, &preprocess, &job, &evaluation);
    cli_end_job(cli);
    if (status == THAW_OK)
        status = cli->globals.json ? print_json(cli, model, &evaluation) : print_text(model, &evaluation);
    thaw_evaluation_free(&evaluation);
    return status;
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)argument_count;
    const evaluate_options *options = all_options;
    thaw_dataset *dataset = NULL;
    thaw_model *model = NULL;
    thaw_status status = cli_preprocess_check(cli, &options->preprocess);
    if (status == THAW_OK)
        status = cli_open_dataset(cli, &options->data, true, &dataset);
    if (status == THAW_OK)
        status = cli_load_model_to_run(cli, arguments[0], &model);
    if (status == THAW_OK)
        status = evaluate(cli, options, model, dataset);
    thaw_model_close(&model);
    thaw_dataset_close(&dataset);
    return status;
}

const cli_command cli_command_evaluate = {
    .name = "evaluate",
    .arguments = "MODEL",
    .summary = "measure a model's accuracy on a folder of images",
    .description =
        "Classifies the images of a folder and compares with the folders' names: top-1 and top-5 accuracy and "
        "macro-F1 with 95 % intervals, recall and precision of each class, and which classes are taken for "
        "which. Give the --val-split and --split-seed of the fine-tuning to measure on the images that it "
        "did not train on.",
    .examples = "  thaw evaluate mine.onnx --data photos/val\n"
                "  thaw evaluate mine.onnx --data photos --val-split 0.2 --split-seed 7 --json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 1,
    .most_arguments = 1,
    .options_bytes = sizeof(evaluate_options),
    .defaults = defaults,
    .run = run,
};
