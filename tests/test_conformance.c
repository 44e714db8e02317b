/* The ONNX project's single-operator models (shared material): every test whose operators Thaw has must pass. */
#include "test.h"
#include "op_harness.h"

#include "format/onnx_tensor.h"
#include "model/model.h"
#include "onnx.pb-c.h"
#include "base/file.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENDS = 16 };

typedef struct counts {
    size_t passed, failed, not_applicable;
} counts;

/* What kernels don't do but the host does, given constants: inputs of models with these are bound as constants. */
static bool is_host_type(const char *type)
{
    static const char *const types[] = {"Shape", "Gather", "Cast",   "ConstantOfShape",
                                        "Range", "Equal",  "Expand", "Where"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

static bool known_type(const Onnx__TypeProto *type)
{
    thaw_dtype dtype;
    return type && type->tensor_type && thaw_dtype_from_onnx(type->tensor_type->elem_type, &dtype);
}

/* Kernels compute nothing else. */
static bool is_float_type(const Onnx__TypeProto *type)
{
    thaw_dtype dtype;
    return thaw_dtype_from_onnx(type->tensor_type->elem_type, &dtype) && thaw_dtype_is_float(dtype);
}

/* All operators in the registry, all ends tensors of a type that Thaw has? */
static bool is_applicable(const char *path, bool *host)
{
    uint8_t *bytes;
    size_t size;
    *host = false;
    if (thaw_file_read(test_context(), path, 64u << 20, &bytes, &size) != THAW_OK)
        return false;
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    bool applicable = model && model->graph && model->graph->n_node;
    for (size_t i = 0; applicable && i < model->graph->n_node; i++) {
        const Onnx__NodeProto *node = model->graph->node[i];
        applicable = thaw_op_find(node->op_type) && !(node->domain && node->domain[0]);
        *host = *host || is_host_type(node->op_type);
    }
    for (size_t i = 0; applicable && i < model->graph->n_input; i++)
        applicable = known_type(model->graph->input[i]->type);
    for (size_t i = 0; applicable && i < model->graph->n_output; i++)
        applicable = known_type(model->graph->output[i]->type);
    for (size_t i = 0; applicable && i < model->graph->n_output; i++)
        *host = *host || !is_float_type(model->graph->output[i]->type);
    if (model)
        onnx__model_proto__free_unpacked(model, NULL);
    return applicable;
}

/* The tolerance of the ONNX project's own runner. */
static bool tensors_agree(const thaw_tensor *got, const thaw_tensor *wanted)
{
    if (!thaw_shape_equal(&got->shape, &wanted->shape))
        return false;
    if (!thaw_dtype_is_float(wanted->dtype) && got->dtype != wanted->dtype)
        return false;
    for (int64_t i = 0; i < wanted->count; i++) {
        const double a = thaw_tensor_get(got, i), b = thaw_tensor_get(wanted, i);
        if (a == b || (isnan(a) && isnan(b)))
            continue;
        if (!(fabs(a - b) <= 1e-7 + 1e-3 * fabs(b)))
            return false;
    }
    return true;
}

static thaw_status read_ends(const char *folder, const char *kind, size_t count, thaw_tensor **tensors)
{
    char path[1100];
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_0/%s_%zu.pb", folder, kind, i);
        THAW_TRY(thaw_onnx_tensor_read(test_context(), path, &tensors[i]));
    }
    return THAW_OK;
}

/* Numbers that say how something is resized are no data. */
static bool is_setting(const thaw_graph *graph, const thaw_value *input)
{
    for (size_t i = 0; i < graph->node_count; i++)
        for (size_t j = 1; j < graph->nodes[i]->input_count; j++)
            if (graph->nodes[i]->inputs[j] == input && strcmp(graph->nodes[i]->op->name, "resize") == 0)
                return true;
    return false;
}

static thaw_status run_and_compare(thaw_model *model, thaw_tensor *const *inputs, thaw_tensor *const *wanted, bool host)
{
    const thaw_graph *graph = model->graph;
    thaw_shape shapes[MOST_ENDS];
    thaw_tensor *constants[MOST_ENDS] = {NULL};
    for (size_t i = 0; i < graph->input_count; i++) {
        shapes[i] = inputs[i]->shape;
        const bool fits = thaw_dtype_is_float(inputs[i]->dtype) && inputs[i]->dtype != THAW_FLOAT64;
        constants[i] =
            host || !fits || is_setting(graph, graph->inputs[i]) ? inputs[i] : NULL; /* as thaw_model_run() does */
    }
    const thaw_program_options options = {.shapes = shapes, .constants = constants, .fuse = true};
    thaw_program *program;
    THAW_TRY(thaw_program_create(graph, test_device(), &options, &program));
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < graph->input_count && status == THAW_OK; i++)
        status = constants[i] ? THAW_OK : thaw_program_write(program, i, inputs[i]);
    if (status == THAW_OK)
        status = thaw_program_forward(program);
    for (size_t i = 0; i < graph->output_count && status == THAW_OK; i++) {
        thaw_tensor *got = NULL;
        status = thaw_program_read(program, i, &got);
        if (status == THAW_OK && !tensors_agree(got, wanted[i]))
            status = thaw_fail(test_context(), THAW_ERR_CHECK, "output %zu differs", i);
        thaw_tensor_release(&got);
    }
    thaw_program_destroy(&program);
    return status;
}

