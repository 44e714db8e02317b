/* The bytes of one file: into its part, from where an earlier try stopped, checked before anybody sees them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/file.h"
#include "base/hash.h"
#include "hub/pull.h"

#define TELL_SECONDS 0.1
#define PATH_BYTES   2048

/* A part being filled. */
typedef struct incoming {
    thaw_pull *pull;
    const thaw_remote *remote;
    const char *path;
    int descriptor;
    int64_t have;   /* bytes in it */
    int64_t most;   /* that it ever had: only more is progress */
    bool inherited; /* some of them are from an earlier run */
} incoming;

/* --- progress ----------------------------------------------------------------------------------------------------- */

void thaw_pull_tell(thaw_pull *pull, bool last)
{
    const double now = thaw_clock_seconds();
    if (!pull->options->on_progress || (!last && now - pull->told_seconds < TELL_SECONDS))
        return;
    const double seconds = pull->start_seconds > 0 ? now - pull->start_seconds : 0;
    const uint64_t most = pull->done_bytes > pull->total_bytes ? pull->done_bytes : pull->total_bytes;
    const thaw_hub_progress progress = {.done_bytes = pull->done_bytes,
                                        .total_bytes = most,
                                        .seconds = seconds,
                                        .bytes_per_second = seconds > 0 ? (double)pull->received_bytes / seconds : 0};
    pull->told_seconds = now;
    pull->options->on_progress(pull->options->user, &progress);
}

/* The part holds `have` bytes now. */
static void move_to(incoming *file, int64_t have)
{
    file->pull->done_bytes += (uint64_t)(have - file->have);
    file->have = have;
}

/* --- the part ----------------------------------------------------------------------------------------------------- */

thaw_status thaw_remote_part(const thaw_pull *pull, const thaw_remote *remote, char path[THAW_HUB_PATH_BYTES])
{
    thaw_hash key = thaw_hash_bytes(remote->digest, strlen(remote->digest), (uint64_t)remote->bytes);
    if (!remote->digest[0])
        key = thaw_hash_extend(key, remote->etag, strlen(remote->etag));
    return thaw_part_path(pull->context, pull->folder, remote->name, key.low, path);
}

static thaw_status fail_disk(const incoming *file, const char *what)
{
    thaw_context *context = file->pull->context;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return thaw_fail(context, THAW_ERR_IO,
                         "%s: no room on the disk (%s): make some, and the same command goes on from here", file->path,
                         strerror(errno));
    return thaw_fail(context, THAW_ERR_IO, "%s: %s: %s", file->path, what, strerror(errno));
}

static thaw_status empty_part(incoming *file)
{
    if (ftruncate(file->descriptor, 0) != 0 || lseek(file->descriptor, 0, SEEK_SET) != 0)
        return fail_disk(file, "can't write");
    move_to(file, 0);
    file->inherited = false;
    return THAW_OK;
}

/* What came before counts only where a digest proves the whole, or the hub can be asked for the rest of just this file.
 */
static bool can_go_on(const thaw_remote *remote)
{
    return remote->digest[0] || remote->etag[0];
}

static thaw_status open_part(incoming *file)
{
    const thaw_remote *remote = file->remote;
    thaw_parts_remove_others(file->path);
    file->descriptor = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    const off_t end = file->descriptor < 0 ? -1 : lseek(file->descriptor, 0, SEEK_END);
    if (end < 0)
        return fail_disk(file, "can't open");
    if (!can_go_on(remote) || (remote->bytes >= 0 && end > remote->bytes))
        return empty_part(file);
    file->inherited = end > 0;
    move_to(file, end);
    return THAW_OK;
}

/* --- what comes --------------------------------------------------------------------------------------------------- */

static thaw_status fail_length(const incoming *file, long long announced)
{
    return thaw_fail(file->pull->context, THAW_ERR_CHECK, "%s: it should have %lld bytes, and %lld are sent",
                     file->remote->name, (long long)file->remote->bytes, announced);
}

static thaw_status on_begin(void *user, const thaw_reply *reply)
{
    incoming *file = user;
    thaw_pull *pull = file->pull;
    if (pull->start_seconds == 0)
        pull->start_seconds = thaw_clock_seconds();
    if (reply->status == 200)
        THAW_TRY(empty_part(file)); /* the server does not know ranges, or has another file now */
    else if (reply->range_start != file->have)
        return thaw_fail(pull->context, THAW_ERR_IO, "%s: other bytes are sent than were asked for",
                         file->remote->name);
    if (reply->length >= 0 && file->remote->bytes >= 0 && file->have + reply->length != file->remote->bytes)
        return fail_length(file, (long long)(file->have + reply->length));
    if (!file->remote->digest[0] && file->remote->etag[0] && strcmp(reply->etag, file->remote->etag) != 0)
        return thaw_fail(pull->context, THAW_ERR_CHECK, "%s: the hub has just changed it: try again",
                         file->remote->name);
    return THAW_OK;
}

static thaw_status on_bytes(void *user, const void *bytes, size_t size)
{
    incoming *file = user;
    thaw_pull *pull = file->pull;
    const int64_t end = file->have + (int64_t)size;
    if (file->remote->bytes >= 0 && end > file->remote->bytes)
        return fail_length(file, (long long)end);
    if ((uint64_t)end > file->remote->most_bytes)
        return thaw_fail(pull->context, THAW_ERR_SIZE, "%s: more than the %llu bytes that Thaw takes",
                         file->remote->name, (unsigned long long)file->remote->most_bytes);
    for (const char *next = bytes; size > 0;) {
        const ssize_t written = write(file->descriptor, next, size);
        if (written < 0 && errno != EINTR)
            return fail_disk(file, "can't write");
        if (written > 0) {
            next += written;
            size -= (size_t)written;
            pull->received_bytes += (uint64_t)written;
            move_to(file, file->have + written);
        }
    }
    if (file->have > file->most) {
        file->most = file->have;
        pull->failures = 0;
    }
    thaw_pull_tell(pull, false);
    return THAW_OK;
}

