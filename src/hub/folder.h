/* The local model folder, and the folder of one model in it. */
#ifndef THAW_HUB_FOLDER_H
#define THAW_HUB_FOLDER_H

#include <stdint.h>
#include <thaw/status.h>

#define THAW_HUB_PATH_BYTES 4352

/* $THAW_MODEL_DIR, else $XDG_DATA_HOME/thaw/models, else ~/.local/share/thaw/models, with `part` behind it. It may not
 * exist. THAW_ERR_IO if there is none, or its path is too long. */
THAW_MUST_CHECK thaw_status thaw_model_folder(thaw_context *context, const char *part, char path[THAW_HUB_PATH_BYTES]);

/* FOLDER/name, or where the file "name" is while it comes: FOLDER/.name.KEY.part. */
THAW_MUST_CHECK thaw_status thaw_file_path(thaw_context *context, const char *folder, const char *name,
                                           char path[THAW_HUB_PATH_BYTES]);
THAW_MUST_CHECK thaw_status thaw_part_path(thaw_context *context, const char *folder, const char *name, uint64_t key,
                                           char path[THAW_HUB_PATH_BYTES]);
/* Removes the parts of that file but the one of that path: of what the hub no longer has. */
void thaw_parts_remove_others(const char *part_path);

/* Waits until nobody else works on that part of the model folder, says so if it takes a moment. The descriptor holds
 * the lock until it is closed. The model folder is made, the part not: a name that the hub does not know leaves no
 * folder. THAW_ERR_IO, THAW_ERR_INTERRUPTED. */
THAW_MUST_CHECK thaw_status thaw_folder_lock(thaw_context *context, const char *part, int *descriptor);

/* THAW_ERR_INTERRUPTED when the context was asked to stop meanwhile. */
THAW_MUST_CHECK thaw_status thaw_hub_sleep(thaw_context *context, double seconds);

#endif
