/* The one thing that is looked for before every training: the same files on both sides. */
#include "train/check.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/memory.h"

typedef struct file {
    off_t bytes;
    thaw_hash content;
    size_t image;
    bool validation;
} file;

static int compare_sizes(const void *a, const void *b)
{
    const file *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

static int compare_contents(const void *a, const void *b)
{
    const file *x = a, *y = b;
    if (x->content.high != y->content.high)
        return x->content.high < y->content.high ? -1 : 1;
    if (x->content.low != y->content.low)
        return x->content.low < y->content.low ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

/* Where the run of files that are alike ends; *mixed: some are for training and some for validation. */
static size_t run_end(const file *files, size_t count, size_t from, int (*differ)(const file *, const file *),
                      bool *mixed)
{
    size_t end = from;
    for (*mixed = false; end < count && !differ(&files[from], &files[end]); end++)
        *mixed = *mixed || files[end].validation != files[from].validation;
    return end;
}

static int sizes_differ(const file *a, const file *b)
{
    return a->bytes != b->bytes;
}

static int contents_differ(const file *a, const file *b)
{
    return !thaw_hash_equal(a->content, b->content);
}

static size_t list_files(const thaw_dataset *dataset, file *files)
{
    size_t count = 0;
    struct stat facts;
    for (size_t i = 0; i < thaw_dataset_count(dataset); i++) {
        const thaw_sample *sample = thaw_dataset_sample(dataset, i);
        if (stat(sample->path, &facts) == 0 && S_ISREG(facts.st_mode))
            files[count++] = (file){.bytes = facts.st_size, .image = i, .validation = sample->validation};
    }
    qsort(files, count, sizeof *files, compare_sizes);
    return count;
}

/* Keeps the files whose size is there on both sides, and reads these. */
static size_t hash_suspects(const thaw_dataset *dataset, file *files, size_t count)
{
    size_t kept = 0;
    bool mixed;
    for (size_t from = 0, end; from < count; from = end) {
        end = run_end(files, count, from, sizes_differ, &mixed);
        for (size_t i = from; i < end && mixed; i++) {
            file suspect = files[i];
            if (thaw_image_hash_file(thaw_dataset_sample(dataset, suspect.image)->path, &suspect.content))
                files[kept++] = suspect;
        }
    }
    qsort(files, kept, sizeof *files, compare_contents);
    return kept;
}

static const char *first_name(const thaw_dataset *dataset, const file *run, bool validation)
{
    while (run->validation != validation)
        run++;
    return thaw_dataset_sample(dataset, run->image)->name;
}

static void warn(thaw_context *context, const thaw_dataset *dataset, const file *files, size_t count)
{
    const file *example = NULL;
    size_t leaks = 0;
    bool mixed;
    for (size_t from = 0, end; from < count; from = end) {
        end = run_end(files, count, from, contents_differ, &mixed);
        if (mixed && !example)
            example = &files[from];
        for (size_t i = from; i < end && mixed; i++)
            leaks += files[i].validation;
    }
    if (example)
        thaw_log(
            context, THAW_LOG_WARNING,
            "%zu of the images for validation are trained on too, first %s, which is %s: accuracy will look better "
            "than it is; see thaw check",
            leaks, first_name(dataset, example, true), first_name(dataset, example, false));
}

thaw_status thaw_check_warn_of_leaks(thaw_context *context, const thaw_dataset *dataset)
{
    file *files;
    THAW_TRY(thaw_allocate(context, thaw_dataset_count(dataset), sizeof *files, &files));
    const size_t listed = list_files(dataset, files);
    warn(context, dataset, files, hash_suspects(dataset, files, listed));
    free(files);
    return THAW_OK;
}
