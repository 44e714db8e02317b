#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format/metadata.h"

#define CLASSES_KEY    "thaw.classes"
#define PREPROCESS_KEY "thaw.preprocess"
#define MOST_PIXELS    16384 /* a side, as thaw_preprocess_check() has it */

static const char *const interpolations[] = {
    [THAW_NEAREST] = "nearest", [THAW_BILINEAR] = "bilinear", [THAW_BICUBIC] = "bicubic"};
#define INTERPOLATION_COUNT (sizeof interpolations / sizeof interpolations[0])

const char *thaw_model_metadata(const thaw_model *model, const char *key)
{
    for (size_t i = 0; i < model->metadata_count; i++)
        if (strcmp(model->metadata[i].key, key) == 0)
            return model->metadata[i].value;
    return NULL;
}

thaw_status thaw_model_set_metadata(thaw_model *model, const char *key, const char *value)
{
    thaw_context *context = model->context;
    THAW_TRY(thaw_reserve(context, &model->metadata, &model->metadata_capacity, model->metadata_count + 1,
                          sizeof *model->metadata));
    char *value_copy;
    THAW_TRY(thaw_copy_text(context, value, &value_copy));
    size_t place = 0;
    while (place < model->metadata_count && strcmp(model->metadata[place].key, key) != 0)
        place++;
    thaw_metadata *entry = &model->metadata[place];
    if (place == model->metadata_count) {
        const thaw_status status = thaw_copy_text(context, key, &entry->key);
        if (status != THAW_OK) {
            free(value_copy);
            return status;
        }
        model->metadata_count++;
    }
    free(entry->value);
    entry->value = value_copy;
    return THAW_OK;
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

void thaw_metadata_free(thaw_model *model)
{
    for (size_t i = 0; i < model->metadata_count; i++) {
        free(model->metadata[i].key);
        free(model->metadata[i].value);
    }
    free(model->metadata);
    free_names(model->classes, model->class_count);
}

/* Puts a JSON text into the metadata. Takes the reference to `json`, which is NULL if it could not be made. */
static thaw_status set_json(thaw_model *model, const char *key, json_t *json)
{
    /* Nine digits tell any two floats apart. */
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (!text)
        return thaw_fail(model->context, THAW_ERR_MEMORY, "out of memory");
    const thaw_status status = thaw_model_set_metadata(model, key, text);
    free(text);
    return status;
}

/* --- classes ------------------------------------------------------------------------------------------------------ */

size_t thaw_model_class_count(const thaw_model *model)
{
    return model->class_count;
}

const char *thaw_model_class_name(const thaw_model *model, size_t index)
{
    return index < model->class_count ? model->classes[index] : NULL;
}

static thaw_status classes_to_json(thaw_context *context, const char *const *names, size_t count, json_t **json)
{
    *json = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(*json, json_string(names[i])) != 0) {
            json_decref(*json);
            return thaw_fail(context, THAW_ERR_DATA, "the class name '%s' is not UTF-8 text", names[i]);
        }
    return THAW_OK;
}

static thaw_status copy_names(thaw_context *context, const char *const *names, size_t count, char ***copy)
{
    THAW_TRY(thaw_allocate(context, count, sizeof **copy, copy));
    for (size_t i = 0; i < count; i++) {
        const thaw_status status = thaw_copy_text(context, names[i], &(*copy)[i]);
        if (status != THAW_OK) {
            free_names(*copy, count);
            return status;
        }
    }
    return THAW_OK;
}

thaw_status thaw_model_set_classes(thaw_model *model, const char *const *names, size_t count)
{
    json_t *json;
    char **copy;
    THAW_TRY(classes_to_json(model->context, names, count, &json));
    THAW_TRY(set_json(model, CLASSES_KEY, json));
    THAW_TRY(copy_names(model->context, names, count, &copy));
    free_names(model->classes, model->class_count);
    model->classes = copy;
    model->class_count = count;
    return THAW_OK;
}

static thaw_status parse_classes(thaw_model *model, json_t *json)
{
    const size_t count = json_array_size(json);
    if (!count)
        return thaw_fail(model->context, THAW_ERR_MODEL, "metadata " CLASSES_KEY " is no list of names");
    THAW_TRY(thaw_allocate(model->context, count, sizeof *model->classes, &model->classes));
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(json, i));
        if (!name || !*name)
            return thaw_fail(model->context, THAW_ERR_MODEL, "metadata " CLASSES_KEY ": entry %zu is no name", i);
        THAW_TRY(thaw_copy_text(model->context, name, &model->classes[i]));
        model->class_count++;
    }
    return THAW_OK;
}

