#include "hub/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/file.h"
#include "base/hash.h"

#define SUFFIX          ".part"
#define KEY_DIGITS      16
#define LOOK_SECONDS    0.05 /* between looks at whether to stop, or whether a lock is free */
#define PATIENT_SECONDS 0.5  /* of waiting for another process before it is told */

static thaw_status check_length(thaw_context *context, const char *path, int length)
{
    if (length >= 0 && length < THAW_HUB_PATH_BYTES)
        return THAW_OK;
    return thaw_fail(context, THAW_ERR_IO, "%.200s...: the path is too long", path);
}

thaw_status thaw_model_folder(thaw_context *context, const char *part, char path[THAW_HUB_PATH_BYTES])
{
    static const struct {
        const char *variable, *inside;
    } places[] = {{"THAW_MODEL_DIR", ""}, {"XDG_DATA_HOME", "/thaw/models"}, {"HOME", "/.local/share/thaw/models"}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        const char *base = getenv(places[i].variable);
        if (base && *base)
            return check_length(
                context, base,
                snprintf(path, THAW_HUB_PATH_BYTES, "%s%s%s%s", base, places[i].inside, *part ? "/" : "", part));
    }
    return thaw_fail(context, THAW_ERR_IO, "no model folder: set THAW_MODEL_DIR or HOME");
}

thaw_status thaw_file_path(thaw_context *context, const char *folder, const char *name, char path[THAW_HUB_PATH_BYTES])
{
    return check_length(context, folder, snprintf(path, THAW_HUB_PATH_BYTES, "%s/%s", folder, name));
}

thaw_status thaw_part_path(thaw_context *context, const char *folder, const char *name, uint64_t key,
                           char path[THAW_HUB_PATH_BYTES])
{
    const char *slash = strrchr(name, '/');
    const int inner = slash ? (int)(slash - name) + 1 : 0;
    return check_length(context, folder,
                        snprintf(path, THAW_HUB_PATH_BYTES, "%s/%.*s.%s.%0*llx" SUFFIX, folder, inner, name,
                                 name + inner, KEY_DIGITS, (unsigned long long)key));
}

void thaw_parts_remove_others(const char *part_path)
{
    char path[THAW_HUB_PATH_BYTES];
    const char *own = strrchr(part_path, '/') + 1;
    const int folder_length = (int)(own - part_path);
    const size_t length = strlen(own), start = length - KEY_DIGITS - (sizeof SUFFIX - 1);
    snprintf(path, sizeof path, "%.*s", folder_length, part_path);
    DIR *listing = opendir(path);
    for (const struct dirent *entry; listing && (entry = readdir(listing)) != NULL;) {
        if (strlen(entry->d_name) != length || strncmp(entry->d_name, own, start) != 0 ||
            strcmp(entry->d_name + length - (sizeof SUFFIX - 1), SUFFIX) != 0 || strcmp(entry->d_name, own) == 0)
            continue;
        snprintf(path, sizeof path, "%.*s%s", folder_length, part_path, entry->d_name);
        unlink(path);
    }
    if (listing)
        closedir(listing);
}

thaw_status thaw_hub_sleep(thaw_context *context, double seconds)
{
    const double end = thaw_clock_seconds() + seconds;
    for (double left = seconds; left > 0; left = end - thaw_clock_seconds()) {
        const double piece = left < LOOK_SECONDS ? left : LOOK_SECONDS;
        const struct timespec wait = {.tv_nsec = (long)(piece * 1e9)};
        if (thaw_context_interrupted(context))
            return thaw_fail(context, THAW_ERR_INTERRUPTED, "interrupted");
        nanosleep(&wait, NULL);
    }
    return THAW_OK;
}

static thaw_status wait_for_lock(thaw_context *context, const char *path, int descriptor)
{
    double waited = 0;
    for (bool told = false; flock(descriptor, LOCK_EX | LOCK_NB) != 0; waited += LOOK_SECONDS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return thaw_fail(context, THAW_ERR_IO, "%s: can't lock: %s", path, strerror(errno));
        if (!told && waited > PATIENT_SECONDS) {
            thaw_log(context, THAW_LOG_WARNING, "waiting for another process that pulls the same model");
            told = true;
        }
        THAW_TRY(thaw_hub_sleep(context, LOOK_SECONDS));
    }
    return THAW_OK;
}

thaw_status thaw_folder_lock(thaw_context *context, const char *part, int *descriptor)
{
    char folder[THAW_HUB_PATH_BYTES], path[THAW_HUB_PATH_BYTES], key[THAW_HASH_TEXT];
    *descriptor = -1;
    THAW_TRY(thaw_model_folder(context, ".locks", folder));
    THAW_TRY(thaw_folder_make(context, folder));
    thaw_hash_text(thaw_hash_bytes(part, strlen(part), 0), key);
    THAW_TRY(thaw_file_path(context, folder, key, path));
    *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (*descriptor < 0)
        return thaw_fail(context, THAW_ERR_IO, "%s: can't open: %s", path, strerror(errno));
    return wait_for_lock(context, path, *descriptor);
}
