#include "format/hub_config.h"
#include "base/file.h"
#include "format/architectures/architecture.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_CONFIG_BYTES UINT64_C(64000000) /* names of 21000 classes take 2 MB */
#define USUAL_SIDE        224
#define USUAL_CROP        0.875

struct thaw_hub_config {
    thaw_context *context;
    char *path;
    json_t *json;
};

/* The reason with the file's path before it. */
static thaw_status THAW_PRINTF(3, 4) fail(const thaw_hub_config *config, thaw_status status, const char *format, ...)
{
    char reason[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return thaw_fail(config->context, status, "%s: %s", config->path, reason);
}

/* A field where timm writes it today, or where it was before: beside the architecture. */
static json_t *field(const thaw_hub_config *config, const char *name)
{
    json_t *inner = json_object_get(json_object_get(config->json, "pretrained_cfg"), name);
    json_t *value = inner ? inner : json_object_get(config->json, name);
    return json_is_null(value) ? NULL : value;
}

static thaw_status parse(thaw_hub_config *config)
{
    uint8_t *bytes;
    size_t size;
    json_error_t error;
    THAW_TRY(thaw_file_read(config->context, config->path, MOST_CONFIG_BYTES, &bytes, &size));
    config->json = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &error);
    free(bytes);
    if (!config->json)
        return fail(config, THAW_ERR_MODEL, "no JSON: %s", error.text);
    return json_is_object(config->json) ? THAW_OK : fail(config, THAW_ERR_MODEL, "no JSON object");
}

thaw_status thaw_hub_config_read(thaw_context *context, const char *path, thaw_hub_config **config)
{
    static const char name[] = "config.json";
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    struct stat facts;
    char *there;
    *config = NULL;
    THAW_TRY(thaw_allocate(context, length + sizeof name, 1, &there));
    memcpy(there, path, length);
    memcpy(there + length, name, sizeof name);
    if (stat(there, &facts) != 0) {
        free(there);
        return THAW_OK;
    }
    thaw_status status = thaw_allocate(context, 1, sizeof **config, config);
    if (status != THAW_OK) {
        free(there);
        return status;
    }
    **config = (thaw_hub_config){.context = context, .path = there};
    status = parse(*config);
    if (status != THAW_OK)
        thaw_hub_config_free(config);
    return status;
}

void thaw_hub_config_free(thaw_hub_config **config)
{
    if (!*config)
        return;
    json_decref((*config)->json);
    free((*config)->path);
    free(*config);
    *config = NULL;
}

/* --- architecture ------------------------------------------------------------------------------------------------- */

/* timm writes down how it pools: means over the map, or the class token, which is what the architectures here do. */
static bool is_usual_pool(const char *name, json_t *value)
{
    const char *text = json_string_value(value);
    return strcmp(name, "global_pool") == 0 && text && (strcmp(text, "avg") == 0 || strcmp(text, "token") == 0);
}

/* Arguments of timm's constructors that leave the tensors' names alone and change what is computed all the same would
 * go unnoticed: only these are known to be harmless. */
static thaw_status check_arguments(const thaw_hub_config *config)
{
    static const char *const harmless[] = {"num_classes", "img_size", "in_chans", "drop_rate", "drop_path_rate", NULL};
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(config->json, "model_args"), name, value)
    {
        size_t i = 0;
        while (harmless[i] && strcmp(harmless[i], name) != 0)
            i++;
        if (!harmless[i] && !is_usual_pool(name, value))
            return fail(config, THAW_ERR_UNSUPPORTED,
                        "model_args has '%s', which may change the architecture: name it (--architecture) if not",
                        name);
    }
    return THAW_OK;
}

thaw_status thaw_hub_config_architecture(const thaw_hub_config *config, const char **name)
{
    *name = NULL;
    json_t *value = config ? field(config, "architecture") : NULL;
    if (!value)
        return THAW_OK;
    const char *text = json_string_value(value);
    if (!text)
        return fail(config, THAW_ERR_MODEL, "'architecture' is no text");
    if (!thaw_architecture_find(text))
        return fail(config, THAW_ERR_UNSUPPORTED,
                    "the architecture '%s' is not built in (docs/safetensors.md): convert the model to ONNX where it "
                    "was made",
                    text);
    THAW_TRY(check_arguments(config));
    *name = text;
    return THAW_OK;
}

/* --- preprocessing ------------------------------------------------------------------------------------------------ */

static thaw_status read_triple(const thaw_hub_config *config, const char *name, float triple[3])
{
    json_t *list = field(config, name);
    if (!list)
        return THAW_OK;
    if (json_array_size(list) != 3)
        return fail(config, THAW_ERR_MODEL, "'%s' is no list of three numbers", name);
    for (size_t i = 0; i < 3; i++) {
        if (!json_is_number(json_array_get(list, i)))
            return fail(config, THAW_ERR_MODEL, "'%s' is no list of three numbers", name);
        triple[i] = (float)json_number_value(json_array_get(list, i));
    }
    return THAW_OK;
}

