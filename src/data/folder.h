/* What lies in a folder: the class folders of a data set, and the images under one of them. */
#ifndef THAW_DATA_FOLDER_H
#define THAW_DATA_FOLDER_H

#include "base/context.h"

/* Names sorted by their bytes. Starts as {0}; freed with thaw_names_free(). */
typedef struct thaw_names {
    char **items;
    size_t count, capacity;
} thaw_names;

void thaw_names_free(thaw_names *names);

/* "folder/name", freed with free(). */
THAW_MUST_CHECK thaw_status thaw_path_join(thaw_context *context, const char *folder, const char *name, char **path);

/* The names of the folders in a folder, without hidden ones and those that archives and file managers leave behind.
 * THAW_ERR_DATA if it can't be read. */
THAW_MUST_CHECK thaw_status thaw_folder_classes(thaw_context *context, const char *folder, thaw_names *names);
/* The files under a folder and its sub-folders, as paths inside it. Hidden entries and well-known files that are no
 * images are left out, links are followed, but no folder is read twice. A dangling link counts as a file, so that it
 * is missed later by name. THAW_ERR_DATA if a folder can't be read or they nest too deeply. */
THAW_MUST_CHECK thaw_status thaw_folder_files(thaw_context *context, const char *folder, thaw_names *names);

#endif
