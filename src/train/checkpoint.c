#include "train/checkpoint.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "format/safetensors.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX      "checkpoint-"
#define SUFFIX      ".safetensors"
#define HASH_KEY    "thaw.hash"
#define DEVICE_NOTE "device"

enum { KEPT = 2, STEP_DIGITS = 12 };

/* An array: on the device, or in memory. */
typedef struct item {
    char *name;
    thaw_dtype dtype;
    int64_t count;
    thaw_buffer *buffer;
    void *memory; /* with a buffer: where it is read to, while it is saved */
} item;

typedef struct note {
    char *name, *value;
} note;

struct thaw_checkpoint {
    thaw_context *context;
    char *folder;
    item *items;
    size_t item_count, item_capacity;
    note *notes;
    size_t note_count, note_capacity;
};

/* --- the folder --------------------------------------------------------------------------------------------------- */

typedef struct listing {
    uint64_t *steps; /* [count], falling */
    size_t count, capacity;
} listing;

static char *path_in(const thaw_checkpoint *c, const char *name)
{
    thaw_text path = {0};
    thaw_text_append(&path, "%s/%s", c->folder, name);
    if (path.failed)
        thaw_text_free(&path);
    return path.data;
}

static char *path_of(const thaw_checkpoint *c, uint64_t step)
{
    char name[64];
    snprintf(name, sizeof name, PREFIX "%0*" PRIu64 SUFFIX, (int)STEP_DIGITS, step);
    return path_in(c, name);
}

/* "checkpoint-000000000120.safetensors" is step 120; whatever looks otherwise is none of ours. */
static bool step_of(const char *name, uint64_t *step)
{
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
        return false;
    name += strlen(PREFIX);
    if (strspn(name, "0123456789") != STEP_DIGITS || strcmp(name + STEP_DIGITS, SUFFIX) != 0)
        return false;
    *step = strtoull(name, NULL, 10);
    return true;
}

static int compare_steps(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

static thaw_status list(const thaw_checkpoint *c, listing *found)
{
    *found = (listing){0};
    DIR *folder = opendir(c->folder);
    thaw_status status = THAW_OK;
    uint64_t step;
    if (!folder)
        return thaw_fail(c->context, THAW_ERR_IO, "%s: %s", c->folder, strerror(errno));
    for (struct dirent *entry; status == THAW_OK && (entry = readdir(folder));) {
        if (!step_of(entry->d_name, &step))
            continue;
        status = thaw_reserve(c->context, &found->steps, &found->capacity, found->count + 1, sizeof step);
        if (status == THAW_OK)
            found->steps[found->count++] = step;
    }
    closedir(folder);
    if (found->count)
        qsort(found->steps, found->count, sizeof *found->steps, compare_steps);
    return status;
}

static void remove_in(const thaw_checkpoint *c, const char *name)
{
    char *path = path_in(c, name);
    if (path && unlink(path) != 0 && errno != ENOENT)
        thaw_log(c->context, THAW_LOG_WARNING, "%s: can't be removed: %s", path, strerror(errno));
    free(path);
}

/* Files that were being written when somebody pulled the plug. */
static thaw_status clear_unfinished(const thaw_checkpoint *c)
{
    DIR *folder = opendir(c->folder);
    if (!folder)
        return thaw_fail(c->context, THAW_ERR_IO, "%s: %s", c->folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder));) {
        const char *ours = strstr(entry->d_name, SUFFIX ".");
        const char *end = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && ours && strcmp(end, ".tmp") == 0)
            remove_in(c, entry->d_name);
    }
    closedir(folder);
    return THAW_OK;
}

static void remove_old(const thaw_checkpoint *c)
{
    listing found;
    if (list(c, &found) == THAW_OK)
        for (size_t i = KEPT; i < found.count; i++) {
            char *path = path_of(c, found.steps[i]);
            if (path)
                unlink(path);
            free(path);
        }
    free(found.steps);
}

