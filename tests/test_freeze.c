/* Stages, roles of weights, what freezing marks, new random values. */
#include "onnx_subject.h"
#include "op_harness.h"
#include "test.h"

#include "model/freeze.h"
#include "model/model.h"
#include "model/roles.h"
#include "model/stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void integers(onnx_subject *s, onnx_node *node, const char *name, const int64_t *values, size_t count)
{
    onnx_attribute *attribute;
    CU_ASSERT_EQUAL_FATAL(thaw_onnx_allocate(&s->arena, 1, sizeof *attribute, &attribute), THAW_OK);
    onnx__attribute_proto__init(attribute);
    attribute->name = subject_text(s, name);
    attribute->has_type = 1;
    attribute->type = ONNX_INTS;
    attribute->n_ints = count;
    CU_ASSERT_EQUAL_FATAL(thaw_onnx_allocate(&s->arena, count, sizeof(int64_t), &attribute->ints), THAW_OK);
    memcpy(attribute->ints, values, count * sizeof *values);
    node->attribute[node->n_attribute++] = attribute;
}

static void conv(onnx_subject *s, const char *name, const char *input, const char *output, int64_t in, int64_t out,
                 int64_t size, int64_t stride)
{
    char weight[32], inputs[64];
    snprintf(weight, sizeof weight, "%s.w", name);
    snprintf(inputs, sizeof inputs, "%s,%s", input, weight);
    subject_initializer(s, subject_text(s, weight), THAW_FLOAT32, (thaw_shape){4, {out, in, size, size}});
    onnx_node *node = subject_node(s, "Conv", name, inputs, output);
    integers(s, node, "strides", (const int64_t[]){stride, stride}, 2);
    integers(s, node, "pads", (const int64_t[]){size / 2, size / 2, size / 2, size / 2}, 4);
}

static void norm(onnx_subject *s, const char *name, const char *input, const char *output, int64_t channels)
{
    static const char *const parts[] = {"scale", "shift", "mean", "var"};
    char inputs[128], one[32];
    size_t length = (size_t)snprintf(inputs, sizeof inputs, "%s", input);
    for (int i = 0; i < 4; i++) {
        snprintf(one, sizeof one, "%s.%s", name, parts[i]);
        subject_initializer(s, subject_text(s, one), THAW_FLOAT32, (thaw_shape){1, {channels}});
        length += (size_t)snprintf(inputs + length, sizeof inputs - length, ",%s", one);
    }
    subject_node(s, "BatchNormalization", name, inputs, output);
}

/* A net with a stem, a block with a shortcut that halves the resolution, and a hidden layer before the classifier:
 *     x -> stem (conv, norm) -> [left (conv s2, norm), right (conv s2)] -> add -> pool -> flatten -> hidden -> fc */
static thaw_model *make_net(void)
{
    onnx_subject s = {0};
    thaw_model *model;
    subject_open(&s);
    subject_input(&s, "x", (thaw_shape){4, {-1, 3, 8, 8}});
    conv(&s, "stem", "x", "s", 3, 4, 3, 1);
    norm(&s, "stem_norm", "s", "sn", 4);
    conv(&s, "left", "sn", "l", 4, 6, 3, 2);
    norm(&s, "left_norm", "l", "ln", 6);
    conv(&s, "right", "sn", "r", 4, 6, 1, 2);
    subject_node(&s, "Add", "join", "ln,r", "j");
    subject_node(&s, "GlobalAveragePool", "pool", "j", "p");
    subject_attribute(&s, subject_node(&s, "Flatten", "flatten", "p", "f"), "axis", 1);
    subject_initializer(&s, "hidden.w", THAW_FLOAT32, (thaw_shape){2, {6, 5}});
    subject_node(&s, "MatMul", "hidden", "f,hidden.w", "h");
    subject_initializer(&s, "hidden.b", THAW_FLOAT32, (thaw_shape){1, {5}});
    subject_node(&s, "Add", "hidden_bias", "h,hidden.b", "hb");
    subject_initializer(&s, "fc.w", THAW_FLOAT32, (thaw_shape){2, {7, 5}});
    subject_node(&s, "Transpose", "turn", "fc.w", "fc.wt");
    subject_node(&s, "MatMul", "fc", "hb,fc.wt", "y");
    subject_output(&s, "y", (thaw_shape){2, {-1, 7}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&s, &model), THAW_OK);
    subject_close(&s);
    return model;
}

