/* Saving ONNX: what stays, what changes, what goes. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "test.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static const char *saved_path(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/saved.onnx", test_folder());
    return path;
}

static thaw_model *load_subject(const onnx_subject *subject)
{
    thaw_model *model;
    CU_ASSERT_EQUAL_FATAL(subject_load(subject, &model), THAW_OK);
    return model;
}

/* Saves the model, closes it, and loads what was saved. */
static thaw_model *save_and_load(thaw_model *model)
{
    thaw_model *saved;
    CU_ASSERT_EQUAL_FATAL(thaw_model_save(model, saved_path()), THAW_OK);
    thaw_model_close(&model);
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), saved_path(), &saved), THAW_OK);
    return saved;
}

/* The file's messages, freed with onnx__model_proto__free_unpacked(). */
static onnx_model *saved_messages(void)
{
    uint8_t *bytes;
    size_t size;
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), saved_path(), 1 << 20, &bytes, &size), THAW_OK);
    onnx_model *messages = onnx__model_proto__unpack(NULL, size, bytes);
    free(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(messages);
    return messages;
}

/* Puts a float32 tensor of one repeated number in the place of a constant. */
static void replace_constant(thaw_model *model, const char *name, thaw_shape shape, double number)
{
    thaw_value *value = thaw_graph_find_value(model->graph, name);
    thaw_tensor_release(&value->constant);
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(model->context, THAW_FLOAT32, &shape, &value->constant), THAW_OK);
    for (int64_t i = 0; i < value->constant->count; i++)
        thaw_tensor_set(value->constant, i, number);
}

/* With fields that Thaw does not know at every level, the file comes back byte for byte, as often as one likes. */
static void test_unchanged(void)
{
    onnx_subject subject;
    subject_classifier(&subject);
    subject_note(&subject, &subject.model.base, 2, "some producer");
    subject_note(&subject, &subject.graph.base, 10, "a note on the graph");
    subject_note(&subject, &subject.nodes[2]->base, 6, "a note on a node");
    subject_note(&subject, &subject.nodes[3]->attribute[0]->base, 13, "a note on an attribute");
    subject_note(&subject, &subject.initializers[1]->base, 12, "a note on a tensor");
    subject_note(&subject, &subject.inputs[0]->base, 3, "a note on an input");
    subject_note(&subject, &subject.infos[1]->type->base, 6, "a note on a type");
    size_t size, saved_size;
    uint8_t *bytes = subject_pack(&subject, &size), *saved_bytes;
    thaw_model *model = load_subject(&subject);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(thaw_model_save(model, saved_path()), THAW_OK);
        CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), saved_path(), 1 << 20, &saved_bytes, &saved_size),
                              THAW_OK);
        CU_ASSERT_EQUAL_FATAL(saved_size, size);
        CU_ASSERT_EQUAL(memcmp(saved_bytes, bytes, size), 0);
        free(saved_bytes);
    }
    thaw_model_close(&model);
    free(bytes);
    subject_close(&subject);
}

static void test_changed_weight(void)
{
    onnx_subject subject;
    subject_classifier(&subject);
    thaw_model *model = load_subject(&subject);
    replace_constant(model, "w", (thaw_shape){4, {4, 3, 3, 3}}, 0.3);
    model = save_and_load(model);
    CU_ASSERT_EQUAL(thaw_tensor_get(thaw_graph_find_value(model->graph, "w")->constant, 107), (double)0.3f);
    CU_ASSERT_EQUAL(thaw_tensor_get(thaw_graph_find_value(model->graph, "b")->constant, 3), 0.375);
    CU_ASSERT_EQUAL(model->graph->node_count, 6);
    thaw_model_close(&model);
    onnx_model *messages = saved_messages();
    CU_ASSERT_EQUAL(messages->graph->n_initializer, 4);
    CU_ASSERT_EQUAL(messages->graph->n_value_info, 3);
    onnx__model_proto__free_unpacked(messages, NULL);
    subject_close(&subject);
}

