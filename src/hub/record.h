/* pulled.json in a model's folder: what was pulled, from where. */
#ifndef THAW_HUB_RECORD_H
#define THAW_HUB_RECORD_H

#include "hub/pull.h"

#define THAW_RECORD_NAME "pulled.json"

/* NULL where there is none that can be read. THAW_ERR_IO for a path that is too long. */
THAW_MUST_CHECK thaw_status thaw_record_read(thaw_context *context, const char *folder, json_t **record);
/* Writes what pull->files has; where only some of the model's files were asked for, beside what was there before. */
THAW_MUST_CHECK thaw_status thaw_record_write(thaw_pull *pull, bool beside);
/* Removes files that the record before names and this pull does not. */
void thaw_record_remove_stale(const thaw_pull *pull);

/* The record as a model; THAW_ERR_MODEL if it is damaged. */
THAW_MUST_CHECK thaw_status thaw_record_model(thaw_context *context, const json_t *record, const char *folder,
                                              thaw_hub_model *model);

#endif