/* An encoder block of width 4: attention of one head, then a layer, each behind a norm and with a shortcut. */
static void encoder(onnx_subject *s, const char *block, const char *from, const char *to)
{
    static const struct {
        const char *type, *name, *inputs, *output;
    } nodes[] = {{"LayerNormalization", "norm", "<,$n,$m", "1"},
                 {"MatMul", "query", "$1,$q", "2"},
                 {"Transpose", "turn", "$1", "3"},
                 {"MatMul", "scores", "$2,$3", "4"},
                 {"Mul", "scaled", "$4,half", "5"},
                 {"Softmax", "shares", "$5", "6"},
                 {"MatMul", "attended", "$6,$1", "7"},
                 {"Add", "first", "<,$7", "8"},
                 {"MatMul", "layer", "$8,$w", "9"},
                 {"Add", "second", "$8,$9", ">"}};
    char name[32], text[64];
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        size_t length = 0;
        for (const char *c = nodes[i].inputs; *c; c++)
            length += (size_t)snprintf(text + length, sizeof text - length, "%.*s", *c == '$' || *c == '<' ? 31 : 1,
                                       *c == '$'   ? block
                                       : *c == '<' ? from
                                                   : c);
        snprintf(name, sizeof name, "%s%s", block, nodes[i].output);
        const char *output = nodes[i].output[0] == '>' ? to : subject_text(s, name);
        snprintf(name, sizeof name, "%s.%s", block, nodes[i].name);
        onnx_node *node = subject_node(s, nodes[i].type, subject_text(s, name), subject_text(s, text), output);
        if (strcmp(nodes[i].type, "Softmax") == 0)
            subject_attribute(s, node, "axis", -1);
        if (strcmp(nodes[i].type, "Transpose") == 0)
            integers(s, node, "perm", (const int64_t[]){0, 2, 1}, 3);
    }
    static const char *const weights[] = {"q", "w", "n", "m"};
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        snprintf(name, sizeof name, "%s%s", block, weights[i]);
        subject_initializer(s, subject_text(s, name), THAW_FLOAT32,
                            i < 2 ? (thaw_shape){2, {4, 4}} : (thaw_shape){1, {4}});
    }
}

/* Tokens made of an image, two encoder blocks a and b, something between them that merges tokens in a larger net, a
 * layer of all tokens, the classifier. */
static thaw_model *make_transformer(void)
{
    onnx_subject s = {0};
    thaw_model *model;
    subject_open(&s);
    s.opset.version = 17;
    subject_input(&s, "x", (thaw_shape){4, {-1, 3, 8, 8}});
    conv(&s, "patches", "x", "p", 3, 4, 4, 4);
    onnx_tensor *shape = subject_initializer(&s, "tokens.shape", THAW_INT64, (thaw_shape){1, {3}});
    memcpy(shape->raw_data.data, (const int64_t[]){0, 9, 4}, 3 * sizeof(int64_t));
    subject_node(&s, "Reshape", "tokens", "p,tokens.shape", "t");
    subject_initializer(&s, "half", THAW_FLOAT32, (thaw_shape){0, {0}});
    encoder(&s, "a", "t", "u");
    subject_initializer(&s, "merge.w", THAW_FLOAT32, (thaw_shape){2, {4, 4}});
    subject_node(&s, "MatMul", "merge", "u,merge.w", "v");
    encoder(&s, "b", "v", "z");
    subject_attribute(&s, subject_node(&s, "Flatten", "flatten", "z", "f"), "axis", 1);
    subject_initializer(&s, "hidden.w", THAW_FLOAT32, (thaw_shape){2, {36, 5}});
    subject_node(&s, "MatMul", "hidden", "f,hidden.w", "h");
    subject_initializer(&s, "fc.w", THAW_FLOAT32, (thaw_shape){2, {5, 7}});
    subject_node(&s, "MatMul", "fc", "h,fc.w", "y");
    subject_output(&s, "y", (thaw_shape){2, {-1, 7}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&s, &model), THAW_OK);
    subject_close(&s);
    return model;
}

