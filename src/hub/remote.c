/* What the hub says of a file before it is brought. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "hub/pull.h"

#define PATH_BYTES 2048

bool thaw_remote_path(const thaw_pull *pull, const char *name, char *path, size_t size)
{
    const int length = snprintf(path, size, "%s/resolve/%s/%s", pull->name.model,
                                pull->commit[0] ? pull->commit : pull->name.escaped, name);
    return length >= 0 && (size_t)length < size;
}

thaw_status thaw_pull_wait(thaw_pull *pull, thaw_status failure)
{
    double seconds = pull->options->retry_seconds;
    if (pull->failures >= pull->options->retries)
        return failure;
    for (int32_t i = 0; i < pull->failures; i++)
        seconds *= 2;
    pull->failures++;
    thaw_log(pull->context, THAW_LOG_WARNING, "%s; trying again in %.0f s", thaw_error_message(pull->context), seconds);
    return thaw_hub_sleep(pull->context, seconds);
}

thaw_status thaw_remote_refused(const thaw_pull *pull, const char *name, const thaw_reply *reply)
{
    static const struct {
        const char *code, *why;
    } known[] = {{"RepoNotFound", "the hub has no such model, or it is a private one and needs a token"},
                 {"RevisionNotFound", "the model has no such revision"},
                 {"GatedRepo", "the hub wants its terms to be accepted, on the model's page, and a token"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(reply->error_code, known[i].code) == 0)
            return thaw_fail(pull->context, THAW_ERR_MODEL, "%s", known[i].why);
    if (reply->status == 404)
        return thaw_fail(pull->context, THAW_ERR_MODEL, "the hub has no %s there", name);
    if (reply->status != 401 && reply->status != 403)
        return thaw_fail(pull->context, THAW_ERR_IO, "%s: the hub answers with status %d", name, reply->status);
    if (thaw_hub_session_has_token(pull->session))
        return thaw_fail(pull->context, THAW_ERR_IO, "%s: the hub refuses (%d): the token does not allow it", name,
                         reply->status);
    return thaw_fail(pull->context, THAW_ERR_IO,
                     "%s: the hub refuses (%d): no such model, or it needs a token (THAW_HUB_TOKEN)", name,
                     reply->status);
}

/* One answer to "what is it like?", tried again where that may help. */
static thaw_status ask(thaw_pull *pull, const char *name, thaw_reply *reply)
{
    char path[PATH_BYTES];
    if (!thaw_remote_path(pull, name, path, sizeof path))
        return thaw_fail(pull->context, THAW_ERR_USAGE, "%s: the name is too long", name);
    const thaw_request request = {.path = path, .facts_only = true};
    for (;;) {
        thaw_status status = thaw_request_send(pull->session, &request, reply);
        if (status == THAW_OK && reply->transient)
            status = thaw_remote_refused(pull, name, reply);
        if (status == THAW_OK || !reply->transient) {
            pull->failures = 0;
            return status;
        }
        THAW_TRY(thaw_pull_wait(pull, status));
    }
}

static void take_commit(thaw_pull *pull, const thaw_reply *reply)
{
    if (!pull->commit[0] && thaw_digest_kind(reply->commit) == THAW_HUB_CHECK_GIT_SHA1)
        strcpy(pull->commit, reply->commit);
}

/* The digest that the hub itself names: of large files as X-Linked-ETag, of small ones, which lie in git, as ETag. */
static void take_digest(thaw_remote *remote, const thaw_reply *reply)
{
    const char *digest = reply->linked_etag[0] ? reply->linked_etag : reply->etag_of_hub;
    remote->check = thaw_digest_kind(digest);
    if (!reply->linked_etag[0] && remote->check == THAW_HUB_CHECK_SHA256)
        remote->check = THAW_HUB_CHECK_SIZE; /* not said to be one of the content */
    if (remote->check == THAW_HUB_CHECK_SIZE)
        return;
    size_t i = 0;
    for (; digest[i]; i++)
        remote->digest[i] = (char)tolower((unsigned char)digest[i]);
    remote->digest[i] = '\0';
}

static thaw_status describe(const thaw_pull *pull, const thaw_reply *reply, thaw_remote *remote)
{
    remote->bytes = reply->linked_size >= 0 ? reply->linked_size : reply->length;
    take_digest(remote, reply);
    if (reply->etag[0] == '"' && !reply->linked_etag[0])
        strcpy(remote->etag, reply->etag);
    if (remote->bytes < 0 && !remote->digest[0])
        return thaw_fail(pull->context, THAW_ERR_IO,
                         "%s: the hub says neither how long it is nor its digest, so it can't be checked",
                         remote->name);
    if (remote->bytes > 0 && (uint64_t)remote->bytes > remote->most_bytes)
        return thaw_fail(pull->context, THAW_ERR_SIZE, "%s: %lld bytes are more than the %llu that Thaw takes",
                         remote->name, (long long)remote->bytes, (unsigned long long)remote->most_bytes);
    return THAW_OK;
}

thaw_status thaw_remote_look(thaw_pull *pull, const char *name, uint64_t most_bytes, bool *found)
{
    thaw_reply reply;
    *found = false;
    THAW_TRY(ask(pull, name, &reply));
    take_commit(pull, &reply);
    /* Some other error than a missing file is one of the whole model. */
    const bool missing = !reply.error_code[0] || strcmp(reply.error_code, "EntryNotFound") == 0;
    if (reply.status == 404 && missing)
        return THAW_OK;
    const bool elsewhere = reply.status >= 300 && reply.status < 400 && reply.linked_etag[0];
    if (reply.status != 200 && !elsewhere)
        return thaw_remote_refused(pull, name, &reply);
    THAW_TRY(thaw_reserve(pull->context, &pull->files, &pull->capacity, pull->count + 1, sizeof *pull->files));
    thaw_remote *remote = &pull->files[pull->count];
    *remote = (thaw_remote){.most_bytes = most_bytes};
    snprintf(remote->name, sizeof remote->name, "%s", name);
    THAW_TRY(describe(pull, &reply, remote));
    pull->count++;
    *found = true;
    return THAW_OK;
}
