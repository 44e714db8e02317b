/* Models from a hub: into the local model folder, and found there by their names. Only thaw_hub_pull() uses the
 * network; nothing else in the library does (docs/hub.md). */
#ifndef THAW_HUB_H
#define THAW_HUB_H

#include <stdint.h>
#include <thaw/status.h>

/* Bytes of all files of one pull, those that were there already included; total 0: not known yet. A few times a second
 * and at the end, on the caller's thread. */
typedef struct thaw_hub_progress {
    uint64_t done_bytes, total_bytes;
    double seconds, bytes_per_second; /* of what came over the network, since the first byte */
} thaw_hub_progress;
typedef void (*thaw_hub_callback)(void *user, const thaw_hub_progress *progress);

typedef struct thaw_hub_options {
    const char *hub;      /* base address; NULL: THAW_HUB in the environment, else THAW_HUB_USUAL */
    const char *revision; /* branch, tag or commit; NULL: what the name says, else main */
    const char *file;     /* only this one of the model's files; NULL: config.json and the weights */
    int32_t retries;      /* tries in a row that bring nothing, after a cut connection or a server's failure */
    double retry_seconds; /* before the first of them; each waits twice as long as the one before */
    double stall_seconds; /* without a byte before a connection is taken for dead */
    thaw_hub_callback on_progress;
    void *user;
} thaw_hub_options;
#define THAW_HUB_USUAL "https://huggingface.co"
THAW_API thaw_hub_options thaw_hub_defaults(void);

/* X(name, text): what a file was checked against. */
#define THAW_HUB_CHECK_LIST(X) X(SIZE, "size") X(GIT_SHA1, "git-sha1") X(SHA256, "sha256")
typedef enum thaw_hub_check {
#define THAW_HUB_CHECK_ENUM(name, text) THAW_HUB_CHECK_##name,
    THAW_HUB_CHECK_LIST(THAW_HUB_CHECK_ENUM)
#undef THAW_HUB_CHECK_ENUM
} thaw_hub_check;
THAW_API const char *thaw_hub_check_text(thaw_hub_check check);

typedef struct thaw_hub_file {
    char *name;
    uint64_t bytes;
    thaw_hub_check check;
    bool downloaded; /* by this pull; false: it was there already */
} thaw_hub_file;

typedef struct thaw_hub_model {
    char *name;     /* "owner/name", with "@revision" unless that is main: how --base calls it */
    char *revision; /* as asked for */
    char *commit;   /* what that was then; "" if the hub does not say */
    char *folder;   /* where the files lie */
    thaw_hub_file *files;
    size_t file_count;
    uint64_t bytes; /* of the files */
} thaw_hub_model;
THAW_API void thaw_hub_model_free(thaw_hub_model *model);

/* Brings "owner/name" or "owner/name@revision" from the hub: config.json where there is one, and model.safetensors, or
 * model.safetensors.index.json with its files, or model.onnx. Files that are there already, and the same, stay as they
 * are; parts that an earlier try left are gone on with. Each file is checked against the length and the digest that the
 * hub announces before any of them takes its place, by renaming. Another process at the same model is waited for. The
 * token is THAW_HUB_TOKEN in the environment, or HF_TOKEN for the usual hub; it goes to the hub's own host alone. Plain
 * HTTP only to this machine. *model is freed with thaw_hub_model_free().
 * THAW_ERR_USAGE: a name, revision, file or address that can't be; THAW_ERR_MODEL: the hub has no such model, or
 * nothing in it that Thaw reads; THAW_ERR_SIZE: a file larger than Thaw takes; THAW_ERR_CHECK: length or digest differ,
 * the file is gone; THAW_ERR_IO: the network, the hub or the disk; THAW_ERR_INTERRUPTED. After these two, parts are
 * kept. */
THAW_API THAW_MUST_CHECK thaw_status thaw_hub_pull(thaw_context *context, const char *name,
                                                   const thaw_hub_options *options, thaw_hub_model *model);

/* Where the model that a user means lies: `name` itself where such a file or folder exists or it can't be the name of a
 * model, else its folder (or "owner/name/file") among those that were pulled. *path is freed with free().
 * THAW_ERR_MODEL if it might be pulled, which the reason says. Uses no network. */
THAW_API THAW_MUST_CHECK thaw_status thaw_hub_find(thaw_context *context, const char *name, char **path);

/* What has been pulled, by name. Freed with thaw_hub_list_free(). THAW_ERR_IO if the folder can't be read; one that
 * does not exist is empty. */
typedef struct thaw_hub_list {
    char *folder;
    thaw_hub_model *models;
    size_t count;
} thaw_hub_list;
THAW_API THAW_MUST_CHECK thaw_status thaw_hub_list_open(thaw_context *context, thaw_hub_list *list);
THAW_API void thaw_hub_list_free(thaw_hub_list *list);

#endif