typedef struct placed {
    const char *name;
    int32_t stage;
} placed;

/* Closes the model. */
static void check_stages(thaw_model *model, const placed *wanted, size_t count)
{
    thaw_layer_list *list;
    CU_ASSERT_EQUAL_FATAL(thaw_model_layers(model, 0, 0, &list), THAW_OK);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < list->count && strcmp(list->layers[k].name, wanted[i].name) != 0)
            k++;
        CU_ASSERT_FATAL(k < list->count);
        CU_ASSERT_EQUAL(list->layers[k].stage, wanted[i].stage);
    }
    thaw_layer_list_free(&list);
    thaw_model_close(&model);
}

static void stages(void)
{
    static const placed wanted[] = {{"stem", 3}, {"left", 2},   {"left_norm", 2},   {"right", 2},
                                    {"join", 2}, {"hidden", 1}, {"hidden_bias", 1}, {"fc", 0}};
    check_stages(make_net(), wanted, sizeof wanted / sizeof wanted[0]);
}

/* What is reduced is normalised first, with its channels turned to the end, as ConvNeXt does. */
static void stages_with_norms(void)
{
    static const placed wanted[] = {{"stem", 2}, {"there", 1}, {"norm", 1}, {"back", 1}, {"down", 1}, {"fc", 0}};
    onnx_subject s = {0};
    thaw_model *model;
    subject_open(&s);
    s.opset.version = 17;
    subject_input(&s, "x", (thaw_shape){4, {-1, 3, 8, 8}});
    conv(&s, "stem", "x", "a", 3, 4, 3, 1);
    integers(&s, subject_node(&s, "Transpose", "there", "a", "b"), "perm", (const int64_t[]){0, 2, 3, 1}, 4);
    subject_initializer(&s, "scale", THAW_FLOAT32, (thaw_shape){1, {4}});
    subject_node(&s, "LayerNormalization", "norm", "b,scale", "c");
    integers(&s, subject_node(&s, "Transpose", "back", "c", "d"), "perm", (const int64_t[]){0, 3, 1, 2}, 4);
    conv(&s, "down", "d", "e", 4, 6, 3, 2);
    subject_node(&s, "GlobalAveragePool", "pool", "e", "p");
    subject_attribute(&s, subject_node(&s, "Flatten", "flatten", "p", "f"), "axis", 1);
    subject_initializer(&s, "fc.w", THAW_FLOAT32, (thaw_shape){2, {6, 7}});
    subject_node(&s, "MatMul", "fc", "f,fc.w", "y");
    subject_output(&s, "y", (thaw_shape){2, {-1, 7}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&s, &model), THAW_OK);
    subject_close(&s);
    check_stages(model, wanted, sizeof wanted / sizeof wanted[0]);
}

/* A transformer's stages are its encoder blocks, whatever shapes attention has. */
static void stages_of_blocks(void)
{
    static const placed wanted[] = {{"patches", 4},  {"a.norm", 3},   {"a.scores", 3}, {"a.first", 3},
                                    {"a.layer", 3},  {"a.second", 3}, {"merge", 2},    {"b.norm", 2},
                                    {"b.shares", 2}, {"b.second", 2}, {"hidden", 1},   {"fc", 0}};
    check_stages(make_transformer(), wanted, sizeof wanted / sizeof wanted[0]);
}

/* "a b c": the values that are marked so. */
static void check_marks(const thaw_model *model, const char *trainable, const char *updated)
{
    char got[2][512] = {"", ""};
    for (size_t i = 0; i < model->graph->value_count; i++) {
        const thaw_value *value = model->graph->values[i];
        CU_ASSERT(!(value->trainable && value->updated));
        char *into = got[value->updated];
        if (value->trainable || value->updated)
            snprintf(into + strlen(into), 512 - strlen(into), "%s%s", into[0] ? " " : "", value->name);
    }
    CU_ASSERT_STRING_EQUAL(got[0], trainable);
    CU_ASSERT_STRING_EQUAL(got[1], updated);
}