static bool is_whole(const incoming *file, const thaw_reply *reply)
{
    return file->remote->bytes >= 0 ? file->have == file->remote->bytes : reply->status != 0;
}

/* One request for what is missing. *again: it failed in a way that may pass. */
static thaw_status ask_once(incoming *file, thaw_reply *reply, bool *again)
{
    char path[PATH_BYTES];
    const thaw_remote *remote = file->remote;
    if (!thaw_remote_path(file->pull, remote->name, path, sizeof path))
        return thaw_fail(file->pull->context, THAW_ERR_USAGE, "%s: the name is too long", remote->name);
    if (!can_go_on(remote))
        THAW_TRY(empty_part(file));
    const thaw_request request = {.path = path,
                                  .from = file->have,
                                  .if_range = remote->digest[0] ? NULL : remote->etag,
                                  .begin = on_begin,
                                  .write = on_bytes,
                                  .user = file};
    const thaw_status status = thaw_request_send(file->pull->session, &request, reply);
    *again = reply->transient;
    THAW_TRY(status);
    if (reply->status == 416) {
        *again = true;
        THAW_TRY(empty_part(file));
    }
    if (reply->status != 200 && reply->status != 206)
        return thaw_remote_refused(file->pull, remote->name, reply);
    *again = !is_whole(file, reply);
    return *again ? thaw_fail(file->pull->context, THAW_ERR_IO, "%s: only %lld of %lld bytes came", remote->name,
                              (long long)file->have, (long long)remote->bytes)
                  : THAW_OK;
}

static thaw_status fill(incoming *file)
{
    thaw_reply reply = {0};
    bool again;
    while (!is_whole(file, &reply)) {
        const thaw_status status = ask_once(file, &reply, &again);
        if (status != THAW_OK && !again)
            return status;
        if (status != THAW_OK)
            THAW_TRY(thaw_pull_wait(file->pull, status));
        if (status != THAW_OK)
            reply.status = 0;
    }
    return THAW_OK;
}

static thaw_status verify(const incoming *file)
{
    char digest[THAW_DIGEST_TEXT];
    const thaw_remote *remote = file->remote;
    if (!remote->digest[0])
        return THAW_OK;
    const thaw_status status = thaw_digest_file(file->pull->context, file->descriptor, remote->check, digest);
    if (status != THAW_OK)
        return thaw_fail_within(file->pull->context, status, "%s", file->path);
    if (strcmp(digest, remote->digest) == 0)
        return THAW_OK;
    return thaw_fail(file->pull->context, THAW_ERR_CHECK, "%s: its %s is %s, the hub says %s", remote->name,
                     thaw_hub_check_text(remote->check), digest, remote->digest);
}

/* What a wrong part of an earlier run has spoilt is brought once more from the beginning. */
static thaw_status fill_and_verify(incoming *file)
{
    THAW_TRY(fill(file));
    thaw_status status = verify(file);
    if (status == THAW_ERR_CHECK && file->inherited) {
        THAW_TRY(empty_part(file));
        THAW_TRY(fill(file));
        status = verify(file);
    }
    if (status == THAW_OK && fsync(file->descriptor) != 0)
        return fail_disk(file, "can't write");
    return status;
}

/* The model's own, or one within it. */
static thaw_status make_folder_of(thaw_context *context, const char *path)
{
    char folder[THAW_HUB_PATH_BYTES];
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    return thaw_folder_make(context, folder);
}

thaw_status thaw_download(thaw_pull *pull, const thaw_remote *remote)
{
    char path[THAW_HUB_PATH_BYTES];
    THAW_TRY(thaw_remote_part(pull, remote, path));
    THAW_TRY(make_folder_of(pull->context, path));
    incoming file = {.pull = pull, .remote = remote, .path = path, .descriptor = -1};
    thaw_status status = open_part(&file);
    if (status == THAW_OK)
        status = fill_and_verify(&file);
    if (file.descriptor >= 0 && close(file.descriptor) != 0 && status == THAW_OK)
        status = fail_disk(&file, "can't write");
    if (status == THAW_ERR_CHECK || status == THAW_ERR_SIZE)
        unlink(path); /* another try is not to go on with it */
    return status;
}

/* --- what is there already ---------------------------------------------------------------------------------------- */

static bool record_has(const json_t *record, const thaw_remote *remote)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(record, "files"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        const char *etag = json_string_value(json_object_get(entry, "etag"));
        if (name && etag && strcmp(name, remote->name) == 0)
            return *etag && strcmp(etag, remote->etag) == 0;
    }
    return false;
}

thaw_status thaw_remote_compare(thaw_pull *pull, thaw_remote *remote)
{
    char path[THAW_HUB_PATH_BYTES], digest[THAW_DIGEST_TEXT];
    struct stat facts;
    THAW_TRY(thaw_file_path(pull->context, pull->folder, remote->name, path));
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0)
        return THAW_OK;
    const bool plain = fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
    thaw_status status = THAW_OK;
    if (plain && (remote->bytes < 0 || facts.st_size == remote->bytes)) {
        if (remote->digest[0])
            status = thaw_digest_file(pull->context, descriptor, remote->check, digest);
        remote->there = remote->digest[0] ? strcmp(digest, remote->digest) == 0 : record_has(pull->record, remote);
        if (remote->there)
            remote->bytes = facts.st_size;
    }
    close(descriptor);
    return status;
}
