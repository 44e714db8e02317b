#include "json_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "shared_options.h"

json_t *cli_json_number(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

json_t *cli_json_float(float number)
{
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)number);
    return cli_json_number(strtod(text, NULL));
}

json_t *cli_json_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = strdup(text);
    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    string = copy ? json_string(copy) : NULL;
    free(copy);
    return string;
}

bool cli_json_append(json_t *array, json_t *item)
{
    return item && json_array_append_new(array, item) == 0;
}

json_t *cli_json_shape(const thaw_shape *shape)
{
    json_t *dims = json_array();
    for (int32_t i = 0; dims && i < shape->rank; i++)
        cli_json_append(dims, json_integer(shape->dims[i]));
    return dims;
}

json_t *cli_json_epoch(const thaw_epoch *epoch)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", epoch->epoch, "seconds",
                     cli_json_number(epoch->seconds), "train_loss", cli_json_number(epoch->train_loss), "val_loss",
                     cli_json_number(epoch->validation_loss), "val_top1", cli_json_number(epoch->validation_top1),
                     "images_per_second", cli_json_number(epoch->images_per_second), "learning_rate",
                     cli_json_number(epoch->learning_rate));
}

static json_t *triple(const float values[3])
{
    return json_pack("[o, o, o]", cli_json_float(values[0]), cli_json_float(values[1]), cli_json_float(values[2]));
}

json_t *cli_json_preprocess(const thaw_preprocess *p)
{
    return json_pack("{s:[i, i], s:i, s:s, s:s, s:o, s:o, s:o}", "size", p->height, p->width, "resize", p->resize,
                     "interpolation", cli_interpolations[p->interpolation], "channel_order", p->bgr ? "bgr" : "rgb",
                     "scale", cli_json_float(p->scale), "mean", triple(p->mean), "std", triple(p->std));
}

json_t *cli_json_bad_images(const cli_state *cli)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < cli->bad_count; i++)
        cli_json_append(array, json_pack("{s:o, s:o}", "path", cli_json_text(cli->bad_images[i].path), "reason",
                                         cli_json_text(cli->bad_images[i].reason)));
    return array;
}

json_t *cli_json_classes(const thaw_model *model)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < thaw_model_class_count(model); i++)
        cli_json_append(array, cli_json_text(thaw_model_class_name(model, i)));
    return array;
}

thaw_status cli_json_print(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_REAL_PRECISION(CLI_JSON_DIGITS)) : NULL;
    json_decref(object);
    if (!text)
        return THAW_ERR_MEMORY;
    puts(text);
    free(text);
    return THAW_OK;
}
