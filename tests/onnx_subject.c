#include "onnx_subject.h"
#include "op_harness.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* Memory in the arena: a test can't go on without it. */
static void *take(onnx_subject *subject, size_t count, size_t size)
{
    void *block;
    if (thaw_onnx_allocate(&subject->arena, count, size, &block) != THAW_OK)
        abort();
    return block;
}

char *subject_text(onnx_subject *subject, const char *text)
{
    char *copy = take(subject, strlen(text) + 1, 1);
    memcpy(copy, text, strlen(text) + 1);
    return copy;
}

void subject_open(onnx_subject *subject)
{
    *subject = (onnx_subject){.arena = {.context = test_context()}};
    onnx__model_proto__init(&subject->model);
    onnx__graph_proto__init(&subject->graph);
    onnx__operator_set_id_proto__init(&subject->opset);
    subject->opset.has_version = 1;
    subject->opset.version = 13;
    subject->opsets[0] = &subject->opset;
    subject->model.has_ir_version = 1;
    subject->model.ir_version = 8;
    subject->model.graph = &subject->graph;
    subject->model.n_opset_import = 1;
    subject->model.opset_import = subject->opsets;
    subject->graph.node = subject->nodes;
    subject->graph.initializer = subject->initializers;
    subject->graph.input = subject->inputs;
    subject->graph.output = subject->outputs;
    subject->graph.value_info = subject->infos;
}

void subject_close(onnx_subject *subject)
{
    thaw_onnx_arena_free(&subject->arena);
}

/* "a,b,,c" as separate texts; "" is none. */
static char **split(onnx_subject *subject, const char *list, size_t *count)
{
    char *rest = subject_text(subject, list), **items = take(subject, SUBJECT_MOST, sizeof *items);
    *count = 0;
    while (rest && *list) {
        char *comma = strchr(rest, ',');
        items[(*count)++] = rest;
        if (comma)
            *comma++ = '\0';
        rest = comma;
    }
    return items;
}

onnx_node *subject_node(onnx_subject *subject, const char *type, const char *name, const char *inputs,
                        const char *outputs)
{
    onnx_node *node = take(subject, 1, sizeof *node);
    onnx__node_proto__init(node);
    node->op_type = subject_text(subject, type);
    node->name = subject_text(subject, name);
    node->input = split(subject, inputs, &node->n_input);
    node->output = split(subject, outputs, &node->n_output);
    node->attribute = take(subject, SUBJECT_MOST, sizeof *node->attribute);
    subject->nodes[subject->graph.n_node++] = node;
    return node;
}

void subject_attribute(onnx_subject *subject, onnx_node *node, const char *name, int64_t i)
{
    onnx_attribute *attribute = take(subject, 1, sizeof *attribute);
    onnx__attribute_proto__init(attribute);
    attribute->name = subject_text(subject, name);
    attribute->has_type = attribute->has_i = 1;
    attribute->type = ONNX_INT;
    attribute->i = i;
    node->attribute[node->n_attribute++] = attribute;
}

onnx_tensor *subject_initializer(onnx_subject *subject, const char *name, thaw_dtype dtype, thaw_shape shape)
{
    onnx_tensor *message = take(subject, 1, sizeof *message);
    onnx__tensor_proto__init(message);
    message->name = subject_text(subject, name);
    message->has_data_type = message->has_raw_data = 1;
    message->data_type = thaw_dtype_to_onnx(dtype);
    message->n_dims = (size_t)shape.rank;
    message->dims = take(subject, THAW_MAX_RANK + 1, sizeof *message->dims);
    memcpy(message->dims, shape.dims, sizeof shape.dims);
    thaw_tensor values = {.dtype = dtype, .shape = shape, .count = thaw_shape_size(&shape)};
    values.bytes = (size_t)values.count * thaw_dtype_bytes(dtype);
    values.data = take(subject, values.bytes, 1);
    for (int64_t i = 0; i < values.count; i++)
        thaw_tensor_set(&values, i, 0.125 * (double)i);
    message->raw_data = (ProtobufCBinaryData){values.bytes, values.data};
    subject->initializers[subject->graph.n_initializer++] = message;
    return message;
}

