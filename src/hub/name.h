/* What models on a hub, their revisions and files may be called. All of it becomes part of paths and addresses. */
#ifndef THAW_HUB_NAME_H
#define THAW_HUB_NAME_H

#include <thaw/status.h>

#define THAW_HUB_NAME_MOST     96  /* bytes of an owner, a name, or each part of a file's path */
#define THAW_HUB_REVISION_MOST 128 /* bytes */
#define THAW_HUB_PATH_MOST     512 /* bytes of a file's path within a model */

typedef struct thaw_hub_name {
    char model[2 * THAW_HUB_NAME_MOST + 2]; /* "owner/name" */
    char revision[THAW_HUB_REVISION_MOST + 1];
    char escaped[3 * THAW_HUB_REVISION_MOST + 1]; /* the revision as one part of an address or path: no '/' */
} thaw_hub_name;

/* Reads "owner/name" or "owner/name@revision"; `revision` goes before main, NULL: not said. False if it can't be a
 * model's name, *why then says what is wrong. */
bool thaw_hub_name_parse(const char *text, const char *revision, thaw_hub_name *name, const char **why);

/* May a file within a model be called so? Parts between slashes of letters, digits and ".-_+=", none beginning with a
 * dot. `plain`: a name without a folder. */
bool thaw_hub_file_allowed(const char *path, bool plain);

/* The folder of the model below the model folder: "owner/name" or "owner/name@revision". */
void thaw_hub_name_folder(const thaw_hub_name *name, char *folder, size_t size);

#define THAW_HUB_MAIN "main"

#endif
