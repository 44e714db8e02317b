/* What tests of pulling have in common: a model folder of their own, a small model, what is in the folder afterwards.
 */
#ifndef THAW_TESTS_HUB_TRIAL_H
#define THAW_TESTS_HUB_TRIAL_H

#include "hub_server.h"

#include "hub/digest.h"
#include <thaw/thaw.h>

#define HUB_MODEL_BYTES 300000
#define HUB_CONFIG      "{\"architecture\": \"resnet18\"}\n"
/* A body, in a page. */
#define HUB_TEXT(text) .body = (text), .size = sizeof(text) - 1

/* A model of one file, as a plain server has it. */
#define HUB_CONFIG_PAGE                                                                                                \
    {                                                                                                                  \
        .path = "/a/b/resolve/main/config.json", HUB_TEXT(HUB_CONFIG), .etag = "\"c1\""                                \
    }
#define HUB_WEIGHTS_PATH "/a/b/resolve/main/model.safetensors"
#define HUB_WEIGHTS_PAGE                                                                                               \
    {                                                                                                                  \
        .path = HUB_WEIGHTS_PATH, .body = hub_weights, .size = sizeof hub_weights, .etag = "\"w1\""                    \
    }

extern char hub_weights[HUB_MODEL_BYTES], hub_weights_sha256[THAW_DIGEST_TEXT], hub_config_sha1[THAW_DIGEST_TEXT];
extern thaw_context *hub_context;

/* An empty model folder, no token and nobody as the hub in the environment, a context; and back. */
void hub_set_up(void);
void hub_tear_down(void);

/* Below the model folder; "": itself. The last four results are valid. */
const char *hub_path(const char *name);
bool hub_exists(const char *name);
/* Does the file hold just these bytes? */
bool hub_holds(const char *name, const void *bytes, size_t size);
/* Bytes in the part of a/b/model.safetensors; -1: there is none. */
long hub_part_bytes(void);
void hub_digest(const void *bytes, size_t size, thaw_hub_check kind, char text[THAW_DIGEST_TEXT]);

/* Few and quick tries. */
thaw_hub_options hub_options_for(const hub_server *server);
thaw_status hub_pull_with(const char *name, const thaw_hub_options *options);
/* a/b, with these options. */
thaw_status hub_pull(const hub_server *server);
/* Has the reason of the last failure this text? Prints it where not. */
bool hub_says(const char *text);

#endif
