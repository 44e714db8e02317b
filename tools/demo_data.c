/* thaw_demo_data: draws a small data set, a folder per class, from a seed. demo.sh uses the target task, the recipe in
 * train_demo_base.sh the source task. */
#include "demo_draw.h"

#include <errno.h>
#include <png.h>
#include <popt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    char *task, *output;
    long per_class, seed;
    int size;
};

static bool make_folder(const char *path)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return true;
    fprintf(stderr, "thaw_demo_data: %s: %s\n", path, strerror(errno));
    return false;
}

static bool write_png(const char *path, int size, const unsigned char *pixels)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)size,
                       .height = (png_uint_32)size,
                       .format = PNG_FORMAT_RGB};
    if (png_image_write_to_file(&image, path, 0, pixels, 0, NULL))
        return true;
    fprintf(stderr, "thaw_demo_data: %s: %s\n", path, image.message);
    return false;
}

/* A seed for each picture, so that one does not depend on how many others are drawn. */
static uint64_t picture_seed(const struct options *options, const demo_task *task, size_t class_index, long index)
{
    const uint64_t task_index = (uint64_t)(task - demo_tasks);
    return (((uint64_t)options->seed * 2 + task_index) * 1000003u + class_index) * 1000003u + (uint64_t)index;
}

static bool draw_task(const struct options *options, const demo_task *task, double *work, unsigned char *pixels)
{
    char path[4096];
    if (!make_folder(options->output))
        return false;
    for (size_t i = 0; i < task->class_count; i++) {
        const demo_class *class = &task->classes[i];
        snprintf(path, sizeof path, "%s/%s", options->output, class->name);
        if (!make_folder(path))
            return false;
        for (long k = 0; k < options->per_class; k++) {
            demo_draw(class, picture_seed(options, task, i, k), options->size, work, pixels);
            snprintf(path, sizeof path, "%s/%s/%s_%04ld.png", options->output, class->name, class->name, k);
            if (!write_png(path, options->size, pixels))
                return false;
        }
    }
    return true;
}

static const demo_task *find_task(const char *name)
{
    for (size_t i = 0; i < demo_task_count; i++)
        if (strcmp(demo_tasks[i].name, name) == 0)
            return &demo_tasks[i];
    return NULL;
}

static bool options_ok(const struct options *options)
{
    const char *wrong = NULL;
    if (!options->output)
        wrong = "--output DIR is missing";
    else if (strlen(options->output) > 3500)
        wrong = "--output is too long";
    else if (!find_task(options->task))
        wrong = "--task is source or target";
    else if (options->per_class < 0 || options->per_class > 100000)
        wrong = "--per-class goes from 1 to 100000";
    else if (options->size < 16 || options->size > 1024)
        wrong = "--size goes from 16 to 1024";
    if (wrong)
        fprintf(stderr, "thaw_demo_data: %s\n", wrong);
    return !wrong;
}

static int run(struct options *options)
{
    if (!options_ok(options))
        return 2;
    const demo_task *task = find_task(options->task);
    if (options->per_class == 0)
        options->per_class = task->images_per_class;
    double *work = malloc(DEMO_WORK(options->size) * sizeof *work);
    unsigned char *pixels = malloc((size_t)options->size * options->size * 3);
    const bool ok = work && pixels && draw_task(options, task, work, pixels);
    if (!work || !pixels)
        fputs("thaw_demo_data: out of memory\n", stderr);
    free(work);
    free(pixels);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options = {.task = NULL, .output = NULL, .per_class = 0, .seed = 1, .size = 64};
    const struct poptOption table[] = {
        {"task", 't', POPT_ARG_STRING, &options.task, 0, "which objects (default: target)", "source|target"},
        {"per-class", 'n', POPT_ARG_LONG, &options.per_class, 0, "images of each class (default: 1000 or 24)", "N"},
        {"seed", 's', POPT_ARG_LONG, &options.seed, 0, "the same seed, the same images (default: 1)", "N"},
        {"size", 'p', POPT_ARG_INT, &options.size, 0, "pixels, both ways (default: 64)", "N"},
        {"output", 'o', POPT_ARG_STRING, &options.output, 0, "folder for a folder per class", "DIR"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext context = poptGetContext("thaw_demo_data", argc, (const char **)argv, table, 0);
    const int parsed = poptGetNextOpt(context);
    int status = 2;
    if (parsed < -1)
        fprintf(stderr, "thaw_demo_data: %s: %s\n", poptBadOption(context, 0), poptStrerror(parsed));
    else if (poptPeekArg(context))
        fprintf(stderr, "thaw_demo_data: %s: not an option\n", poptPeekArg(context));
    else {
        if (!options.task)
            options.task = strdup("target");
        status = run(&options);
    }
    poptFreeContext(context);
    free(options.task);
    free(options.output);
    return status;
}