/* What the file keeps as float16 stays float16, whatever it was trained in. */
static void test_kept_type(void)
{
    static const thaw_dtype types[] = {THAW_FLOAT16, THAW_BFLOAT16, THAW_FLOAT64};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        onnx_subject subject;
        subject_classifier(&subject);
        subject.graph.n_initializer = 0;
        subject_initializer(&subject, "w", types[i], (thaw_shape){4, {4, 3, 3, 3}});
        subject_initializer(&subject, "b", types[i], (thaw_shape){1, {4}});
        subject_initializer(&subject, "fw", types[i], (thaw_shape){2, {5, 4}});
        subject_initializer(&subject, "fb", types[i], (thaw_shape){1, {5}});
        thaw_model *model = load_subject(&subject);
        replace_constant(model, "fb", (thaw_shape){1, {5}}, -1.5);
        model = save_and_load(model);
        const thaw_tensor *bias = thaw_graph_find_value(model->graph, "fb")->constant;
        CU_ASSERT(bias->dtype == types[i] && thaw_tensor_get(bias, 4) == -1.5);
        thaw_model_close(&model);
        subject_close(&subject);
    }
}

static bool has_initializer(const onnx_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (strcmp(graph->initializer[i]->name, name) == 0)
            return true;
    return false;
}

static bool has_info(onnx_value_info *const *infos, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i]->name, name) == 0)
            return true;
    return false;
}

/* A new head of another width: the old one's weights go, with the notes on shapes that are no longer true, and the
 * output is described anew. Below ir_version 4 every initializer is an input as well. */
static void check_new_head(int64_t ir_version)
{
    onnx_subject subject;
    subject_classifier(&subject);
    subject.model.ir_version = ir_version;
    if (ir_version < 4)
        for (size_t i = 0; i < 4; i++)
            subject_input(&subject, subject.initializers[i]->name, (thaw_shape){0, {0}});
    thaw_model *model = load_subject(&subject);
    CU_ASSERT_EQUAL_FATAL(thaw_model_replace_head(model, 3, NULL, 1), THAW_OK);
    model = save_and_load(model);
    CU_ASSERT_EQUAL(thaw_model_input_count(model), 1);
    CU_ASSERT_EQUAL(thaw_model_output_count(model), 1);
    CU_ASSERT_STRING_EQUAL(thaw_model_output_name(model, 0), "prob");
    const thaw_value *output = model->graph->outputs[0];
    CU_ASSERT(output->shape.rank == 2 && output->shape.dims[0] == -1 && output->shape.dims[1] == 3);
    CU_ASSERT_STRING_EQUAL(output->producer->op->onnx_type, "Softmax");
    thaw_model_close(&model);

    onnx_model *messages = saved_messages();
    const onnx_graph *graph = messages->graph;
    CU_ASSERT_EQUAL(messages->ir_version, ir_version);
    CU_ASSERT_TRUE(has_initializer(graph, "w"));
    CU_ASSERT_FALSE(has_initializer(graph, "fw"));
    CU_ASSERT_EQUAL(graph->n_initializer, 4);
    CU_ASSERT_FALSE(has_info(graph->input, graph->n_input, "fw"));
    for (size_t i = 0; i < graph->n_initializer; i++)
        CU_ASSERT_EQUAL(has_info(graph->input, graph->n_input, graph->initializer[i]->name), ir_version < 4);
    CU_ASSERT_TRUE(has_info(graph->value_info, graph->n_value_info, "r"));
    CU_ASSERT_FALSE(has_info(graph->value_info, graph->n_value_info, "logits"));
    onnx__model_proto__free_unpacked(messages, NULL);
    subject_close(&subject);
}

static void test_new_head(void)
{
    check_new_head(8);
    check_new_head(3);
}