static thaw_status open_folder(thaw_checkpoint *c, const char *folder)
{
    THAW_TRY(thaw_copy_text(c->context, folder, &c->folder));
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return thaw_fail(c->context, THAW_ERR_IO, "%s: can't be made: %s", folder, strerror(errno));
    return clear_unfinished(c);
}

thaw_status thaw_checkpoint_open(thaw_context *context, const char *folder, thaw_checkpoint **checkpoint)
{
    THAW_TRY(thaw_allocate(context, 1, sizeof **checkpoint, checkpoint));
    (*checkpoint)->context = context;
    const thaw_status status = open_folder(*checkpoint, folder);
    if (status != THAW_OK)
        thaw_checkpoint_close(checkpoint);
    return status;
}

void thaw_checkpoint_close(thaw_checkpoint **checkpoint)
{
    thaw_checkpoint *c = *checkpoint;
    if (!c)
        return;
    for (size_t i = 0; i < c->item_count; i++)
        free(c->items[i].name);
    for (size_t i = 0; i < c->note_count; i++) {
        free(c->notes[i].name);
        free(c->notes[i].value);
    }
    free(c->items);
    free(c->notes);
    free(c->folder);
    free(c);
    *checkpoint = NULL;
}

thaw_status thaw_checkpoint_exists(thaw_checkpoint *checkpoint, bool *exists)
{
    listing found;
    const thaw_status status = list(checkpoint, &found);
    *exists = found.count > 0;
    free(found.steps);
    return status;
}

/* --- what is kept ------------------------------------------------------------------------------------------------- */

