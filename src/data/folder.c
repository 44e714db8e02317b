#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

enum { MAX_DEPTH = 32 };

typedef enum entry_kind { ENTRY_FILE, ENTRY_FOLDER, ENTRY_OTHER } entry_kind;

void thaw_names_free(thaw_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (thaw_names){0};
}

static thaw_status names_add(thaw_context *context, thaw_names *names, const char *name)
{
    THAW_TRY(thaw_reserve(context, &names->items, &names->capacity, names->count + 1, sizeof *names->items));
    THAW_TRY(thaw_copy_text(context, name, &names->items[names->count]));
    names->count++;
    return THAW_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(thaw_names *names)
{
    if (names->count)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
}

thaw_status thaw_path_join(thaw_context *context, const char *folder, const char *name, char **path)
{
    const size_t length = strlen(folder), name_bytes = strlen(name) + 1;
    const bool slash = length > 0 && folder[length - 1] != '/';
    THAW_TRY(thaw_allocate(context, length + slash + name_bytes, 1, path));
    memcpy(*path, folder, length);
    if (slash)
        (*path)[length] = '/';
    memcpy(*path + length + slash, name, name_bytes);
    return THAW_OK;
}

/* A folder, or a link to one. */
static bool is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* Left behind by file managers and archives; names that begin with a dot are hidden anyway. */
static bool is_ignored(const char *name)
{
    static const char *const ignored[] = {"Thumbs.db", "ehthumbs.db", "desktop.ini", "__MACOSX", "@eaDir"};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (strcmp(name, ignored[i]) == 0)
            return true;
    }
    return name[0] == '.';
}

/* Every entry that is not ignored, sorted. */
static thaw_status read_entries(thaw_context *context, const char *folder, thaw_names *names)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return thaw_fail(context, THAW_ERR_DATA, "%s: can't read the folder: %s", folder, strerror(errno));
    thaw_status status = THAW_OK;
    errno = 0;
    for (const struct dirent *entry; status == THAW_OK && (entry = readdir(stream)); errno = 0) {
        if (!is_ignored(entry->d_name))
            status = names_add(context, names, entry->d_name);
    }
    if (status == THAW_OK && errno)
        status = thaw_fail(context, THAW_ERR_DATA, "%s: can't read the folder: %s", folder, strerror(errno));
    closedir(stream);
    names_sort(names);
    return status;
}

thaw_status thaw_folder_classes(thaw_context *context, const char *folder, thaw_names *names)
{
    THAW_TRY(read_entries(context, folder, names));
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        char *path;
        const thaw_status status = thaw_path_join(context, folder, names->items[i], &path);
        char *const name = names->items[i];
        names->items[i] = NULL;
        if (status == THAW_OK && is_folder(path))
            names->items[kept++] = name;
        else
            free(name);
        free(path);
        THAW_TRY(status);
    }
    names->count = kept;
    return THAW_OK;
}

/* The walk through one class. Folders are known by device and inode, which links don't change. */
typedef struct walk {
    thaw_context *context;
    thaw_names *files;
    struct folder_key {
        dev_t device;
        ino_t inode;
    } * seen;
    size_t seen_count, seen_capacity;
} walk;

/* True if the folder was read before; remembers it otherwise. */
static thaw_status see_folder(walk *walking, const struct stat *facts, bool *again)
{
    *again = false;
    for (size_t i = 0; i < walking->seen_count && !*again; i++)
        *again = walking->seen[i].device == facts->st_dev && walking->seen[i].inode == facts->st_ino;
    if (*again)
        return THAW_OK;
    THAW_TRY(thaw_reserve(walking->context, &walking->seen, &walking->seen_capacity, walking->seen_count + 1,
                          sizeof *walking->seen));
    walking->seen[walking->seen_count++] = (struct folder_key){facts->st_dev, facts->st_ino};
    return THAW_OK;
}

static entry_kind kind_of(const char *path, struct stat *facts)
{
    if (stat(path, facts) != 0)
        return ENTRY_FILE;
    return S_ISDIR(facts->st_mode) ? ENTRY_FOLDER : S_ISREG(facts->st_mode) ? ENTRY_FILE : ENTRY_OTHER;
}

static thaw_status walk_folder(walk *walking, const char *path, const char *inside, int depth);

/* `path` is the entry as to be opened, `inside` its name inside the class. */
static thaw_status walk_entry(walk *walking, const char *path, const char *inside, int depth)
{
    struct stat facts;
    const entry_kind kind = kind_of(path, &facts);
    if (kind == ENTRY_FILE)
        return names_add(walking->context, walking->files, inside);
    if (kind == ENTRY_OTHER)
        return THAW_OK;
    bool again;
    THAW_TRY(see_folder(walking, &facts, &again));
    return again ? THAW_OK : walk_folder(walking, path, inside, depth + 1);
}

static thaw_status walk_folder(walk *walking, const char *path, const char *inside, int depth)
{
    if (depth > MAX_DEPTH)
        return thaw_fail(walking->context, THAW_ERR_DATA, "%s: folders nest deeper than %d", path, MAX_DEPTH);
    thaw_names entries = {0};
    thaw_status status = read_entries(walking->context, path, &entries);
    for (size_t i = 0; status == THAW_OK && i < entries.count; i++) {
        char *entry_path = NULL, *entry_inside = NULL;
        status = thaw_path_join(walking->context, path, entries.items[i], &entry_path);
        if (status == THAW_OK)
            status = thaw_path_join(walking->context, inside, entries.items[i], &entry_inside);
        if (status == THAW_OK)
            status = walk_entry(walking, entry_path, entry_inside, depth);
        free(entry_inside);
        free(entry_path);
    }
    thaw_names_free(&entries);
    return status;
}

thaw_status thaw_folder_files(thaw_context *context, const char *folder, thaw_names *names)
{
    walk walking = {.context = context, .files = names};
    struct stat facts;
    bool again;
    thaw_status status = THAW_OK;
    if (stat(folder, &facts) == 0)
        status = see_folder(&walking, &facts, &again);
    if (status == THAW_OK)
        status = walk_folder(&walking, folder, "", 1);
    free(walking.seen);
    names_sort(names);
    return status;
}
