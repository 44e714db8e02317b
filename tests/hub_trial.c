#include "hub_trial.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char hub_weights[HUB_MODEL_BYTES], hub_weights_sha256[THAW_DIGEST_TEXT], hub_config_sha1[THAW_DIGEST_TEXT];
thaw_context *hub_context;
static char models[256];

const char *hub_path(const char *name)
{
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", models, name);
    return paths[next];
}

bool hub_exists(const char *name)
{
    return access(hub_path(name), F_OK) == 0;
}

void hub_digest(const void *bytes, size_t size, thaw_hub_check kind, char text[THAW_DIGEST_TEXT])
{
    const int descriptor = open(hub_path("digest"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(descriptor >= 0 && write(descriptor, bytes, size) == (ssize_t)size);
    CU_ASSERT_EQUAL(thaw_digest_file(hub_context, descriptor, kind, text), THAW_OK);
    close(descriptor);
    unlink(hub_path("digest"));
}

void hub_set_up(void)
{
    static int number;
    snprintf(models, sizeof models, "%s/models-%d", test_folder(), number++);
    mkdir(models, 0777);
    setenv("THAW_MODEL_DIR", models, 1);
    setenv("THAW_HUB", "http://127.0.0.1:1", 1); /* nobody: whatever goes wrong, no real hub is asked */
    unsetenv("THAW_HUB_TOKEN");
    unsetenv("HF_TOKEN");
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&hub_context), THAW_OK);
    for (size_t i = 0; i < sizeof hub_weights; i++)
        hub_weights[i] = (char)(i * i / 7 + i);
    hub_digest(hub_weights, sizeof hub_weights, THAW_HUB_CHECK_SHA256, hub_weights_sha256);
    hub_digest(HUB_CONFIG, sizeof HUB_CONFIG - 1, THAW_HUB_CHECK_GIT_SHA1, hub_config_sha1);
}

void hub_tear_down(void)
{
    thaw_context_destroy(&hub_context);
    unsetenv("THAW_MODEL_DIR");
}

thaw_hub_options hub_options_for(const hub_server *server)
{
    thaw_hub_options options = thaw_hub_defaults();
    options.hub = hub_server_base(server);
    options.retries = 2;
    options.retry_seconds = 0.01;
    return options;
}

thaw_status hub_pull_with(const char *name, const thaw_hub_options *options)
{
    thaw_hub_model model;
    const thaw_status status = thaw_hub_pull(hub_context, name, options, &model);
    thaw_hub_model_free(&model);
    return status;
}

thaw_status hub_pull(const hub_server *server)
{
    const thaw_hub_options options = hub_options_for(server);
    return hub_pull_with("a/b", &options);
}

bool hub_holds(const char *name, const void *bytes, size_t size)
{
    char *read = malloc(size + 1);
    FILE *file = fopen(hub_path(name), "rb");
    const bool same = file && read && fread(read, 1, size + 1, file) == size && memcmp(read, bytes, size) == 0;
    if (file)
        fclose(file);
    free(read);
    return same;
}

long hub_part_bytes(void)
{
    char command[600];
    long bytes = -1;
    snprintf(command, sizeof command, "find '%s' -name '.model.safetensors.*.part' -printf '%%s\\n'", models);
    FILE *found = popen(command, "r");
    CU_ASSERT_FATAL(found != NULL);
    if (fscanf(found, "%ld", &bytes) != 1)
        bytes = -1;
    pclose(found);
    return bytes;
}

bool hub_says(const char *text)
{
    const bool said = strstr(thaw_error_message(hub_context), text) != NULL;
    if (!said)
        printf("  '%s' is not in '%s'\n", text, thaw_error_message(hub_context));
    return said;
}