static thaw_status run_case(const char *folder, const char *path, bool host)
{
    thaw_model *model;
    thaw_tensor *inputs[MOST_ENDS] = {NULL}, *outputs[MOST_ENDS] = {NULL};
    THAW_TRY(thaw_model_load(test_context(), path, &model));
    thaw_status status = read_ends(folder, "input", model->graph->input_count, inputs);
    if (status == THAW_OK)
        status = read_ends(folder, "output", model->graph->output_count, outputs);
    if (status == THAW_OK)
        status = run_and_compare(model, inputs, outputs, host);
    for (size_t i = 0; i < MOST_ENDS; i++) {
        thaw_tensor_release(&inputs[i]);
        thaw_tensor_release(&outputs[i]);
    }
    thaw_model_close(&model);
    return status;
}

static void run_folder(const char *folder, counts *total)
{
    char path[1100];
    bool host;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (!is_applicable(path, &host)) {
        total->not_applicable++;
        return;
    }
    const thaw_status status = run_case(folder, path, host);
    if (status == THAW_OK) {
        total->passed++;
        return;
    }
    total->failed++;
    printf("\n  %s: %s", strrchr(folder, '/') + 1, thaw_error_message(test_context()));
}

static void conformance(void)
{
    static const char *const groups[] = {"node", "pytorch-converted", "pytorch-operator"};
    counts total = {0};
    if (!test_shared("conformance/onnx")) {
        test_skip("no ONNX conformance vectors here");
        return;
    }
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        char group[64], root[512], folder[1024];
        snprintf(group, sizeof group, "conformance/onnx/%s", groups[i]);
        snprintf(root, sizeof root, "%s", test_shared(group));
        DIR *list = opendir(root);
        CU_ASSERT_PTR_NOT_NULL_FATAL(list);
        for (const struct dirent *entry; (entry = readdir(list));) {
            snprintf(folder, sizeof folder, "%s/%s", root, entry->d_name);
            if (entry->d_name[0] != '.')
                run_folder(folder, &total);
        }
        closedir(list);
    }
    printf("\n  ONNX conformance: %zu passed, %zu failed, %zu not applicable ", total.passed, total.failed,
           total.not_applicable);
    CU_ASSERT_EQUAL(total.failed, 0);
    CU_ASSERT(total.passed > 0);
}

void suite_conformance(void)
{
    static const test_entry tests[] = {{"ONNX single-operator models", conformance}};
    TEST_SUITE("conformance", tests);
}