thaw_status thaw_checkpoint_note(thaw_checkpoint *c, const char *name, const char *format, ...)
{
    char value[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    THAW_TRY(thaw_reserve(c->context, &c->notes, &c->note_capacity, c->note_count + 1, sizeof *c->notes));
    note *added = &c->notes[c->note_count++];
    *added = (note){0};
    THAW_TRY(thaw_copy_text(c->context, name, &added->name));
    return thaw_copy_text(c->context, value, &added->value);
}

static thaw_status add(thaw_checkpoint *c, const char *kind, const char *name, item added)
{
    thaw_text text = {0};
    THAW_TRY(thaw_reserve(c->context, &c->items, &c->item_capacity, c->item_count + 1, sizeof *c->items));
    thaw_text_append(&text, "%s/%s", kind, name);
    if (text.failed)
        return thaw_fail(c->context, THAW_ERR_MEMORY, "out of memory");
    added.name = text.data;
    c->items[c->item_count++] = added;
    return THAW_OK;
}

thaw_status thaw_checkpoint_add_buffer(thaw_checkpoint *c, const char *kind, const char *name, thaw_buffer *buffer,
                                       int64_t floats)
{
    return add(c, kind, name, (item){.dtype = THAW_FLOAT32, .count = floats, .buffer = buffer});
}

thaw_status thaw_checkpoint_add_memory(thaw_checkpoint *c, const char *kind, const char *name, thaw_dtype dtype,
                                       void *memory, int64_t count)
{
    return add(c, kind, name, (item){.dtype = dtype, .count = count, .memory = memory});
}

static int compare_tensors(const void *a, const void *b)
{
    return strcmp(((const thaw_safetensor *)a)->name, ((const thaw_safetensor *)b)->name);
}

static int compare_notes(const void *a, const void *b)
{
    return strcmp(((const thaw_safetensors_note *)a)->key, ((const thaw_safetensors_note *)b)->key);
}

/* Over all notes but the hash itself, and all arrays. Sorts both by name. */
static thaw_hash hash_all(thaw_safetensor *tensors, size_t count, thaw_safetensors_note *notes, size_t note_count)
{
    thaw_hash hash = {0, 0};
    qsort(tensors, count, sizeof *tensors, compare_tensors);
    qsort(notes, note_count, sizeof *notes, compare_notes);
    for (size_t i = 0; i < note_count; i++) {
        if (strcmp(notes[i].key, HASH_KEY) == 0)
            continue;
        hash = thaw_hash_extend(hash, notes[i].key, strlen(notes[i].key));
        hash = thaw_hash_extend(hash, notes[i].value, strlen(notes[i].value));
    }
    for (size_t i = 0; i < count; i++) {
        const char *type = thaw_dtype_text(tensors[i].dtype);
        hash = thaw_hash_extend(hash, tensors[i].name, strlen(tensors[i].name));
        hash = thaw_hash_extend(hash, type, strlen(type));
        hash = thaw_hash_extend(hash, tensors[i].data, tensors[i].bytes);
    }
    return hash;
}

/* --- saving ------------------------------------------------------------------------------------------------------- */

static size_t item_bytes(const item *i)
{
    return (size_t)i->count * thaw_dtype_bytes(i->dtype);
}

static bool is_finite(const item *i)
{
    const float *values = i->memory;
    for (int64_t k = 0; k < i->count; k++)
        if (!isfinite(values[k]))
            return false;
    return true;
}

static thaw_status fetch(const thaw_checkpoint *c, uint64_t step, item *i)
{
    if (!i->buffer)
        return THAW_OK;
    THAW_TRY(thaw_allocate(c->context, (size_t)i->count, sizeof(float), &i->memory));
    if (i->count)
        THAW_TRY(thaw_buffer_read(i->buffer, 0, i->memory, item_bytes(i)));
    if (is_finite(i))
        return THAW_OK;
    return thaw_fail(c->context, THAW_ERR_DIVERGED, "after step %" PRIu64 " '%s' holds NaN or infinities: not saved",
                     step, i->name);
}

static thaw_status write_step(const thaw_checkpoint *c, uint64_t step, thaw_safetensor *tensors,
                              thaw_safetensors_note *notes)
{
    char hash[THAW_HASH_TEXT];
    for (size_t i = 0; i < c->item_count; i++)
        tensors[i] = (thaw_safetensor){c->items[i].name,
                                       c->items[i].dtype,
                                       {1, {c->items[i].count}},
                                       c->items[i].memory,
                                       item_bytes(&c->items[i])};
    for (size_t i = 0; i < c->note_count; i++)
        notes[i] = (thaw_safetensors_note){c->notes[i].name, c->notes[i].value};
    thaw_hash_text(hash_all(tensors, c->item_count, notes, c->note_count), hash);
    notes[c->note_count] = (thaw_safetensors_note){HASH_KEY, hash};
    char *path = path_of(c, step);
    if (!path)
        return thaw_fail(c->context, THAW_ERR_MEMORY, "out of memory");
    const thaw_status status =
        thaw_safetensors_write(c->context, path, tensors, c->item_count, notes, c->note_count + 1);
    free(path);
    return status;
}

static thaw_status save(thaw_checkpoint *c, uint64_t step)
{
    thaw_safetensor *tensors = NULL;
    thaw_safetensors_note *notes = NULL;
    for (size_t i = 0; i < c->item_count; i++)
        THAW_TRY(fetch(c, step, &c->items[i]));
    thaw_status status = thaw_allocate(c->context, c->item_count, sizeof *tensors, &tensors);
    if (status == THAW_OK)
        status = thaw_allocate(c->context, c->note_count + 1, sizeof *notes, &notes);
    if (status == THAW_OK)
        status = write_step(c, step, tensors, notes);
    free(tensors);
    free(notes);
    return status;
}

thaw_status thaw_checkpoint_save(thaw_checkpoint *c, uint64_t step)
{
    const thaw_status status = save(c, step);
    for (size_t i = 0; i < c->item_count; i++)
        if (c->items[i].buffer) {
            free(c->items[i].memory);
            c->items[i].memory = NULL;
        }
    if (status == THAW_OK)
        remove_old(c);
    return status;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* A file that is whole has the hash of its content in it. */
static bool is_whole(thaw_safetensors *file)
{
    char hash[THAW_HASH_TEXT];
    const char *kept = thaw_safetensors_note_of(file, HASH_KEY);
    thaw_hash_text(hash_all(file->tensors, file->count, file->notes, file->note_count), hash);
    return kept && strcmp(kept, hash) == 0;
}

static thaw_status check_run(const thaw_checkpoint *c, const thaw_safetensors *file, const char *path)
{
    for (size_t i = 0; i < c->note_count; i++) {
        const char *there = thaw_safetensors_note_of(file, c->notes[i].name), *here = c->notes[i].value;
        const bool differs = !there || strcmp(there, here) != 0;
        if (differs && strcmp(c->notes[i].name, DEVICE_NOTE) == 0)
            thaw_log(c->context, THAW_LOG_WARNING, "%s was written on %s: the result will have other bits", path,
                     there ? there : "another device");
        else if (differs)
            return thaw_fail(c->context, THAW_ERR_USAGE, "%s is of another run: %s is %s there, %s here", path,
                             c->notes[i].name, there ? there : "not known", here);
    }
    for (size_t i = 0; i < c->item_count; i++) {
        const thaw_safetensor *tensor = thaw_safetensors_find(file, c->items[i].name);
        if (!tensor || tensor->dtype != c->items[i].dtype || tensor->bytes != item_bytes(&c->items[i]))
            return thaw_fail(c->context, THAW_ERR_USAGE, "%s is of another run: '%s' is not there, or of another size",
                             path, c->items[i].name);
    }
    return THAW_OK;
}

static thaw_status take_over(thaw_checkpoint *c, const thaw_safetensors *file)
{
    for (size_t i = 0; i < c->item_count; i++) {
        const item *to = &c->items[i];
        const thaw_safetensor *from = thaw_safetensors_find(file, to->name);
        if (!from->bytes)
            continue;
        if (to->buffer)
            THAW_TRY(thaw_buffer_write(to->buffer, 0, from->data, from->bytes));
        else
            memcpy(to->memory, from->data, from->bytes);
    }
    return THAW_OK;
}

/* *whole is false, with the reason in the context, for a damaged file. */
static thaw_status use_file(thaw_checkpoint *c, const char *path, thaw_safetensors *file, bool *whole)
{
    *whole = is_whole(file);
    if (!*whole) {
        (void)thaw_fail(c->context, THAW_ERR_IO, "%s: not what was written", path);
        return THAW_OK;
    }
    THAW_TRY(check_run(c, file, path));
    return take_over(c, file);
}

static thaw_status try_step(thaw_checkpoint *c, uint64_t step, bool *whole)
{
    thaw_safetensors file;
    char *path = path_of(c, step);
    *whole = false;
    if (!path)
        return thaw_fail(c->context, THAW_ERR_MEMORY, "out of memory");
    thaw_status status = thaw_safetensors_read(c->context, path, UINT64_MAX, &file);
    if (status == THAW_OK) {
        status = use_file(c, path, &file, whole);
        thaw_safetensors_free(&file);
    } else if (status != THAW_ERR_MEMORY) {
        status = THAW_OK; /* damaged: the reason is in the context */
    }
    free(path);
    return status;
}

thaw_status thaw_checkpoint_load(thaw_checkpoint *c, bool *found)
{
    listing files;
    bool whole = false;
    thaw_status status = list(c, &files);
    for (size_t i = 0; i < files.count && status == THAW_OK && !whole; i++) {
        status = try_step(c, files.steps[i], &whole);
        if (status == THAW_OK && !whole)
            thaw_log(c->context, THAW_LOG_WARNING, "a checkpoint is damaged, %s: %s",
                     i + 1 < files.count ? "going back to the one before" : "and there is none before it",
                     thaw_error_message(c->context));
    }
    *found = whole;
    if (status == THAW_OK && files.count && !whole)
        status = thaw_fail(c->context, THAW_ERR_IO, "%s: none of %zu checkpoints is whole", c->folder, files.count);
    free(files.steps);
    return status;
}
