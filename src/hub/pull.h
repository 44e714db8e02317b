/* One pull, while it runs: what the steps share. */
#ifndef THAW_HUB_PULL_H
#define THAW_HUB_PULL_H

#include <jansson.h>

#include "hub/digest.h"
#include "hub/folder.h"
#include "hub/name.h"
#include "hub/request.h"

/* A file as the hub describes it. */
typedef struct thaw_remote {
    char name[THAW_HUB_PATH_MOST + 1];
    int64_t bytes;                 /* -1: the hub does not say */
    thaw_hub_check check;          /* what it can be checked against; SIZE: only that */
    char digest[THAW_DIGEST_TEXT]; /* in lower case; "": none */
    char etag[THAW_ETAG_MOST];     /* a strong one, of where the bytes come from; "": none */
    uint64_t most_bytes;           /* larger ones are refused */
    bool there;                    /* lies in the folder already, the same */
} thaw_remote;

typedef struct thaw_pull {
    thaw_context *context;
    const thaw_hub_options *options;
    thaw_hub_session *session;
    thaw_hub_name name;
    char commit[41]; /* "" until an answer says it; then every file is asked for at that commit */
    char folder[THAW_HUB_PATH_BYTES];
    int lock;
    json_t *record; /* of the pull before; NULL */
    thaw_remote *files;
    size_t count, capacity;
    int32_t failures; /* in a row, without a byte in between */
    uint64_t done_bytes, total_bytes, received_bytes;
    double start_seconds, told_seconds; /* the clock's; 0: not yet */
} thaw_pull;

/* Asks for the facts of the file `name`; *found is false where the hub has none of that name. A new one is appended to
 * pull->files. */
THAW_MUST_CHECK thaw_status thaw_remote_look(thaw_pull *pull, const char *name, uint64_t most_bytes, bool *found);
/* What stands behind the hub's address for that file. False if it is too long. */
bool thaw_remote_path(const thaw_pull *pull, const char *name, char *path, size_t size);
/* Why the hub does not hand out the file, from its answer. */
thaw_status thaw_remote_refused(const thaw_pull *pull, const char *name, const thaw_reply *reply);
/* After a failure that may pass: waits and returns THAW_OK, or `failure` where enough tries were made. */
THAW_MUST_CHECK thaw_status thaw_pull_wait(thaw_pull *pull, thaw_status failure);

/* Is the file in the folder what the hub has? Sets remote->there. */
THAW_MUST_CHECK thaw_status thaw_remote_compare(thaw_pull *pull, thaw_remote *remote);
/* Brings the file into its part, goes on with one that is there, checks it and syncs it. */
THAW_MUST_CHECK thaw_status thaw_download(thaw_pull *pull, const thaw_remote *remote);
/* Where its part lies. */
THAW_MUST_CHECK thaw_status thaw_remote_part(const thaw_pull *pull, const thaw_remote *remote,
                                             char path[THAW_HUB_PATH_BYTES]);
void thaw_pull_tell(thaw_pull *pull, bool last);

/* The different files that an index names, each appended to pull->files; bytes are the index's. */
THAW_MUST_CHECK thaw_status thaw_shards_look(thaw_pull *pull, const uint8_t *bytes, size_t size, uint64_t most_bytes);

#endif