/* A weight of another shape under the old nodes: what hangs on it is described anew or not at all. */
static void test_changed_shape(void)
{
    onnx_subject subject;
    subject_classifier(&subject);
    subject_input(&subject, "fw", (thaw_shape){2, {5, 4}});
    thaw_model *model = load_subject(&subject);
    replace_constant(model, "fw", (thaw_shape){2, {2, 4}}, 1);
    replace_constant(model, "fb", (thaw_shape){1, {2}}, 1);
    model->graph->outputs[0]->shape.dims[1] = 2;
    model = save_and_load(model);
    CU_ASSERT_EQUAL(model->graph->outputs[0]->shape.dims[1], 2);
    thaw_model_close(&model);
    onnx_model *messages = saved_messages();
    CU_ASSERT_FALSE(has_info(messages->graph->value_info, messages->graph->n_value_info, "logits"));
    CU_ASSERT_TRUE(has_info(messages->graph->value_info, messages->graph->n_value_info, "c"));
    CU_ASSERT_EQUAL_FATAL(messages->graph->n_input, 2);
    CU_ASSERT_EQUAL(messages->graph->input[1]->type->tensor_type->shape->dim[0]->dim_value, 2);
    onnx__model_proto__free_unpacked(messages, NULL);
    subject_close(&subject);
}

static void test_metadata(void)
{
    static const char *const names[] = {"cat", "a \"quoted\" dog", "\xc3\xa9t\xc3\xa9"}, *const bad[] = {"\xff"};
    const thaw_preprocess preprocess = {.width = 224,
                                        .height = 192,
                                        .resize = 256,
                                        .interpolation = THAW_BICUBIC,
                                        .bgr = true,
                                        .scale = 1.0f / 255,
                                        .mean = {0.485f, 1e-30f, -123.68f},
                                        .std = {0.229f, 3.4e38f, 1.0f / 3}};
    onnx_subject subject;
    subject_classifier(&subject);
    thaw_model *model = load_subject(&subject);
    thaw_preprocess back;
    CU_ASSERT_EQUAL(thaw_model_class_count(model), 0);
    CU_ASSERT_FALSE(thaw_model_preprocess(model, &back));
    CU_ASSERT_EQUAL(thaw_model_set_classes(model, names, 1), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_set_classes(model, names, 3), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_set_classes(model, bad, 1), THAW_ERR_DATA);
    CU_ASSERT_EQUAL(thaw_model_set_preprocess(model, &preprocess), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_set_metadata(model, "other", "kept"), THAW_OK);
    model = save_and_load(model);
    CU_ASSERT_EQUAL_FATAL(thaw_model_class_count(model), 3);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_STRING_EQUAL(thaw_model_class_name(model, i), names[i]);
    CU_ASSERT_PTR_NULL(thaw_model_class_name(model, 3));
    CU_ASSERT_TRUE_FATAL(thaw_model_preprocess(model, &back));
    CU_ASSERT(back.width == 224 && back.height == 192 && back.resize == 256);
    CU_ASSERT(back.interpolation == THAW_BICUBIC && back.bgr && back.scale == preprocess.scale);
    for (int c = 0; c < 3; c++)
        CU_ASSERT(back.mean[c] == preprocess.mean[c] && back.std[c] == preprocess.std[c]);
    CU_ASSERT_STRING_EQUAL(thaw_model_metadata(model, "other"), "kept");
    CU_ASSERT_PTR_NULL(thaw_model_metadata(model, "none"));
    thaw_model_close(&model);
    subject_close(&subject);
}

#define PREPROCESS(width, interpolation, order, scale, deviation)                                                      \
    "{\"width\":" width ",\"height\":8,\"resize\":0,\"interpolation\":" interpolation ",\"channel_order\":" order      \
    ",\"scale\":" scale ",\"mean\":[0,1,2.5],\"std\":" deviation "}"

