/* Models of bare weights: what is recognised, what is refused and how it is told, what is written. */
#include "op_harness.h"
#include "test.h"
#include "weights_subject.h"

#include "base/file.h"
#include "base/random.h"
#include "format/weights.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 32 };

static const char *path_of(const char *name)
{
    static char paths[4][256];
    static size_t turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
    return path;
}

static thaw_safetensor *find(weights_subject *s, const char *name)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->tensors[i].name, name) != 0)
        i++;
    CU_ASSERT_FATAL(i < s->count);
    return &s->tensors[i];
}

static void write_subject(const weights_subject *s, const char *path)
{
    CU_ASSERT_EQUAL_FATAL(thaw_safetensors_write(test_context(), path, s->tensors, s->count, NULL, 0), THAW_OK);
}

static void write_text(const char *path, const char *text)
{
    CU_ASSERT_EQUAL_FATAL(thaw_file_write(test_context(), path, text, strlen(text)), THAW_OK);
}

/* Loads what must be good. */
static thaw_model *load(const char *path)
{
    thaw_model *model;
    const thaw_status status = thaw_model_load(test_context(), path, &model);
    if (status != THAW_OK)
        printf("%s\n", thaw_error_message(test_context()));
    CU_ASSERT_EQUAL_FATAL(status, THAW_OK);
    return model;
}

/* The status of what must be refused; the reason must hold each of the texts, up to a NULL. */
static void check_refused(const char *path, thaw_status wanted, const char *const *texts)
{
    thaw_model *model;
    const thaw_status status = thaw_model_load(test_context(), path, &model);
    CU_ASSERT_EQUAL(status, wanted);
    CU_ASSERT((model != NULL) == (status == THAW_OK));
    for (; status != THAW_OK && *texts; texts++)
        if (!strstr(thaw_error_message(test_context()), *texts)) {
            printf("no '%s' in: %s\n", *texts, thaw_error_message(test_context()));
            CU_FAIL("the reason lacks something");
        }
    thaw_model_close(&model);
}

/* What the model makes of an image of random numbers. */
static thaw_tensor *run(thaw_model *model)
{
    const thaw_shape shape = {4, {1, 3, SIDE, SIDE}};
    thaw_random random = {7};
    thaw_tensor *image, *output;
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(test_context(), THAW_FLOAT32, &shape, &image), THAW_OK);
    for (int64_t i = 0; i < image->count; i++)
        ((float *)image->data)[i] = (float)thaw_random_uniform(&random);
    CU_ASSERT_EQUAL_FATAL(thaw_model_run(model, test_device(), &image, 1, &output, 1), THAW_OK);
    thaw_tensor_release(&image);
    return output;
}

static bool same_bytes(const char *first, const char *second)
{
    uint8_t *a, *b;
    size_t a_size, b_size;
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), first, 1 << 24, &a, &a_size), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), second, 1 << 24, &b, &b_size), THAW_OK);
    const bool same = a_size == b_size && memcmp(a, b, a_size) == 0;
    free(a);
    free(b);
    return same;
}

/* --- what is recognised ------------------------------------------------------------------------------------------- */

