#include "hub/name.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ASCII whatever the locale. */
static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One part of a path: no hidden file, no "..", no option. */
static bool is_part(const char *text, size_t length, const char *others)
{
    if (length < 1 || length > THAW_HUB_NAME_MOST || !(is_alphanumeric(text[0]) || text[0] == '_'))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_alphanumeric(text[i]) && !strchr(others, text[i]))
            return false;
    return true;
}

/* Parts between slashes, `least` to `most` of them. */
static bool is_path(const char *text, size_t length, const char *others, size_t least, size_t most)
{
    size_t parts = 0;
    for (const char *part = text, *end = text + length;; part++) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        const char *part_end = slash ? slash : end;
        if (!is_part(part, (size_t)(part_end - part), others))
            return false;
        parts++;
        if (!slash)
            return parts >= least && parts <= most;
        part = slash;
    }
}

static void escape(const char *text, char *escaped)
{
    for (; *text; text++) {
        if (*text == '/')
            escaped = stpcpy(escaped, "%2F");
        else
            *escaped++ = *text;
    }
    *escaped = '\0';
}

bool thaw_hub_name_parse(const char *text, const char *revision, thaw_hub_name *name, const char **why)
{
    const char *at = strchr(text, '@');
    const size_t length = at ? (size_t)(at - text) : strlen(text);
    *why = "expected OWNER/NAME of letters, digits and .-_";
    if (length >= sizeof name->model || !is_path(text, length, ".-_", 2, 2))
        return false;
    *why = "two revisions are named";
    if (at && revision && strcmp(at + 1, revision) != 0)
        return false;
    if (!revision)
        revision = at ? at + 1 : THAW_HUB_MAIN;
    *why = "the revision is no branch, tag or commit";
    if (strlen(revision) >= sizeof name->revision || !is_path(revision, strlen(revision), ".-_+=", 1, SIZE_MAX))
        return false;
    memcpy(name->model, text, length);
    name->model[length] = '\0';
    strcpy(name->revision, revision);
    escape(revision, name->escaped);
    return true;
}

bool thaw_hub_file_allowed(const char *path, bool plain)
{
    return strlen(path) <= THAW_HUB_PATH_MOST && is_path(path, strlen(path), ".-_+=", 1, plain ? 1 : 8);
}

void thaw_hub_name_folder(const thaw_hub_name *name, char *folder, size_t size)
{
    const bool is_main = strcmp(name->revision, THAW_HUB_MAIN) == 0;
    snprintf(folder, size, "%s%s%s", name->model, is_main ? "" : "@", is_main ? "" : name->escaped);
}