static thaw_status read_size(const thaw_hub_config *config, thaw_preprocess *preprocess)
{
    json_t *list = field(config, "input_size");
    if (!list)
        return THAW_OK;
    json_int_t channels, height, width;
    if (json_unpack(list, "[I,I,I!]", &channels, &height, &width) != 0 || channels != 3 || height < 1 ||
        height > INT32_MAX || width < 1 || width > INT32_MAX)
        return fail(config, THAW_ERR_MODEL, "'input_size' is not [3, height, width]");
    preprocess->height = (int32_t)height;
    preprocess->width = (int32_t)width;
    return THAW_OK;
}

static thaw_status read_interpolation(const thaw_hub_config *config, thaw_preprocess *preprocess)
{
    static const char *const names[] = {
        [THAW_NEAREST] = "nearest", [THAW_BILINEAR] = "bilinear", [THAW_BICUBIC] = "bicubic"};
    json_t *value = field(config, "interpolation");
    const char *text = json_string_value(value);
    if (!value)
        return THAW_OK;
    for (size_t i = 0; text && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(text, names[i]) == 0) {
            preprocess->interpolation = (thaw_interpolation)i;
            return THAW_OK;
        }
    if (!text)
        return fail(config, THAW_ERR_MODEL, "'interpolation' is no text");
    thaw_log(config->context, THAW_LOG_WARNING, "%s: the interpolation '%s' is not known, taking bicubic", config->path,
             text);
    preprocess->interpolation = THAW_BICUBIC;
    return THAW_OK;
}

/* The shorter side before the crop, as timm computes it: rounded down. */
static thaw_status read_crop(const thaw_hub_config *config, thaw_preprocess *preprocess)
{
    json_t *value = field(config, "crop_pct"), *mode = field(config, "crop_mode");
    const double share = json_is_number(value) ? json_number_value(value) : USUAL_CROP;
    const int32_t side = preprocess->width < preprocess->height ? preprocess->width : preprocess->height;
    if ((value && !json_is_number(value)) || !(share > 0.05 && share <= 1))
        return fail(config, THAW_ERR_MODEL, "'crop_pct' is no number from 0.05 to 1");
    preprocess->resize = (int32_t)floor(side / share);
    if (json_is_string(mode) && strcmp(json_string_value(mode), "squash") == 0)
        preprocess->resize = 0;
    return THAW_OK;
}

static thaw_status apply_preprocess(const thaw_hub_config *config, thaw_model *model)
{
    thaw_preprocess preprocess;
    thaw_preprocess_named("imagenet", USUAL_SIDE, USUAL_SIDE, &preprocess);
    THAW_TRY(read_size(config, &preprocess));
    THAW_TRY(read_triple(config, "mean", preprocess.mean));
    THAW_TRY(read_triple(config, "std", preprocess.std));
    THAW_TRY(read_interpolation(config, &preprocess));
    THAW_TRY(read_crop(config, &preprocess));
    if (thaw_preprocess_check(config->context, &preprocess) != THAW_OK)
        return thaw_fail_within(config->context, THAW_ERR_MODEL, "%s", config->path);
    return thaw_model_set_preprocess(model, &preprocess);
}

/* --- classes ------------------------------------------------------------------------------------------------------ */

static thaw_status apply_classes(const thaw_hub_config *config, thaw_model *model)
{
    json_t *list = field(config, "label_names");
    const size_t count = json_array_size(list);
    if (!list)
        return THAW_OK;
    if ((int64_t)count != model->graph->outputs[0]->shape.dims[1]) {
        thaw_log(config->context, THAW_LOG_WARNING, "%s: %zu label_names for %lld classes, left out", config->path,
                 count, (long long)model->graph->outputs[0]->shape.dims[1]);
        return THAW_OK;
    }
    const char **names;
    THAW_TRY(thaw_allocate(config->context, count, sizeof *names, &names));
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < count && status == THAW_OK; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (!names[i] || !*names[i])
            status = fail(config, THAW_ERR_MODEL, "'label_names' has an entry that is no name");
    }
    if (status == THAW_OK)
        status = thaw_model_set_classes(model, names, count);
    free(names);
    return status;
}

thaw_status thaw_hub_config_apply(const thaw_hub_config *config, thaw_model *model)
{
    if (!config)
        return THAW_OK;
    if (!model->has_preprocess && (field(config, "mean") || field(config, "input_size")))
        THAW_TRY(apply_preprocess(config, model));
    return model->class_count ? THAW_OK : apply_classes(config, model);
}