/* Safetensors to ONNX to safetensors to ONNX: the same numbers, the same tensors, the same bytes. */
static void test_there_and_back(void)
{
    weights_subject s;
    weights_subject_make(&s);
    write_subject(&s, path_of("a.safetensors"));
    thaw_model *model = load(path_of("a.safetensors"));
    CU_ASSERT_STRING_EQUAL(thaw_model_metadata(model, "thaw.architecture"), "mobilenet_v1");
    CU_ASSERT_STRING_EQUAL(thaw_model_metadata(model, "thaw.tensor_names"), "timm");
    CU_ASSERT_EQUAL_FATAL(thaw_model_save(model, path_of("a.onnx")), THAW_OK);
    thaw_model *converted = load(path_of("a.onnx"));
    thaw_tensor *first = run(model), *second = run(converted);
    CU_ASSERT(thaw_shape_equal(&first->shape, &(thaw_shape){2, {1, SUBJECT_CLASSES}}));
    CU_ASSERT(memcmp(first->data, second->data, first->bytes) == 0);
    CU_ASSERT_EQUAL(thaw_model_save_weights(converted, path_of("b.safetensors")), THAW_OK);
    thaw_model *back = load(path_of("b.safetensors"));
    CU_ASSERT_EQUAL(thaw_model_save_weights(back, path_of("c.safetensors")), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_save(back, path_of("b.onnx")), THAW_OK);
    CU_ASSERT(same_bytes(path_of("a.onnx"), path_of("b.onnx")));
    CU_ASSERT(same_bytes(path_of("b.safetensors"), path_of("c.safetensors")));
    thaw_safetensors file;
    CU_ASSERT_EQUAL_FATAL(thaw_safetensors_read(test_context(), path_of("b.safetensors"), 1 << 24, &file), THAW_OK);
    CU_ASSERT_EQUAL(file.count, s.count);
    for (size_t i = 0; i < s.count; i++) {
        const thaw_safetensor *found = thaw_safetensors_find(&file, s.names[i]);
        CU_ASSERT(found && found->bytes == s.tensors[i].bytes &&
                  memcmp(found->data, s.tensors[i].data, found->bytes) == 0);
    }
    thaw_safetensors_free(&file);
    thaw_tensor_release(&first);
    thaw_tensor_release(&second);
    thaw_model_close(&model);
    thaw_model_close(&converted);
    thaw_model_close(&back);
}

/* Weights of any floating type are computed in float32; PyTorch's counters don't matter. */
static void test_types(void)
{
    static const thaw_dtype types[] = {THAW_FLOAT16, THAW_BFLOAT16, THAW_FLOAT64};
    static uint8_t bytes[3][SUBJECT_MOST_NUMBERS * 8];
    static const int64_t steps = 5;
    weights_subject s;
    weights_subject_make(&s);
    size_t used[3] = {0};
    for (size_t i = 0; i < s.count; i++) {
        const size_t t = i % 4;
        thaw_tensor stored = {.shape = s.tensors[i].shape, .count = thaw_shape_size(&s.tensors[i].shape)};
        if (t == 3)
            continue;
        stored.dtype = types[t];
        stored.bytes = (size_t)stored.count * thaw_dtype_bytes(types[t]);
        stored.data = bytes[t] + used[t];
        for (int64_t j = 0; j < stored.count; j++)
            thaw_tensor_set(&stored, j, (double)((const float *)s.tensors[i].data)[j]);
        s.tensors[i] = (thaw_safetensor){s.names[i], types[t], stored.shape, stored.data, stored.bytes};
        used[t] += stored.bytes;
    }
    s.tensors[s.count++] = (thaw_safetensor){"bn1.num_batches_tracked", THAW_INT64, {0}, &steps, sizeof steps};
    write_subject(&s, path_of("types.safetensors"));
    thaw_model *model = load(path_of("types.safetensors"));
    for (size_t i = 0; i + 1 < s.count; i++) {
        const thaw_value *value = thaw_graph_find_value(model->graph, s.tensors[i].name);
        thaw_tensor stored = {.dtype = s.tensors[i].dtype, .count = 1, .data = (void *)(uintptr_t)s.tensors[i].data};
        CU_ASSERT_FATAL(value && value->constant && value->constant->dtype == THAW_FLOAT32);
        CU_ASSERT_EQUAL(thaw_tensor_get(value->constant, 0), thaw_tensor_get(&stored, 0));
    }
    CU_ASSERT_PTR_NULL(thaw_graph_find_value(model->graph, "bn1.num_batches_tracked"));
    thaw_model_close(&model);
}

