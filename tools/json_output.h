/* Results as JSON. All functions return new references, NULL where memory is short (which json_pack passes on). */
#ifndef THAW_TOOLS_JSON_OUTPUT_H
#define THAW_TOOLS_JSON_OUTPUT_H

#include <jansson.h>
#include <thaw/thaw.h>

#define CLI_JSON_DIGITS 10

typedef struct cli_state cli_state;

/* A number; null for NaN and infinities, which JSON lacks. */
json_t *cli_json_number(double number);
/* A float without the digits that it gets as a double. */
json_t *cli_json_float(float number);
/* A string; bytes that are no UTF-8 become '?'. NULL gives null. */
json_t *cli_json_text(const char *text);
json_t *cli_json_shape(const thaw_shape *shape);
json_t *cli_json_epoch(const thaw_epoch *epoch);
json_t *cli_json_preprocess(const thaw_preprocess *preprocess);
/* [{path, reason}] of what `cli` has gathered. */
json_t *cli_json_bad_images(const cli_state *cli);
/* Names of the classes. */
json_t *cli_json_classes(const thaw_model *model);

/* Adds `item` to `array` and takes it over; NULL items are taken as no memory. */
bool cli_json_append(json_t *array, json_t *item);
/* Writes the object to stdout as one line and frees it. THAW_ERR_MEMORY if it is NULL. */
THAW_MUST_CHECK thaw_status cli_json_print(json_t *object);

#endif
