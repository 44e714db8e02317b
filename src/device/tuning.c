#include "device/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/thaw.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "device/device_private.h"
#include "device/kernel_sources.h"

#define FORMAT           1
#define FILE_LIMIT_BYTES (16u << 20)
#define HEADER           "thaw-tuning"

typedef struct choice {
    char *key, *winner;
} choice;

struct thaw_tuning {
    choice *choices;
    size_t count, capacity;
    size_t measured; /* put here, not read from the file */
    bool dirty;
};

bool thaw_tuning_wanted(void)
{
    const char *wish = getenv("THAW_TUNING"), *algorithm = getenv("THAW_ALGORITHM");
    return !(wish && strcmp(wish, "off") == 0) && !(algorithm && *algorithm);
}

static thaw_hash extend_text(thaw_hash hash, const char *text)
{
    return thaw_hash_extend(hash, text, strlen(text));
}

thaw_hash thaw_device_identity(const thaw_device *device)
{
    char platform_version[256] = "";
    clGetPlatformInfo(device->platform, CL_PLATFORM_VERSION, sizeof platform_version - 1, platform_version, NULL);
    thaw_hash hash = thaw_hash_bytes(HEADER, sizeof HEADER, FORMAT);
    hash = extend_text(hash, thaw_version());
    hash = extend_text(hash, platform_version);
    hash = extend_text(hash, device->info.platform);
    hash = extend_text(hash, device->info.name);
    hash = extend_text(hash, device->info.version);
    hash = extend_text(hash, device->info.driver);
    hash = thaw_hash_extend(hash, &device->info.compute_units, sizeof device->info.compute_units);
    for (size_t i = 0; i < thaw_kernel_source_count; i++)
        hash = thaw_hash_extend(hash, thaw_kernel_sources[i].text, thaw_kernel_sources[i].length);
    return hash;
}

bool thaw_device_identity_known(const thaw_device *device)
{
    return !getenv("THAW_KERNEL_DIR") && !device->limited;
}

/* --- the list --- */

static choice *find(const thaw_tuning *tuning, const char *key)
{
    for (size_t i = 0; i < tuning->count; i++)
        if (strcmp(tuning->choices[i].key, key) == 0)
            return &tuning->choices[i];
    return NULL;
}

static thaw_status add(thaw_context *context, thaw_tuning *tuning, const char *key, const char *winner)
{
    choice made = {0};
    THAW_TRY(thaw_reserve(context, &tuning->choices, &tuning->capacity, tuning->count + 1, sizeof made));
    thaw_status status = thaw_copy_text(context, key, &made.key);
    if (status == THAW_OK)
        status = thaw_copy_text(context, winner, &made.winner);
    if (status != THAW_OK) {
        free(made.key);
        return status;
    }
    tuning->choices[tuning->count++] = made;
    return THAW_OK;
}

/* --- the file: a line with format, device and the hash of what follows; then lines "key <tab> winner" --- */

static bool file_path(thaw_device *device, char *path, size_t size)
{
    char folder[4096], name[THAW_HASH_TEXT];
    if (!thaw_device_identity_known(device))
        return false;
    if (thaw_cache_folder(device->context, "tuning", folder, sizeof folder) != THAW_OK) {
        thaw_log(device->context, THAW_LOG_DEBUG, "no tuning file: %s", thaw_error_message(device->context));
        return false;
    }
    thaw_hash_text(thaw_device_identity(device), name);
    return (size_t)snprintf(path, size, "%s/%s.txt", folder, name) < size;
}

static void write_header(const thaw_device *device, const char *body, size_t size, char *header, size_t header_size)
{
    char key[THAW_HASH_TEXT], content[THAW_HASH_TEXT];
    thaw_hash_text(thaw_device_identity(device), key);
    thaw_hash_text(thaw_hash_bytes(body, size, 0), content);
    snprintf(header, header_size, "%s %d %s %s\n", HEADER, FORMAT, key, content);
}

/* Adds those of the file's choices that are not in the list yet. `body` is changed. */
static thaw_status parse_body(thaw_context *context, thaw_tuning *tuning, char *body)
{
    char *next;
    for (char *line = body; *line; line = next) {
        char *end = strchr(line, '\n'), *tab = strchr(line, '\t');
        next = end ? end + 1 : line + strlen(line);
        if (!end || !tab || tab > end)
            continue;
        *tab = *end = '\0';
        if (!find(tuning, line))
            THAW_TRY(add(context, tuning, line, tab + 1));
    }
    return THAW_OK;
}