static void test_metadata_of_others(void)
{
    static const struct {
        const char *key, *value;
        thaw_status status;
    } cases[] = {
        {"thaw.classes", "[\"a\",\"b\"]", THAW_OK},
        {"thaw.classes", "[\"a\",7]", THAW_ERR_MODEL},
        {"thaw.classes", "[\"a\",\"\"]", THAW_ERR_MODEL},
        {"thaw.classes", "[]", THAW_ERR_MODEL},
        {"thaw.classes", "{}", THAW_ERR_MODEL},
        {"thaw.classes", "[\"a\"", THAW_ERR_MODEL},
        {"thaw.classes", "", THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"nearest\"", "\"rgb\"", "1", "[1,2,3]"), THAW_OK},
        {"thaw.preprocess", PREPROCESS("0", "\"nearest\"", "\"rgb\"", "1", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("16385", "\"nearest\"", "\"rgb\"", "1", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("4294967304", "\"nearest\"", "\"rgb\"", "1", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8.5", "\"nearest\"", "\"rgb\"", "1", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"lanczos\"", "\"rgb\"", "1", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "1", "\"rgb\"", "1", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"nearest\"", "\"grb\"", "1", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"nearest\"", "\"rgb\"", "0", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"nearest\"", "\"rgb\"", "1e300", "[1,2,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"nearest\"", "\"rgb\"", "1", "[1,0,3]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"nearest\"", "\"rgb\"", "1", "[1,2]"), THAW_ERR_MODEL},
        {"thaw.preprocess", PREPROCESS("8", "\"nearest\"", "\"rgb\"", "1", "[1,2,3,4]"), THAW_ERR_MODEL},
        {"thaw.preprocess", "{}", THAW_ERR_MODEL},
        {"thaw.preprocess", "[]", THAW_ERR_MODEL},
        {"anything", "\x01 else", THAW_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        onnx_subject subject;
        thaw_model *model;
        onnx_pair pair = ONNX__STRING_STRING_ENTRY_PROTO__INIT, *pairs[] = {&pair};
        subject_classifier(&subject);
        pair.key = subject_text(&subject, cases[i].key);
        pair.value = subject_text(&subject, cases[i].value);
        subject.model.n_metadata_props = 1;
        subject.model.metadata_props = pairs;
        CU_ASSERT_EQUAL(subject_load(&subject, &model), cases[i].status);
        thaw_model_close(&model);
        subject_close(&subject);
    }
}

/* Images of another size: what the file says about it, and about what comes of it, changes along. */
static void test_image_size(void)
{
    onnx_subject subject;
    thaw_model *model, *saved;
    int32_t height, width;
    subject_classifier(&subject);
    CU_ASSERT_EQUAL_FATAL(subject_load(&subject, &model), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_set_image_size(model, 0, 9), THAW_ERR_SIZE);
    CU_ASSERT_EQUAL(thaw_model_set_image_size(model, 1, 1), THAW_ERR_SHAPE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "does not take images of 1x1: Conv"));
    CU_ASSERT_EQUAL(thaw_model_image_size(model, &height, &width), THAW_OK);
    CU_ASSERT(height == 4 && width == 4);
    CU_ASSERT_EQUAL(thaw_model_set_image_size(model, 9, 7), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_save(model, saved_path()), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), saved_path(), &saved), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_image_size(saved, &height, &width), THAW_OK);
    CU_ASSERT(height == 9 && width == 7);
    CU_ASSERT_EQUAL(saved->graph->inputs[0]->shape.dims[0], -1);
    const onnx_source *source = saved->source;
    CU_ASSERT_EQUAL(source->file->graph->n_value_info, 0);
    thaw_model_close(&model);
    thaw_model_close(&saved);
    subject_close(&subject);
}

static void test_unwritable(void)
{
    onnx_subject subject;
    subject_classifier(&subject);
    thaw_model *model = load_subject(&subject);
    CU_ASSERT_EQUAL(thaw_model_save(model, "/no/such/folder/m.onnx"), THAW_ERR_IO);
    CU_ASSERT_EQUAL(thaw_model_save(model, "/"), THAW_ERR_IO);
    CU_ASSERT_EQUAL(thaw_model_save(model, "/dev/full"), THAW_ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "/dev/full"));
    thaw_model_close(&model);
    subject_close(&subject);
}

void suite_onnx_save(void)
{
    static const test_entry tests[] = {{"an unchanged file", test_unchanged},
                                       {"a changed weight", test_changed_weight},
                                       {"the file's own types", test_kept_type},
                                       {"a new head", test_new_head},
                                       {"a weight of another shape", test_changed_shape},
                                       {"classes and preprocessing", test_metadata},
                                       {"metadata by others", test_metadata_of_others},
                                       {"images of another size", test_image_size},
                                       {"unwritable targets", test_unwritable}};
    TEST_SUITE("onnx_save", tests);
}
