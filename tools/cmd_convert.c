/* thaw convert: between ONNX and safetensors. */
#include <string.h>

#include "cli.h"
#include "json_output.h"

static void defaults(void *options)
{
    (void)options;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* True for safetensors, false for ONNX. */
static thaw_status read_kind(cli_state *cli, const char *path, bool *weights)
{
    *weights = ends_with(path, ".safetensors");
    if (*weights || ends_with(path, ".onnx"))
        return THAW_OK;
    return cli_fail_usage(cli, "%s: expected a name that ends with .onnx or .safetensors", path);
}

static thaw_status print_result(const cli_state *cli, const thaw_model *model, const char *input, const char *output,
                                bool weights)
{
    if (!cli->globals.json) {
        printf("%s -> %s\n", input, output);
        return THAW_OK;
    }
    return cli_json_print(json_pack("{s:o, s:o, s:s, s:o}", "input", cli_json_text(input), "output",
                                    cli_json_text(output), "format", weights ? "safetensors" : "ONNX", "classes",
                                    cli_json_classes(model)));
}

static thaw_status run(cli_state *cli, const void *options, const char *const *arguments, size_t argument_count)
{
    (void)options;
    (void)argument_count;
    thaw_model *model = NULL;
    bool weights = false;
    thaw_status status = read_kind(cli, arguments[1], &weights);
    if (status == THAW_OK)
        status = cli_check_output(cli, arguments[1]);
    if (status == THAW_OK)
        status = cli_load_model(cli, arguments[0], &model);
    if (status == THAW_OK)
        status = weights ? thaw_model_save_weights(model, arguments[1]) : thaw_model_save(model, arguments[1]);
    if (status == THAW_OK)
        status = print_result(cli, model, arguments[0], arguments[1], weights);
    thaw_model_close(&model);
    return status;
}

const cli_command cli_command_convert = {
    .name = "convert",
    .arguments = "IN OUT",
    .summary = "convert a model between ONNX and safetensors",
    .description =
        "Writes IN as what OUT ends with: .onnx has the graph, preprocessing and class names; .safetensors the "
        "weights alone, with the names that they have in IN. IN is an ONNX file, a safetensors file, an index "
        "of several of these, or a folder from a hub. Safetensors have no graph: their tensors must be those of "
        "an architecture that Thaw knows, which is recognised, or named by --architecture. The same IN "
        "gives the same bytes. Needs no device.",
    .examples = "  thaw convert resnet18.safetensors resnet18.onnx\n"
                "  thaw convert mine.onnx mine.safetensors\n"
                "  thaw convert hub/vit_tiny_patch16_224 vit.onnx\n",
    .least_arguments = 2,
    .most_arguments = 2,
    .defaults = defaults,
    .run = run,
};