/* --- preprocessing ------------------------------------------------------------------------------------------------ */

bool thaw_model_preprocess(const thaw_model *model, thaw_preprocess *preprocess)
{
    if (model->has_preprocess)
        *preprocess = model->preprocess;
    return model->has_preprocess;
}

thaw_status thaw_model_set_preprocess(thaw_model *model, const thaw_preprocess *preprocess)
{
    const thaw_preprocess *p = preprocess;
    json_t *json =
        json_pack("{s:i, s:i, s:i, s:s, s:s, s:f, s:[f,f,f], s:[f,f,f]}", "width", p->width, "height", p->height,
                  "resize", p->resize, "interpolation", interpolations[p->interpolation], "channel_order",
                  p->bgr ? "bgr" : "rgb", "scale", (double)p->scale, "mean", (double)p->mean[0], (double)p->mean[1],
                  (double)p->mean[2], "std", (double)p->std[0], (double)p->std[1], (double)p->std[2]);
    THAW_TRY(set_json(model, PREPROCESS_KEY, json));
    model->preprocess = *preprocess;
    model->has_preprocess = true;
    return THAW_OK;
}

static bool parse_interpolation(const char *text, thaw_interpolation *interpolation)
{
    for (size_t i = 0; i < INTERPOLATION_COUNT; i++)
        if (strcmp(interpolations[i], text) == 0) {
            *interpolation = (thaw_interpolation)i;
            return true;
        }
    return false;
}

static bool is_side(json_int_t pixels, json_int_t least)
{
    return pixels >= least && pixels <= MOST_PIXELS;
}

static bool parse_numbers(double scale, const double mean[3], const double deviation[3], thaw_preprocess *preprocess)
{
    preprocess->scale = (float)scale;
    bool good = isfinite(preprocess->scale) && preprocess->scale != 0;
    for (int c = 0; c < 3; c++) {
        preprocess->mean[c] = (float)mean[c];
        preprocess->std[c] = (float)deviation[c];
        good &= isfinite(preprocess->mean[c]) && isfinite(preprocess->std[c]) && preprocess->std[c] > 0;
    }
    return good;
}

static thaw_status parse_preprocess(thaw_model *model, json_t *json)
{
    json_int_t width, height, resize;
    const char *interpolation, *order;
    double scale, mean[3], deviation[3];
    thaw_preprocess *preprocess = &model->preprocess;
    const bool good =
        json_unpack(json, "{s:I, s:I, s:I, s:s, s:s, s:F, s:[FFF!], s:[FFF!]}", "width", &width, "height", &height,
                    "resize", &resize, "interpolation", &interpolation, "channel_order", &order, "scale", &scale,
                    "mean", &mean[0], &mean[1], &mean[2], "std", &deviation[0], &deviation[1], &deviation[2]) == 0 &&
        is_side(width, 1) && is_side(height, 1) && is_side(resize, 0) &&
        parse_interpolation(interpolation, &preprocess->interpolation) &&
        (strcmp(order, "rgb") == 0 || strcmp(order, "bgr") == 0) && parse_numbers(scale, mean, deviation, preprocess);
    if (!good)
        return thaw_fail(model->context, THAW_ERR_MODEL, "metadata " PREPROCESS_KEY " is incomplete or out of range");
    preprocess->width = (int32_t)width;
    preprocess->height = (int32_t)height;
    preprocess->resize = (int32_t)resize;
    preprocess->bgr = strcmp(order, "bgr") == 0;
    model->has_preprocess = true;
    return THAW_OK;
}

/* --- both --------------------------------------------------------------------------------------------------------- */

static thaw_status parse_entry(thaw_model *model, const char *key, thaw_status (*parse)(thaw_model *, json_t *))
{
    const char *text = thaw_model_metadata(model, key);
    if (!text)
        return THAW_OK;
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return thaw_fail(model->context, THAW_ERR_MODEL, "metadata %s is no JSON: %s", key, error.text);
    const thaw_status status = parse(model, json);
    json_decref(json);
    return status;
}

thaw_status thaw_metadata_parse(thaw_model *model)
{
    THAW_TRY(parse_entry(model, CLASSES_KEY, parse_classes));
    return parse_entry(model, PREPROCESS_KEY, parse_preprocess);
}