static thaw_status parse_file(thaw_device *device, thaw_tuning *tuning, char *text, size_t size)
{
    char header[160];
    const char *newline = memchr(text, '\n', size);
    const size_t head = newline ? (size_t)(newline - text) + 1 : size;
    write_header(device, text + head, size - head, header, sizeof header);
    if (strlen(header) != head || memcmp(text, header, head) != 0) {
        thaw_log(device->context, THAW_LOG_DEBUG, "the tuning file is damaged: made anew");
        return THAW_OK;
    }
    return parse_body(device->context, tuning, text + head);
}

static void read_file(thaw_device *device, thaw_tuning *tuning)
{
    char path[4352];
    uint8_t *bytes;
    size_t size;
    if (!file_path(device, path, sizeof path) || access(path, F_OK) != 0)
        return;
    thaw_status status = thaw_file_read(device->context, path, FILE_LIMIT_BYTES, &bytes, &size);
    if (status == THAW_OK) {
        status = parse_file(device, tuning, (char *)bytes, size);
        free(bytes);
    }
    if (status != THAW_OK)
        thaw_log(device->context, THAW_LOG_DEBUG, "tuning file: %s", thaw_error_message(device->context));
}

static void write_file(thaw_device *device, const thaw_tuning *tuning)
{
    char path[4352], header[160];
    thaw_text body = {0}, whole = {0};
    if (!file_path(device, path, sizeof path))
        return;
    for (size_t i = 0; i < tuning->count; i++)
        thaw_text_append(&body, "%s\t%s\n", tuning->choices[i].key, tuning->choices[i].winner);
    if (body.length > 0 && !body.failed) {
        write_header(device, body.data, body.length, header, sizeof header);
        thaw_text_append(&whole, "%s%s", header, body.data);
    }
    if (whole.length > 0 && !whole.failed &&
        thaw_file_write(device->context, path, whole.data, whole.length) != THAW_OK)
        thaw_log(device->context, THAW_LOG_DEBUG, "tuning file: %s", thaw_error_message(device->context));
    thaw_text_free(&body);
    thaw_text_free(&whole);
}

/* --- what the device keeps --- */

/* The device's list, read from the file at first use; NULL without memory. */
static thaw_tuning *get(thaw_device *device)
{
    if (!device->tuning && thaw_allocate(device->context, 1, sizeof *device->tuning, &device->tuning) == THAW_OK)
        read_file(device, device->tuning);
    return device->tuning;
}

const char *thaw_tuning_find(thaw_device *device, const char *key)
{
    const thaw_tuning *tuning = get(device);
    const choice *found = tuning ? find(tuning, key) : NULL;
    return found ? found->winner : NULL;
}

thaw_status thaw_tuning_put(thaw_device *device, const char *key, const char *winner)
{
    thaw_tuning *tuning = get(device);
    if (!tuning)
        return THAW_ERR_MEMORY;
    choice *found = find(tuning, key);
    if (found) {
        char *copy;
        THAW_TRY(thaw_copy_text(device->context, winner, &copy));
        free(found->winner);
        found->winner = copy;
    } else {
        THAW_TRY(add(device->context, tuning, key, winner));
    }
    tuning->measured++;
    tuning->dirty = true;
    return THAW_OK;
}

size_t thaw_tuning_measured(const thaw_device *device)
{
    return device->tuning ? device->tuning->measured : 0;
}

void thaw_tuning_save(thaw_device *device)
{
    thaw_tuning *tuning = device->tuning;
    if (!tuning || !tuning->dirty)
        return;
    read_file(device, tuning); /* what others have written meanwhile; where both measured, ours stays */
    write_file(device, tuning);
    tuning->dirty = false;
}

void thaw_tuning_release(thaw_device *device)
{
    thaw_tuning *tuning = device->tuning;
    if (!tuning)
        return;
    thaw_tuning_save(device);
    for (size_t i = 0; i < tuning->count; i++) {
        free(tuning->choices[i].key);
        free(tuning->choices[i].winner);
    }
    free(tuning->choices);
    free(tuning);
    device->tuning = NULL;
}