/* A head that Thaw has put in is called what the old one was: the file is one of the architecture again. */
static void test_new_head(void)
{
    static const char *const names[] = {"one", "two", "three", "four", "five"};
    weights_subject s;
    weights_subject_make(&s);
    write_subject(&s, path_of("head.safetensors"));
    thaw_model *model = load(path_of("head.safetensors"));
    CU_ASSERT_EQUAL_FATAL(thaw_model_replace_head(model, 5, NULL, 1), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_set_classes(model, names, 5), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_save_weights(model, path_of("five.safetensors")), THAW_OK);
    thaw_model *again = load(path_of("five.safetensors"));
    CU_ASSERT_EQUAL(thaw_model_class_count(again), 5);
    const thaw_value *weight = thaw_graph_find_value(again->graph, "classifier.weight");
    CU_ASSERT(weight && weight->constant->shape.dims[0] == 5);
    thaw_tensor *first = run(model), *second = run(again);
    CU_ASSERT_EQUAL_FATAL(first->count, second->count);
    for (int64_t i = 0; i < first->count; i++) /* what is to be trained is computed by another algorithm */
        CU_ASSERT_DOUBLE_EQUAL(((float *)first->data)[i], ((float *)second->data)[i], 1e-4);
    thaw_tensor_release(&first);
    thaw_tensor_release(&second);
    thaw_model_close(&model);
    thaw_model_close(&again);
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void spoil_nothing(weights_subject *s)
{
    (void)s;
}
static void spoil_missing(weights_subject *s)
{
    *find(s, "blocks.2.1.conv_pw.weight") = s->tensors[--s->count];
}
static void spoil_renamed(weights_subject *s)
{
    find(s, "blocks.3.4.bn2.bias")->name = "blocks.3.4.bn2.beta";
}
static void spoil_shape(weights_subject *s)
{
    find(s, "blocks.4.1.conv_pw.weight")->shape = (thaw_shape){4, {16, 64, 1, 1}};
}
static void spoil_rank(weights_subject *s)
{
    find(s, "classifier.bias")->shape = (thaw_shape){2, {1, SUBJECT_CLASSES}};
}
static void spoil_type(weights_subject *s)
{
    find(s, "bn1.weight")->dtype = THAW_INT32;
}
static void spoil_empty_head(weights_subject *s)
{
    thaw_safetensor *head = find(s, "classifier.weight");
    head->shape = (thaw_shape){2, {INT64_C(1) << 40, 0}};
    head->bytes = 0;
}
static void spoil_all(weights_subject *s)
{
    spoil_renamed(s);
    spoil_shape(s);
}
static void spoil_names(weights_subject *s)
{
    for (size_t i = 0; i < s->count; i++)
        s->names[i][0] = 'x';
}
static void spoil_everything(weights_subject *s)
{
    s->count = 0;
}

static void test_misfits(void)
{
    static const struct {
        void (*spoil)(weights_subject *);
        thaw_status status;
        const char *texts[5];
    } cases[] = {
        {spoil_nothing, THAW_OK, {NULL}},
        {spoil_missing, THAW_ERR_MODEL, {"mobilenet_v1", "1 missing: blocks.2.1.conv_pw.weight [8,8,1,1]", NULL}},
        {spoil_renamed,
         THAW_ERR_MODEL,
         {"1 missing: blocks.3.4.bn2.bias [16]", "1 unexpected: blocks.3.4.bn2.beta [16]", NULL}},
        {spoil_shape,
         THAW_ERR_MODEL,
         {"1 of another shape or type: blocks.4.1.conv_pw.weight is float32 [16,64,1,1] and not [32,32,1,1]", NULL}},
        {spoil_rank, THAW_ERR_MODEL, {"classifier.bias is float32 [1,3] and not [3]", NULL}},
        {spoil_type, THAW_ERR_MODEL, {"bn1.weight is int32 [1] and not [1]", NULL}},
        {spoil_empty_head, THAW_ERR_MODEL, {"classifier.weight", "classifier.bias", NULL}},
        {spoil_all, THAW_ERR_MODEL, {"1 missing", "1 of another", "1 unexpected", "conv_pw", NULL}},
        {spoil_names, THAW_ERR_MODEL, {"none of its 137 tensors", NULL}},
        {spoil_everything, THAW_ERR_MODEL, {"none of its 0 tensors", NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weights_subject s;
        weights_subject_make(&s);
        cases[i].spoil(&s);
        write_subject(&s, path_of("misfit.safetensors"));
        check_refused(path_of("misfit.safetensors"), cases[i].status, cases[i].texts);
    }
}

static void test_architecture(void)
{
    static const struct {
        const char *file, *name;
        thaw_status status;
    } cases[] = {
        {"named.safetensors", "mobilenet_v1", THAW_OK},
        {"named.safetensors", "mobilenetv1_100", THAW_OK},
        {"named.safetensors", "mobilenet", THAW_ERR_USAGE},
        {"named.safetensors", "", THAW_ERR_USAGE},
        {"named.safetensors", "resnet18", THAW_ERR_MODEL},
        {"named.onnx", "mobilenet_v1", THAW_ERR_USAGE},
        {"named.onnx", NULL, THAW_OK},
    };
    weights_subject s;
    weights_subject_make(&s);
    write_subject(&s, path_of("named.safetensors"));
    thaw_model *model = load(path_of("named.safetensors"));
    CU_ASSERT_EQUAL_FATAL(thaw_model_save(model, path_of("named.onnx")), THAW_OK);
    thaw_model_close(&model);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(thaw_model_load_as(test_context(), path_of(cases[i].file), cases[i].name, &model),
                        cases[i].status);
        thaw_model_close(&model);
    }
}

/* Every byte of the header spoilt in turn: whatever comes of it, nothing breaks. */
static void test_spoilt_headers(void)
{
    weights_subject s;
    uint8_t *bytes;
    size_t size;
    weights_subject_make(&s);
    write_subject(&s, path_of("whole.safetensors"));
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), path_of("whole.safetensors"), 1 << 24, &bytes, &size),
                          THAW_OK);
    const size_t header = 8 + (size_t)bytes[0] + 256 * (size_t)bytes[1];
    thaw_random random = {3};
    size_t refused = 0;
    for (size_t i = 0; i < header; i += 5) {
        static const char marks[] = "0159-,:[]{}\"\\eE. ";
        const uint8_t before = bytes[i];
        thaw_model *model;
        bytes[i] = (uint8_t)marks[(size_t)(thaw_random_uniform(&random) * (sizeof marks - 1))];
        CU_ASSERT_EQUAL_FATAL(thaw_file_write(test_context(), path_of("spoilt.safetensors"), bytes, size), THAW_OK);
        refused += thaw_model_load(test_context(), path_of("spoilt.safetensors"), &model) != THAW_OK;
        thaw_model_close(&model);
        bytes[i] = before;
    }
    CU_ASSERT(refused > header / 10);
    free(bytes);
}

