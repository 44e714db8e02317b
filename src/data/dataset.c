/* A folder per class: which classes and images there are, and which of them are for validation. */
#include <thaw/data.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "data/folder.h"
#include "data/split.h"

struct thaw_dataset {
    thaw_context *context;
    thaw_names classes;
    thaw_sample *samples;
    size_t count, capacity;
};

/* Where the images are. A sample's name is its path inside `root`. */
typedef struct source {
    const char *root;   /* borrowed */
    const char *inside; /* "", "train" or "val": the part of the root that holds the classes */
    char *folder;       /* both, joined */
    thaw_names classes;
} source;

thaw_dataset_options thaw_dataset_defaults(void)
{
    return (thaw_dataset_options){.validation_share = 0.2, .split_seed = 1};
}

static void source_free(source *from)
{
    free(from->folder);
    thaw_names_free(&from->classes);
    *from = (source){0};
}

static thaw_status source_open(thaw_context *context, const char *root, const char *inside, source *from)
{
    from->root = root;
    from->inside = inside;
    THAW_TRY(*inside ? thaw_path_join(context, root, inside, &from->folder)
                     : thaw_copy_text(context, root, &from->folder));
    return thaw_folder_classes(context, from->folder, &from->classes);
}

static bool names_hold(const thaw_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0)
            return true;
    }
    return false;
}

/* DIR/train is taken for the training part, not for a class of that name, if DIR/val lies beside it or nothing but
 * DIR/test does. */
static bool is_divided(const thaw_names *folders)
{
    if (!names_hold(folders, "train"))
        return false;
    return names_hold(folders, "val") || folders->count - names_hold(folders, "test") == 1;
}

/* Finds the training folder, and the validation folder if there is one (its root is NULL otherwise). */
static thaw_status sources_find(thaw_context *context, const char *folder, const char *validation_folder,
                                source *training, source *validation)
{
    THAW_TRY(source_open(context, folder, "", training));
    const bool divided = is_divided(&training->classes);
    const bool own_validation = divided && names_hold(&training->classes, "val");
    if (divided) {
        source_free(training);
        THAW_TRY(source_open(context, folder, "train", training));
    }
    if (validation_folder)
        return source_open(context, validation_folder, "", validation);
    return own_validation ? source_open(context, folder, "val", validation) : THAW_OK;
}

static thaw_status add_sample(thaw_dataset *dataset, const source *from, const char *class_name, const char *file,
                              thaw_sample sample)
{
    thaw_context *context = dataset->context;
    char *class_folder = NULL, *path = NULL;
    THAW_TRY(thaw_reserve(context, &dataset->samples, &dataset->capacity, dataset->count + 1, sizeof(thaw_sample)));
    THAW_TRY(thaw_path_join(context, from->folder, class_name, &class_folder));
    const thaw_status status = thaw_path_join(context, class_folder, file, &path);
    free(class_folder);
    THAW_TRY(status);
    sample.path = path;
    sample.name = path + strlen(from->root);
    while (*sample.name == '/')
        sample.name++;
    dataset->samples[dataset->count++] = sample;
    return THAW_OK;
}

/* Adds the images of one class, in the order of their names. */
static thaw_status add_class(thaw_dataset *dataset, const source *from, size_t index, bool validation)
{
    thaw_context *context = dataset->context;
    const char *name = dataset->classes.items[index];
    const thaw_sample sample = {.class_index = (int32_t)index, .validation = validation};
    thaw_names files = {0};
    char *folder;
    THAW_TRY(thaw_path_join(context, from->folder, name, &folder));
    thaw_status status = thaw_folder_files(context, folder, &files);
    if (status == THAW_OK && files.count == 0)
        status = thaw_fail(context, THAW_ERR_DATA, "%s: class \"%s\" has no images", from->folder, name);
    for (size_t i = 0; status == THAW_OK && i < files.count; i++)
        status = add_sample(dataset, from, name, files.items[i], sample);
    thaw_names_free(&files);
    free(folder);
    return status;
}

static void append_missing(thaw_text *text, const source *from, const source *other)
{
    bool first = true;
    for (size_t i = 0; i < from->classes.count; i++) {
        if (names_hold(&other->classes, from->classes.items[i]))
            continue;
        if (first)
            thaw_text_append(text, "%sonly in %s:", text->length ? "; " : "", from->folder);
        thaw_text_append(text, "%s \"%s\"", first ? "" : ",", from->classes.items[i]);
        first = false;
    }
}

