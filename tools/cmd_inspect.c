/* thaw inspect: the layer table of a model. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json_output.h"
#include "shared_options.h"

typedef struct inspect_options {
    int32_t size[2];
} inspect_options;

static const cli_option table[] = {
    {"size", &cli_extent, offsetof(inspect_options, size), "N|HxW", .help = "pixels of the image it is laid out for",
     .otherwise = "the model's own, else 224"},
};
static const cli_group groups[] = {CLI_GROUP("Options", table, 0)};

static void defaults(void *options)
{
    *(inspect_options *)options = (inspect_options){0};
}

/* "1 234 567" */
static const char *grouped(int64_t number, char text[32])
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *out++ = ' ';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

static void shape_text(const thaw_shape *shape, char *text, size_t size)
{
    size_t length = (size_t)snprintf(text, size, "[");
    for (int32_t i = 0; i < shape->rank && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%lld", i ? "," : "", (long long)shape->dims[i]);
    if (length < size)
        snprintf(text + length, size - length, "]");
}

static const char *role(const thaw_layer *layer)
{
    if (layer->cut)
        return "frozen, cut";
    return layer->frozen ? "frozen" : layer->trainable ? "trainable" : "";
}

static int name_width(const thaw_layer_list *list)
{
    size_t width = 4;
    for (size_t i = 0; i < list->count; i++)
        if (strlen(list->layers[i].name) > width)
            width = strlen(list->layers[i].name);
    return (int)(width < CLI_NAME_WIDTH ? width : CLI_NAME_WIDTH);
}

static void print_table(const thaw_layer_list *list)
{
    char shape[192], parameters[32];
    const int width = name_width(list);
    printf("%-*s  %5s  %-18s %-18s %14s %10s\n", width, "name", "stage", "op", "output", "parameters", "MFLOP");
    for (size_t i = 0; i < list->count; i++) {
        const thaw_layer *layer = &list->layers[i];
        shape_text(&layer->output, shape, sizeof shape);
        printf("%-*s  %5d  %-18s %-18s %14s %10.3f  %s\n", width, cli_name_end(layer->name), layer->stage, layer->op,
               shape, grouped(layer->parameters, parameters), (double)layer->flops / 1e6, role(layer));
    }
    char trainable[32];
    printf("\n%zu layers, %s parameters, %s of them trainable, %.3f GFLOP an image\n", list->count,
           grouped(list->parameters, parameters), grouped(list->trainable_parameters, trainable),
           (double)list->flops / 1e9);
}

static void print_facts(const thaw_model *model)
{
    char text[256];
    thaw_preprocess preprocess;
    for (size_t i = 0; i < thaw_model_input_count(model); i++)
        printf("input   %s\n", thaw_model_input_name(model, i));
    for (size_t i = 0; i < thaw_model_output_count(model); i++)
        printf("output  %s\n", thaw_model_output_name(model, i));
    if (thaw_model_preprocess(model, &preprocess)) {
        cli_preprocess_text(&preprocess, text, sizeof text);
        printf("images  %s\n", text);
    }
    if (thaw_model_class_count(model) > 0)
        printf("classes %zu: %s ... %s\n", thaw_model_class_count(model), thaw_model_class_name(model, 0),
               thaw_model_class_name(model, thaw_model_class_count(model) - 1));
    putchar('\n');
}

static json_t *layers_json(const thaw_layer_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const thaw_layer *layer = &list->layers[i];
        cli_json_append(array,
                        json_pack("{s:o, s:s, s:i, s:o, s:I, s:I, s:b, s:b, s:b}", "name", cli_json_text(layer->name),
                                  "op", layer->op, "stage", layer->stage, "output", cli_json_shape(&layer->output),
                                  "parameters", (json_int_t)layer->parameters, "flops", (json_int_t)layer->flops,
                                  "frozen", layer->frozen, "trainable", layer->trainable, "cut", layer->cut));
    }
    return array;
}

typedef const char *(*name_of)(const thaw_model *model, size_t index);

static json_t *names_json(const thaw_model *model, size_t count, name_of name)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        cli_json_append(array, cli_json_text(name(model, i)));
    return array;
}

static thaw_status print_json(const thaw_model *model, const char *path, const thaw_layer_list *list)
{
    thaw_preprocess preprocess;
    const bool carries = thaw_model_preprocess(model, &preprocess);
    return cli_json_print(json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "model", cli_json_text(path), "inputs",
        names_json(model, thaw_model_input_count(model), thaw_model_input_name), "outputs",
        names_json(model, thaw_model_output_count(model), thaw_model_output_name), "classes", cli_json_classes(model),
        "preprocess", carries ? cli_json_preprocess(&preprocess) : json_null(), "parameters",
        (json_int_t)list->parameters, "trainable_parameters", (json_int_t)list->trainable_parameters, "flops",
        (json_int_t)list->flops, "layers", layers_json(list)));
}

static thaw_status run(cli_state *cli, const void *all_options, const char *const *arguments, size_t argument_count)
{
    (void)argument_count;
    const inspect_options *options = all_options;
    thaw_model *model = NULL;
    thaw_layer_list *list = NULL;
    thaw_status status = cli_load_model(cli, arguments[0], &model);
    if (status == THAW_OK)
        status = thaw_model_layers(model, options->size[0], options->size[1], &list);
    if (status == THAW_OK && cli->globals.json) {
        status = print_json(model, arguments[0], list);
    } else if (status == THAW_OK) {
        print_facts(model);
        print_table(list);
    }
    thaw_layer_list_free(&list);
    thaw_model_close(&model);
    return status;
}

const cli_command cli_command_inspect = {
    .name = "inspect",
    .arguments = "MODEL",
    .summary = "show a model's layers, sizes and costs",
    .description =
        "Prints every layer with its operator, output shape, parameters and floating-point operations for one "
        "image, and whether it is frozen; the cut is where the trainable part begins to read. Stages are what "
        "`finetune --unfreeze N` counts: 0 is the classifier, the others, from the output on, are groups of layers "
        "between changes of resolution. Operators that Thaw lacks are all named, with status 4. Needs no device.",
    .examples = "  thaw inspect model.onnx\n  thaw inspect model.onnx --size 160 --json\n",
    .groups = groups,
    .group_count = sizeof groups / sizeof groups[0],
    .least_arguments = 1,
    .most_arguments = 1,
    .options_bytes = sizeof(inspect_options),
    .defaults = defaults,
    .run = run,
};