static void marks(void)
{
    static const struct {
        thaw_freeze_options options;
        const char *trainable, *updated;
    } cases[] = {
        {{NULL, 0, NULL, false}, "fc.w", ""},
        {{NULL, 1, NULL, false}, "hidden.w hidden.b fc.w", ""},
        {{NULL, 2, NULL, false}, "left.w right.w hidden.w hidden.b fc.w", ""},
        {{NULL, 2, NULL, true},
         "left.w left_norm.scale left_norm.shift right.w hidden.w hidden.b fc.w",
         "left_norm.mean left_norm.var"},
        {{"none", 0, NULL, true},
         "stem.w stem_norm.scale stem_norm.shift left.w left_norm.scale left_norm.shift right.w hidden.w hidden.b fc.w",
         "stem_norm.mean stem_norm.var left_norm.mean left_norm.var"},
        {{"left", 0, NULL, true},
         "left_norm.scale left_norm.shift right.w hidden.w hidden.b fc.w",
         "left_norm.mean left_norm.var"},
        {{NULL, 0, "r?ght,*.b", false}, "right.w hidden.b fc.w", ""},
        {{NULL, 0, "*_norm.scale", true},
         "stem_norm.scale left_norm.scale fc.w",
         "stem_norm.mean stem_norm.var left_norm.mean left_norm.var"},
    };
    thaw_model *model = make_net();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(thaw_model_freeze(model, &cases[i].options, 0, 0), THAW_OK);
        check_marks(model, cases[i].trainable, cases[i].updated);
    }
    const thaw_freeze_options norms = {NULL, 0, "left_norm", false};
    CU_ASSERT_EQUAL(thaw_model_freeze(model, &norms, 0, 0), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "batch norms stay frozen"));
    thaw_model_close(&model);
}

/* Layer norms are trained with the layers around them, and are no weights, which decay. */
static void layer_norms(void)
{
    static const struct {
        thaw_freeze_options options;
        const char *trainable;
    } cases[] = {
        {{NULL, 0, NULL, false}, "fc.w"},
        {{NULL, 2, NULL, false}, "merge.w bq bw bn bm hidden.w fc.w"},
        {{"b.norm", 0, NULL, false}, "bq bw hidden.w fc.w"},
        {{NULL, 0, "?n", false}, "an bn fc.w"},
    };
    thaw_model *model = make_transformer();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(thaw_model_freeze(model, &cases[i].options, 0, 0), THAW_OK);
        check_marks(model, cases[i].trainable, "");
    }
    thaw_value **origins = calloc(model->graph->value_count, sizeof *origins);
    CU_ASSERT_FATAL(origins != NULL);
    thaw_roles_trace(model->graph, origins);
    static const struct {
        const char *name;
        thaw_role role;
    } roles[] = {{"an", THAW_ROLE_SCALE}, {"am", THAW_ROLE_BIAS}, {"aw", THAW_ROLE_WEIGHT}, {"half", THAW_ROLE_NONE}};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        CU_ASSERT_EQUAL(thaw_role_of_value(model->graph, thaw_graph_find_value(model->graph, roles[i].name), origins),
                        roles[i].role);
    free(origins);
    thaw_model_close(&model);
}

/* A weight that a frozen layer reads too stays frozen. */
static void shared(void)
{
    onnx_subject s = {0};
    thaw_model *model;
    subject_open(&s);
    subject_input(&s, "x", (thaw_shape){2, {-1, 4}});
    subject_initializer(&s, "w", THAW_FLOAT32, (thaw_shape){2, {4, 4}});
    subject_initializer(&s, "v", THAW_FLOAT32, (thaw_shape){2, {4, 3}});
    subject_node(&s, "MatMul", "one", "x,w", "a");
    subject_node(&s, "MatMul", "two", "a,w", "b");
    subject_node(&s, "MatMul", "three", "b,v", "y");
    subject_output(&s, "y", (thaw_shape){2, {-1, 3}});
    CU_ASSERT_EQUAL_FATAL(subject_load(&s, &model), THAW_OK);
    subject_close(&s);
    const thaw_freeze_options until = {"one", 0, NULL, false}, none = {"none", 0, NULL, false};
    CU_ASSERT_EQUAL(thaw_model_freeze(model, &until, 0, 0), THAW_OK);
    check_marks(model, "v", "");
    CU_ASSERT_EQUAL(thaw_model_freeze(model, &none, 0, 0), THAW_OK);
    check_marks(model, "w v", "");
    thaw_model_close(&model);
}