static onnx_value_info *value_info(onnx_subject *subject, const char *name, thaw_shape shape)
{
    onnx_value_info *info;
    if (thaw_onnx_make_value_info(&subject->arena, subject_text(subject, name), THAW_FLOAT32, &shape, &info) != THAW_OK)
        abort();
    return info;
}

void subject_input(onnx_subject *subject, const char *name, thaw_shape shape)
{
    subject->inputs[subject->graph.n_input++] = value_info(subject, name, shape);
}

void subject_output(onnx_subject *subject, const char *name, thaw_shape shape)
{
    subject->outputs[subject->graph.n_output++] = value_info(subject, name, shape);
}

void subject_classifier(onnx_subject *subject)
{
    subject_open(subject);
    subject_input(subject, "x", (thaw_shape){4, {-1, 3, 4, 4}});
    subject_initializer(subject, "w", THAW_FLOAT32, (thaw_shape){4, {4, 3, 3, 3}});
    subject_initializer(subject, "b", THAW_FLOAT32, (thaw_shape){1, {4}});
    subject_initializer(subject, "fw", THAW_FLOAT32, (thaw_shape){2, {5, 4}});
    subject_initializer(subject, "fb", THAW_FLOAT32, (thaw_shape){1, {5}});
    subject_node(subject, "Conv", "conv", "x,w,b", "c");
    subject_node(subject, "Relu", "relu", "c", "r");
    subject_node(subject, "GlobalAveragePool", "pool", "r", "g");
    subject_attribute(subject, subject_node(subject, "Flatten", "flatten", "g", "f"), "axis", 1);
    subject_attribute(subject, subject_node(subject, "Gemm", "fc", "f,fw,fb", "logits"), "transB", 1);
    subject_attribute(subject, subject_node(subject, "Softmax", "softmax", "logits", "prob"), "axis", 1);
    subject_output(subject, "prob", (thaw_shape){2, {-1, 5}});
    const thaw_shape map = {4, {-1, 4, 2, 2}};
    subject->infos[0] = value_info(subject, "c", map);
    subject->infos[1] = value_info(subject, "r", map);
    subject->infos[2] = value_info(subject, "logits", (thaw_shape){2, {-1, 5}});
    subject->graph.n_value_info = 3;
}

void subject_note(onnx_subject *subject, ProtobufCMessage *message, uint32_t field, const char *text)
{
    ProtobufCMessageUnknownField *unknown = take(subject, 1, sizeof *unknown);
    const size_t length = strlen(text);
    if (length > 127)
        abort();
    unknown->tag = field;
    unknown->wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    unknown->len = length + 1;
    unknown->data = take(subject, length + 1, 1);
    unknown->data[0] = (uint8_t)length;
    memcpy(unknown->data + 1, text, length);
    message->unknown_fields = unknown;
    message->n_unknown_fields = 1;
}

uint8_t *subject_pack(const onnx_subject *subject, size_t *size)
{
    *size = onnx__model_proto__get_packed_size(&subject->model);
    uint8_t *bytes = malloc(*size);
    if (!bytes)
        abort();
    onnx__model_proto__pack(&subject->model, bytes);
    return bytes;
}

thaw_status subject_load(const onnx_subject *subject, thaw_model **model)
{
    size_t size;
    uint8_t *bytes = subject_pack(subject, &size);
    const thaw_status status = subject_load_bytes(bytes, size, model);
    free(bytes);
    return status;
}

thaw_status subject_load_bytes(const uint8_t *bytes, size_t size, thaw_model **model)
{
    char path[256];
    snprintf(path, sizeof path, "%s/subject.onnx", test_folder());
    FILE *file = fopen(path, "wb"); /* not thaw_file_write(): thousands of these need no sync */
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    fclose(file);
    const thaw_status status = thaw_model_load(test_context(), path, model);
    const char *message = thaw_error_message(test_context());
    CU_ASSERT_EQUAL(*model == NULL, status != THAW_OK);
    if (status != THAW_OK && (strncmp(message, path, strlen(path)) != 0 || strchr(message, '\n')))
        CU_FAIL("the message is not one line that begins with the path");
    return status;
}
