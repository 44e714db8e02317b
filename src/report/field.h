/* Fields of JSON objects from files that anybody may have written: each is checked, and what is wrong with one is told
 * with the file and the place. A field that is absent or null leaves what the caller has put there. */
#ifndef THAW_REPORT_FIELD_H
#define THAW_REPORT_FIELD_H

#include <jansson.h>
#include <stdint.h>
#include <thaw/report.h>

#define THAW_FIELD_TEXT_BYTES 4096 /* longer texts are refused */

/* An object, and what messages call it. */
typedef struct thaw_fields {
    thaw_context *context;
    const char *path;
    char place[THAW_REPORT_ID_BYTES + 32]; /* "device", "entries[3] models.resnet18.forward"; "" at the top */
    json_t *object;
} thaw_fields;

/* THAW_ERR_DATA, "path: place: reason". */
thaw_status thaw_fields_fail(const thaw_fields *fields, const char *format, ...) THAW_PRINTF(2, 3);

/* The object of that name: its fields are NULL where it is absent, and all that is read from it is absent then. */
THAW_MUST_CHECK thaw_status thaw_field_object(const thaw_fields *fields, const char *name, thaw_fields *inner);
/* The list of that name, NULL where it is absent; of at most `most` items. */
THAW_MUST_CHECK thaw_status thaw_field_list(const thaw_fields *fields, const char *name, size_t most, json_t **list);

/* An empty one counts as absent. Control characters become blanks, in the document itself. */
THAW_MUST_CHECK thaw_status thaw_field_text(const thaw_fields *fields, const char *name, const char **text);
/* Finite, from `least` to `most`. */
THAW_MUST_CHECK thaw_status thaw_field_number(const thaw_fields *fields, const char *name, double least, double most,
                                              double *number);
THAW_MUST_CHECK thaw_status thaw_field_integer(const thaw_fields *fields, const char *name, int64_t *number);
/* 1 or 0. */
THAW_MUST_CHECK thaw_status thaw_field_flag(const thaw_fields *fields, const char *name, int *flag);
/* An allocated array of texts that lie in the document. */
THAW_MUST_CHECK thaw_status thaw_field_texts(const thaw_fields *fields, const char *name, size_t most,
                                             const char ***texts, size_t *count);
/* An object's names and texts, likewise. */
THAW_MUST_CHECK thaw_status thaw_field_pairs(const thaw_fields *fields, const char *name, size_t most,
                                             thaw_report_pair **pairs, size_t *count);

/* Fails if what was read so far has left this NULL. */
THAW_MUST_CHECK thaw_status thaw_field_require(const thaw_fields *fields, const char *name, const void *there);

#endif