/* --- several files ------------------------------------------------------------------------------------------------ */

static void write_shards(const weights_subject *s, const char *index)
{
    const size_t half = s->count / 2;
    CU_ASSERT_EQUAL_FATAL(thaw_safetensors_write(test_context(), path_of("1.safetensors"), s->tensors, half, NULL, 0),
                          THAW_OK);
    CU_ASSERT_EQUAL_FATAL(
        thaw_safetensors_write(test_context(), path_of("2.safetensors"), s->tensors + half, s->count - half, NULL, 0),
        THAW_OK);
    write_text(path_of("s.index.json"), index);
}

/* The index of the two files; the last tensor's entry is `last`, as it stands there. */
static char *index_text(const weights_subject *s, const char *last)
{
    thaw_text text = {0};
    thaw_text_append(&text, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    for (size_t i = 0; i + 1 < s->count; i++)
        thaw_text_append(&text, "\"%s\":\"%d.safetensors\",", s->names[i], i < s->count / 2 ? 1 : 2);
    thaw_text_append(&text, "%s}}", last);
    CU_ASSERT_FATAL(!text.failed);
    return text.data;
}

static void test_shards(void)
{
    static const struct {
        const char *last;
        thaw_status status;
        const char *texts[2];
    } cases[] = {
        {"\"classifier.bias\":\"2.safetensors\"", THAW_OK, {NULL}},
        {"\"classifier.bias\":\"1.safetensors\"", THAW_ERR_MODEL, {"classifier.bias"}},
        {"\"classifier.bias\":\"3.safetensors\"", THAW_ERR_IO, {"3.safetensors"}},
        {"\"classifier.bias\":\"../2.safetensors\"", THAW_ERR_MODEL, {"beside"}},
        {"\"classifier.bias\":\"/etc/passwd\"", THAW_ERR_MODEL, {"beside"}},
        {"\"classifier.bias\":\"..\"", THAW_ERR_MODEL, {"beside"}},
        {"\"classifier.bias\":\"\"", THAW_ERR_MODEL, {"beside"}},
        {"\"classifier.bias\":2", THAW_ERR_MODEL, {"beside"}},
        {"\"classifier.beta\":\"2.safetensors\"", THAW_ERR_MODEL, {"nothing about it"}},
        {"\"classifier.bias\":\"2.safetensors\",\"more\":\"2.safetensors\"", THAW_ERR_MODEL, {"'more' is not in"}},
        {"\"classifier.bias\":\"2.safetensors\",\"bn1.bias\":\"1.safetensors\"", THAW_ERR_MODEL, {"duplicate"}},
        {"\"classifier.bias\":\"2.safetensors\"}", THAW_ERR_MODEL, {"JSON"}},
    };
    weights_subject s;
    weights_subject_make(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const texts[] = {cases[i].texts[0], NULL};
        char *index = index_text(&s, cases[i].last);
        write_shards(&s, index);
        check_refused(path_of("s.index.json"), cases[i].status, texts);
        free(index);
    }
    static const char *const nothing[] = {NULL};
    write_text(path_of("s.index.json"), "{\"weight_map\":{}}");
    check_refused(path_of("s.index.json"), THAW_ERR_MODEL, nothing);
    write_text(path_of("s.index.json"), "{\"weight_map\":[]}");
    check_refused(path_of("s.index.json"), THAW_ERR_MODEL, nothing);
}

/* --- a folder from a hub -------------------------------------------------------------------------------------------
 */

static void make_hub(const char *config)
{
    weights_subject s;
    weights_subject_make(&s);
    mkdir(path_of("hub"), 0777);
    write_subject(&s, path_of("hub/model.safetensors"));
    write_text(path_of("hub/config.json"), config);
}

static void test_config(void)
{
    make_hub("{\"architecture\":\"mobilenetv1_100\",\"num_classes\":3,\"label_names\":[\"a\",\"b\",\"c\"],"
             "\"pretrained_cfg\":{\"input_size\":[3,192,160],\"mean\":[0.5,0.25,0.125],\"std\":[1,2,3],"
             "\"crop_pct\":0.9,\"interpolation\":\"bicubic\"}}");
    static const char *const ways[] = {"hub", "hub/", "hub/model.safetensors"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        thaw_model *model = load(path_of(ways[i]));
        thaw_preprocess p = {0};
        CU_ASSERT(thaw_model_preprocess(model, &p));
        CU_ASSERT(p.height == 192 && p.width == 160 && p.resize == 177 && p.interpolation == THAW_BICUBIC && !p.bgr);
        CU_ASSERT(p.mean[1] == 0.25f && p.std[2] == 3 && p.scale == 1.0f / 255);
        CU_ASSERT_EQUAL_FATAL(thaw_model_class_count(model), 3);
        CU_ASSERT_STRING_EQUAL(thaw_model_class_name(model, 2), "c");
        thaw_model_close(&model);
    }
    /* What the file itself says goes before. */
    thaw_model *model = load(path_of("hub"));
    const char *const names[] = {"x", "y", "z"};
    CU_ASSERT_EQUAL(thaw_model_set_classes(model, names, 3), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_save_weights(model, path_of("hub/model.safetensors")), THAW_OK);
    thaw_model_close(&model);
    model = load(path_of("hub"));
    CU_ASSERT_STRING_EQUAL(thaw_model_class_name(model, 0), "x");
    thaw_model_close(&model);
}

static void test_config_cases(void)
{
    static const struct {
        const char *config;
        thaw_status status;
        const char *texts[2];
    } cases[] = {
        {"{}", THAW_OK, {NULL}},
        {"{\"architecture\":null,\"label_names\":null,\"pretrained_cfg\":null}", THAW_OK, {NULL}},
        {"{\"label_names\":[\"a\"]}", THAW_OK, {NULL}},
        {"{\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5],\"interpolation\":\"lanczos\"}", THAW_OK, {NULL}},
        {"{\"model_args\":{\"num_classes\":3,\"global_pool\":\"avg\",\"in_chans\":3},\"architecture\":\"mobilenetv1_"
         "125\"}",
         THAW_OK,
         {NULL}},
        {"{\"model_args\":{\"global_pool\":\"max\"}, \"architecture\":\"mobilenetv1_100\"}",
         THAW_ERR_UNSUPPORTED,
         {"global_pool"}},
        {"{\"model_args\":{\"act_layer\":\"gelu\"}, \"architecture\":\"mobilenetv1_100\"}",
         THAW_ERR_UNSUPPORTED,
         {"act_layer"}},
        {"", THAW_ERR_MODEL, {"JSON"}},
        {"[]", THAW_ERR_MODEL, {"JSON object"}},
        {"{\"a\":1,\"a\":2}", THAW_ERR_MODEL, {"duplicate"}},
        {"{\"architecture\":3}", THAW_ERR_MODEL, {"'architecture'"}},
        {"{\"architecture\":\"tf_efficientnet_b0\"}", THAW_ERR_UNSUPPORTED, {"tf_efficientnet_b0"}},
        {"{\"architecture\":\"resnet18\"}", THAW_ERR_MODEL, {"one of resnet18"}},
        {"{\"mean\":[1,2]}", THAW_ERR_MODEL, {"'mean'"}},
        {"{\"mean\":[1,2,\"3\"]}", THAW_ERR_MODEL, {"'mean'"}},
        {"{\"mean\":[0,0,0],\"std\":[1,0,1]}", THAW_ERR_MODEL, {"std"}},
        {"{\"input_size\":[1,28,28]}", THAW_ERR_MODEL, {"'input_size'"}},
        {"{\"input_size\":[3,0,28]}", THAW_ERR_MODEL, {"'input_size'"}},
        {"{\"input_size\":[3,99999,28]}", THAW_ERR_MODEL, {"height"}},
        {"{\"input_size\":[3,28,28],\"crop_pct\":0}", THAW_ERR_MODEL, {"'crop_pct'"}},
        {"{\"input_size\":[3,28,28],\"crop_pct\":\"1\"}", THAW_ERR_MODEL, {"'crop_pct'"}},
        {"{\"input_size\":[3,28,28],\"interpolation\":1}", THAW_ERR_MODEL, {"'interpolation'"}},
        {"{\"label_names\":[\"a\",\"b\",3]}", THAW_ERR_MODEL, {"'label_names'"}},
        {"{\"label_names\":[\"a\",\"b\",\"\"]}", THAW_ERR_MODEL, {"'label_names'"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const texts[] = {cases[i].texts[0], NULL};
        make_hub(cases[i].config);
        check_refused(path_of("hub"), cases[i].status, texts);
    }
    const char *const texts[] = {"model.safetensors", NULL};
    remove(path_of("hub/model.safetensors"));
    check_refused(path_of("hub"), THAW_ERR_IO, texts);
    remove(path_of("hub/config.json"));
}

/* Real weights, of which there is an ONNX file too: the same bits. */
static void test_mobilenet(void)
{
    char path[512];
    if (!test_shared("models/mobilenet_v1_0.25.safetensors")) {
        test_skip("weights: no material beside the repository");
        return;
    }
    snprintf(path, sizeof path, "%s", test_shared("models/mobilenet_v1_0.25.safetensors"));
    thaw_model *bare = load(path), *whole = load(test_shared("models/mobilenet_v1_0.25.onnx"));
    thaw_tensor *first = run(bare), *second = run(whole);
    CU_ASSERT(first->bytes == second->bytes && memcmp(first->data, second->data, first->bytes) == 0);
    CU_ASSERT_STRING_EQUAL(thaw_model_metadata(bare, "thaw.tensor_names"), "keras");
    thaw_tensor_release(&first);
    thaw_tensor_release(&second);
    thaw_model_close(&bare);
    thaw_model_close(&whole);
}

void suite_weights(void)
{
    static const test_entry tests[] = {
        {"there and back", test_there_and_back},
        {"types", test_types},
        {"a new head", test_new_head},
        {"misfits", test_misfits},
        {"architecture", test_architecture},
        {"spoilt headers", test_spoilt_headers},
        {"several files", test_shards},
        {"config.json", test_config},
        {"config.json, cases", test_config_cases},
        {"MobileNetV1 0.25", test_mobilenet},
    };
    TEST_SUITE("weights", tests);
}