static void moments(const thaw_model *model, const char *name, double *mean, double *deviation, double *largest)
{
    const thaw_tensor *tensor = thaw_graph_find_value(model->graph, name)->constant;
    *mean = *deviation = *largest = 0;
    for (int64_t i = 0; i < tensor->count; i++)
        *mean += thaw_tensor_get(tensor, i) / (double)tensor->count;
    for (int64_t i = 0; i < tensor->count; i++) {
        *deviation += pow(thaw_tensor_get(tensor, i) - *mean, 2) / (double)tensor->count;
        *largest = fmax(*largest, fabs(thaw_tensor_get(tensor, i)));
    }
    *deviation = sqrt(*deviation);
}

static void reinitialised(void)
{
    thaw_model *model = make_net();
    double mean, deviation, largest;
    CU_ASSERT_EQUAL_FATAL(thaw_model_reinitialise(model, 5), THAW_OK);
    moments(model, "left.w", &mean, &deviation, &largest); /* 6 outputs, 3 x 3 */
    CU_ASSERT_DOUBLE_EQUAL(mean, 0, 0.05);
    CU_ASSERT_DOUBLE_EQUAL(deviation, sqrt(2.0 / 54), 0.03);
    moments(model, "hidden.w", &mean, &deviation, &largest); /* 6 inputs */
    CU_ASSERT(largest <= 1 / sqrt(6) && largest > 0.8 / sqrt(6));
    moments(model, "fc.w", &mean, &deviation, &largest); /* 5 inputs, behind a Transpose */
    CU_ASSERT(largest <= 1 / sqrt(5) && largest > 0.8 / sqrt(5));
    moments(model, "left_norm.var", &mean, &deviation, &largest);
    CU_ASSERT(fabs(mean - 1) < 1e-12 && deviation < 1e-12);
    moments(model, "left_norm.shift", &mean, &deviation, &largest);
    CU_ASSERT(largest == 0);
    thaw_model_close(&model);
}

/* What training changes in a file: weights of convolutions, norms with their statistics; nothing else. */
static void written(void)
{
    static const char *const changed[] = {"left.w", "left_norm.scale", "left_norm.var", "hidden.b"};
    thaw_model *model = make_net(), *loaded;
    char path[256];
    for (size_t i = 0; i < 4; i++) {
        thaw_value *value = thaw_graph_find_value(model->graph, changed[i]);
        thaw_tensor *tensor;
        CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_FLOAT32, &value->constant->shape, &tensor),
                              THAW_OK);
        for (int64_t k = 0; k < tensor->count; k++)
            ((float *)tensor->data)[k] = (float)k - 0.5f;
        thaw_tensor_release(&value->constant);
        value->constant = tensor;
    }
    snprintf(path, sizeof path, "%s/changed.onnx", test_folder());
    CU_ASSERT_EQUAL_FATAL(thaw_model_save(model, path), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), path, &loaded), THAW_OK);
    CU_ASSERT_EQUAL(loaded->graph->value_count, model->graph->value_count);
    for (size_t i = 0; i < model->graph->value_count; i++) {
        const thaw_tensor *here = model->graph->values[i]->constant;
        const thaw_value *there = thaw_graph_find_value(loaded->graph, model->graph->values[i]->name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(there);
        CU_ASSERT_EQUAL(here == NULL, there->constant == NULL);
        if (here)
            CU_ASSERT(here->bytes == there->constant->bytes &&
                      memcmp(here->data, there->constant->data, here->bytes) == 0);
    }
    thaw_model_close(&loaded);
    thaw_model_close(&model);
}

void suite_freeze(void)
{
    static const test_entry tests[] = {{"stages", stages},
                                       {"stages with norms", stages_with_norms},
                                       {"stages of blocks", stages_of_blocks},
                                       {"marks", marks},
                                       {"layer norms", layer_norms},
                                       {"shared weights", shared},
                                       {"from scratch", reinitialised},
                                       {"written", written}};
    TEST_SUITE("freeze", tests);
}