static thaw_status check_same_classes(thaw_context *context, const source *training, const source *validation)
{
    thaw_text text = {0};
    append_missing(&text, training, validation);
    append_missing(&text, validation, training);
    thaw_status status = THAW_OK;
    if (text.failed)
        status = thaw_fail(context, THAW_ERR_MEMORY, "out of memory for the names of classes");
    else if (text.length)
        status = thaw_fail(context, THAW_ERR_DATA, "training and validation have different classes: %s", text.data);
    thaw_text_free(&text);
    return status;
}

static thaw_status check_class_count(thaw_context *context, const source *training, bool single_allowed)
{
    const size_t count = training->classes.count;
    if (count >= 2 || (count == 1 && single_allowed))
        return THAW_OK;
    return thaw_fail(context, THAW_ERR_DATA, "%s: %s; the images of each class belong into a folder of its own",
                     training->folder, count ? "only one class, two or more are needed" : "no class folders in it");
}

static thaw_status split(thaw_dataset *dataset, const thaw_dataset_options *options)
{
    for (size_t from = 0, end; from < dataset->count; from = end) {
        for (end = from; end < dataset->count; end++) {
            if (dataset->samples[end].class_index != dataset->samples[from].class_index)
                break;
        }
        THAW_TRY(thaw_split_class(dataset->context, dataset->samples + from, end - from, options->validation_share,
                                  options->split_seed));
    }
    return THAW_OK;
}

/* Takes over the training source's class names. */
static thaw_status fill(thaw_dataset *dataset, source *training, const source *validation,
                        const thaw_dataset_options *options)
{
    THAW_TRY(check_class_count(dataset->context, training, options->single_class_allowed));
    if (validation->root)
        THAW_TRY(check_same_classes(dataset->context, training, validation));
    dataset->classes = training->classes;
    training->classes = (thaw_names){0};
    for (size_t i = 0; i < dataset->classes.count; i++)
        THAW_TRY(add_class(dataset, training, i, false));
    if (!validation->root)
        return split(dataset, options);
    for (size_t i = 0; i < dataset->classes.count; i++)
        THAW_TRY(add_class(dataset, validation, i, true));
    return THAW_OK;
}

thaw_status thaw_dataset_open(thaw_context *context, const char *folder, const thaw_dataset_options *options,
                              thaw_dataset **dataset)
{
    *dataset = NULL;
    const thaw_dataset_options chosen = options ? *options : thaw_dataset_defaults();
    if (!(chosen.validation_share >= 0 && chosen.validation_share <= 0.9))
        return thaw_fail(context, THAW_ERR_USAGE, "the share for validation is %g, it must be 0 to 0.9",
                         chosen.validation_share);
    thaw_dataset *made;
    THAW_TRY(thaw_allocate(context, 1, sizeof *made, &made));
    made->context = context;
    source training = {0}, validation = {0};
    thaw_status status = sources_find(context, folder, chosen.validation_folder, &training, &validation);
    if (status == THAW_OK)
        status = fill(made, &training, &validation, &chosen);
    source_free(&training);
    source_free(&validation);
    if (status == THAW_OK)
        *dataset = made;
    else
        thaw_dataset_close(&made);
    return status;
}

void thaw_dataset_close(thaw_dataset **dataset)
{
    if (!dataset || !*dataset)
        return;
    for (size_t i = 0; i < (*dataset)->count; i++)
        free((char *)(*dataset)->samples[i].path);
    free((*dataset)->samples);
    thaw_names_free(&(*dataset)->classes);
    free(*dataset);
    *dataset = NULL;
}

size_t thaw_dataset_class_count(const thaw_dataset *dataset)
{
    return dataset->classes.count;
}

const char *thaw_dataset_class_name(const thaw_dataset *dataset, size_t index)
{
    return dataset->classes.items[index];
}

size_t thaw_dataset_count(const thaw_dataset *dataset)
{
    return dataset->count;
}

const thaw_sample *thaw_dataset_sample(const thaw_dataset *dataset, size_t index)
{
    return &dataset->samples[index];
}
