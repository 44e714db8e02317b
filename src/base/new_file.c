#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

struct thaw_new_file {
    thaw_context *context;
    char *path;      /* the target as named by the caller, for messages */
    char *target;    /* the same with symbolic links followed: what is replaced is the file, not the link */
    char *temporary; /* NULL: the target is a device or a pipe and is written directly */
    int descriptor;
};

static thaw_status fail_errno(const thaw_new_file *file, const char *what)
{
    return thaw_fail(file->context, THAW_ERR_IO, "%s: %s: %s", file->path, what, strerror(errno));
}

/* Creates a file of a new name beside the target, with the permissions of the file that it will replace, or those that
 * the umask leaves. */
static thaw_status create_temporary(thaw_new_file *file, const struct stat *replaced)
{
    const size_t size = strlen(file->target) + sizeof ".0123456789abcdef.tmp";
    THAW_TRY(thaw_allocate(file->context, size, 1, &file->temporary));
    thaw_random random = {(uint64_t)getpid() << 32 ^ (uint64_t)(thaw_clock_seconds() * 1e9)};
    for (int attempt = 0; attempt < 100 && file->descriptor < 0; attempt++) {
        snprintf(file->temporary, size, "%s.%016llx.tmp", file->target, (unsigned long long)thaw_random_next(&random));
        file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->descriptor < 0 && errno != EEXIST)
            break;
    }
    if (file->descriptor < 0) {
        free(file->temporary); /* not ours to remove */
        file->temporary = NULL;
        return fail_errno(file, "can't create");
    }
    if (replaced && fchmod(file->descriptor, replaced->st_mode & 0777) != 0)
        return fail_errno(file, "can't set permissions");
    return THAW_OK;
}

static thaw_status open_target(thaw_new_file *file)
{
    struct stat facts;
    if (stat(file->path, &facts) != 0) {
        if (errno != ENOENT)
            return fail_errno(file, "can't create");
        THAW_TRY(thaw_copy_text(file->context, file->path, &file->target));
        return create_temporary(file, NULL);
    }
    if (S_ISDIR(facts.st_mode))
        return thaw_fail(file->context, THAW_ERR_IO, "%s: is a folder, not a file", file->path);
    if (access(file->path, W_OK) != 0)
        return fail_errno(file, "can't write");
    if (S_ISREG(facts.st_mode)) {
        file->target = realpath(file->path, NULL);
        return file->target ? create_temporary(file, &facts) : fail_errno(file, "can't open");
    }
    file->descriptor = open(file->path, O_WRONLY | O_CLOEXEC);
    return file->descriptor < 0 ? fail_errno(file, "can't open") : THAW_OK;
}

thaw_status thaw_new_file_open(thaw_context *context, const char *path, thaw_new_file **file)
{
    THAW_TRY(thaw_allocate(context, 1, sizeof **file, file));
    (*file)->context = context;
    (*file)->descriptor = -1;
    thaw_status status = thaw_copy_text(context, path, &(*file)->path);
    if (status == THAW_OK)
        status = open_target(*file);
    if (status != THAW_OK)
        thaw_new_file_abandon(file);
    return status;
}

thaw_status thaw_new_file_write(thaw_new_file *file, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        const ssize_t written = write(file->descriptor, next, size);
        if (written < 0 && errno != EINTR)
            return fail_errno(file, "can't write");
        if (written > 0) {
            next += written;
            size -= (size_t)written;
        }
    }
    return THAW_OK;
}

/* The file is in place already, so a file system that can't do this is no reason to fail. */
void thaw_folder_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    if (slash && (size_t)(slash - path) + 1 < sizeof folder) {
        memcpy(folder, path, (size_t)(slash - path) + 1);
        folder[slash - path + 1] = '\0';
    }
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    fsync(descriptor);
    close(descriptor);
}

static thaw_status put_in_place(thaw_new_file *file)
{
    const int descriptor = file->descriptor;
    if (file->temporary && fsync(descriptor) != 0)
        return fail_errno(file, "can't write");
    file->descriptor = -1;
    if (close(descriptor) != 0)
        return fail_errno(file, "can't write");
    if (!file->temporary)
        return THAW_OK;
    if (rename(file->temporary, file->target) != 0)
        return fail_errno(file, "can't replace");
    thaw_folder_sync(file->target);
    free(file->temporary); /* nothing left to remove */
    file->temporary = NULL;
    return THAW_OK;
}

thaw_status thaw_new_file_commit(thaw_new_file **file)
{
    const thaw_status status = put_in_place(*file);
    thaw_new_file_abandon(file);
    return status;
}

void thaw_new_file_abandon(thaw_new_file **file)
{
    if (!file || !*file)
        return;
    if ((*file)->descriptor >= 0)
        close((*file)->descriptor);
    if ((*file)->temporary)
        unlink((*file)->temporary);
    free((*file)->temporary);
    free((*file)->target);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

thaw_status thaw_file_write(thaw_context *context, const char *path, const void *bytes, size_t size)
{
    thaw_new_file *file;
    THAW_TRY(thaw_new_file_open(context, path, &file));
    const thaw_status status = thaw_new_file_write(file, bytes, size);
    if (status != THAW_OK) {
        thaw_new_file_abandon(&file);
        return status;
    }
    return thaw_new_file_commit(&file);
}
