#include "train/rows.h"
#include "base/memory.h"
#include "train/images.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct thaw_rows {
    thaw_context *context;
    thaw_rows_options options;
    size_t *index; /* [count] */
    size_t count;
    size_t changing; /* rows before that place are augmented */
    float **values;  /* [cut->count][(count - changing) * width]; NULL: computed again */
    /* What was announced. */
    const size_t *order;
    size_t order_count, batch, next;
    bool augmented;
    uint64_t epoch;  /* with that: which views */
    float **staging; /* [cut->count][batch * width], with values */
    /* For what is computed again: */
    thaw_image_stage stage;
    thaw_loader *loader;
    const char **paths; /* [order_count]: what the loader reads */
    thaw_view *views;   /* [stage.batch] */
};

/* --- once --------------------------------------------------------------------------------------------------------- */

/* Some of the images, which are read together. */
typedef struct portion {
    thaw_rows *rows;
    const char **paths; /* [count] */
    size_t *places;     /* [count]: in the options' paths */
    size_t count;
    bool kept; /* their values are */
} portion;

static thaw_status store(void *user, float *const *rows, size_t count, const size_t *index, const thaw_shape *shapes)
{
    const portion *of = user;
    thaw_rows *r = of->rows;
    (void)shapes; /* as the cut has them */
    for (size_t i = 0; i < r->options.cut->count && of->kept; i++) {
        const size_t width = r->options.cut->widths[i];
        memcpy(r->values[i] + (r->count - r->changing) * width, rows[i], count * width * sizeof **rows);
    }
    for (size_t i = 0; i < count; i++)
        r->index[r->count++] = of->places[index[i]];
    return THAW_OK;
}

static uint64_t half_of_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes / 2 : UINT64_C(1) << 30;
}

/* Do the values of so many images fit into what is allowed? */
static bool fits(const thaw_rows_options *o, size_t count)
{
    const uint64_t allowed = o->memory_bytes ? o->memory_bytes : half_of_memory();
    uint64_t row_bytes = 0;
    for (size_t i = 0; i < o->cut->count; i++)
        row_bytes += o->cut->widths[i] * sizeof(float);
    return row_bytes == 0 || count <= allowed / row_bytes;
}

static thaw_status allocate_values(thaw_rows *r, size_t count)
{
    const thaw_cut *cut = r->options.cut;
    THAW_TRY(thaw_allocate(r->context, cut->count, sizeof *r->values, &r->values));
    THAW_TRY(thaw_allocate(r->context, cut->count, sizeof *r->staging, &r->staging));
    for (size_t i = 0; i < cut->count; i++)
        THAW_TRY(thaw_allocate(r->context, count, cut->widths[i] * sizeof(float), &r->values[i]));
    return THAW_OK;
}

static thaw_status open_stage(thaw_rows *r, thaw_device *device)
{
    const thaw_image_stage_options stage = {.graph = r->options.model->graph,
                                            .outputs = r->options.cut->names,
                                            .output_count = r->options.cut->count,
                                            .preprocess = r->options.preprocess,
                                            .augment = r->options.augment,
                                            .batch = r->options.job->batch_size,
                                            .frozen_precision = r->options.job->frozen_precision};
    if (!r->values)
        thaw_log(r->context, THAW_LOG_INFO, "the frozen part's output is too large to be kept: it runs in every epoch");
    THAW_TRY(thaw_image_stage_open(device, &stage, &r->stage));
    return thaw_allocate(r->context, r->stage.batch, sizeof *r->views, &r->views);
}

/* Adds the images that are augmented, or the others. */
static void choose(const thaw_rows_options *o, bool augmented, portion *chosen)
{
    for (size_t i = 0; i < o->count; i++) {
        if ((o->augment != THAW_AUGMENT_NONE && !o->held_out[i]) != augmented)
            continue;
        chosen->paths[chosen->count] = o->paths[i];
        chosen->places[chosen->count++] = i;
    }
}

static thaw_status read_portion(thaw_device *device, portion *p, size_t *bad_count)
{
    const thaw_rows_options *o = &p->rows->options;
    const thaw_images_options images = {.graph = p->kept ? o->model->graph : NULL,
                                        .outputs = o->cut->names,
                                        .output_count = o->cut->count,
                                        .paths = p->paths,
                                        .count = p->count,
                                        .preprocess = o->preprocess,
                                        .job = o->job,
                                        .phase = p->kept ? "features" : "images",
                                        .sink = store,
                                        .sink_user = p};
    size_t bad;
    THAW_TRY(thaw_images_run(device, &images, &bad));
    *bad_count += bad;
    return THAW_OK;
}

/* First what is augmented, which is only decoded, then the rest. */
static thaw_status read_portions(thaw_rows *r, thaw_device *device, portion *p, size_t *bad_count)
{
    choose(&r->options, true, p);
    THAW_TRY(read_portion(device, p, bad_count));
    r->changing = r->count;
    p->count = 0;
    choose(&r->options, false, p);
    p->kept = fits(&r->options, p->count);
    if (p->kept)
        THAW_TRY(allocate_values(r, p->count));
    else
        THAW_TRY(open_stage(r, device));
    THAW_TRY(read_portion(device, p, bad_count));
    return p->kept && r->options.augment != THAW_AUGMENT_NONE ? open_stage(r, device) : THAW_OK;
}

static thaw_status fill(thaw_rows *r, thaw_device *device, size_t *bad_count)
{
    const size_t count = r->options.count;
    portion p = {.rows = r};
    *bad_count = 0;
    THAW_TRY(thaw_allocate(r->context, count, sizeof *r->index, &r->index));
    thaw_status status = thaw_allocate(r->context, count, sizeof *p.paths, &p.paths);
    if (status == THAW_OK)
        status = thaw_allocate(r->context, count, sizeof *p.places, &p.places);
    if (status == THAW_OK)
        status = read_portions(r, device, &p, bad_count);
    free(p.paths);
    free(p.places);
    return status;
}

thaw_status thaw_rows_create(thaw_device *device, const thaw_rows_options *options, thaw_rows **rows, size_t *bad_count)
{
    thaw_context *context = thaw_device_context(device);
    THAW_TRY(thaw_allocate(context, 1, sizeof **rows, rows));
    (*rows)->context = context;
    (*rows)->options = *options;
    const thaw_status status = fill(*rows, device, bad_count);
    if (status != THAW_OK)
        thaw_rows_destroy(rows);
    return status;
}

void thaw_rows_destroy(thaw_rows **rows)
{
    thaw_rows *r = *rows;
    if (!r)
        return;
    for (size_t i = 0; i < r->options.cut->count; i++) {
        if (r->values)
            free(r->values[i]);
        if (r->staging)
            free(r->staging[i]);
    }
    thaw_loader_destroy(&r->loader);
    thaw_image_stage_close(&r->stage);
    free(r->values);
    free(r->staging);
    free(r->index);
    free(r->paths);
    free(r->views);
    free(r);
    *rows = NULL;
}

size_t thaw_rows_count(const thaw_rows *rows)
{
    return rows->count;
}

const size_t *thaw_rows_index(const thaw_rows *rows)
{
    return rows->index;
}

float *thaw_rows_values(thaw_rows *rows, size_t which)
{
    return rows->values && !rows->changing ? rows->values[which] : NULL;
}

thaw_hash thaw_rows_hash(const thaw_rows *rows)
{
    thaw_hash hash = {0, 0};
    for (size_t i = 0; i < rows->options.cut->count && rows->values; i++)
        hash = thaw_hash_extend(hash, rows->values[i],
                                (rows->count - rows->changing) * rows->options.cut->widths[i] * sizeof(float));
    return hash;
}

/* --- again and again ---------------------------------------------------------------------------------------------- */

static thaw_status begin_loader(thaw_rows *r)
{
    thaw_loader_destroy(&r->loader);
    free(r->paths);
    r->paths = NULL;
    THAW_TRY(thaw_allocate(r->context, r->order_count, sizeof *r->paths, &r->paths));
    for (size_t i = 0; i < r->order_count; i++)
        r->paths[i] = r->options.paths[r->index[r->order[i]]];
    const thaw_loader_options loader = {r->paths, r->order_count, r->batch, r->options.job->workers,
                                        r->augmented ? r->stage.canvas : r->options.preprocess};
    return r->order_count ? thaw_loader_create(r->context, &loader, &r->loader) : THAW_OK;
}

static bool is_computed(const thaw_rows *r)
{
    return r->augmented || !r->values;
}

thaw_status thaw_rows_begin(thaw_rows *r, const size_t *order, size_t count, size_t batch, const thaw_random *views)
{
    r->augmented = views && r->options.augment != THAW_AUGMENT_NONE;
    r->epoch = views ? views->state : 0;
    r->order = order;
    r->order_count = count;
    r->next = 0;
    for (size_t i = 0; i < r->options.cut->count && r->values && batch != r->batch; i++) {
        free(r->staging[i]);
        THAW_TRY(thaw_allocate(r->context, batch, r->options.cut->widths[i] * sizeof(float), &r->staging[i]));
    }
    r->batch = batch;
    return is_computed(r) ? begin_loader(r) : THAW_OK;
}

static thaw_status put_kept(thaw_rows *r, size_t count, thaw_program *program)
{
    for (size_t i = 0; i < r->options.cut->count; i++) {
        const size_t row_bytes = r->options.cut->widths[i] * sizeof(float);
        thaw_buffer *buffer = program->graph->inputs[i]->buffer;
        char *staging = (char *)r->staging[i];
        for (size_t k = 0; k < r->batch; k++) {
            const size_t row = r->order[r->next + (k < count ? k : 0)];
            memcpy(staging + k * row_bytes, (const char *)r->values[i] + (row - r->changing) * row_bytes, row_bytes);
        }
        if (buffer && row_bytes)
            THAW_TRY(thaw_buffer_write(buffer, 0, staging, r->batch * row_bytes));
    }
    return THAW_OK;
}

/* From the outputs of the frozen part's program to the inputs of the trained one. */
static thaw_status hand_over(const thaw_rows *r, size_t done, size_t count, thaw_program *program)
{
    for (size_t i = 0; i < r->options.cut->count; i++) {
        const size_t row_bytes = r->options.cut->widths[i] * sizeof(float);
        thaw_buffer *to = program->graph->inputs[i]->buffer, *from = r->stage.program->graph->outputs[i]->buffer;
        if (to && row_bytes)
            THAW_TRY(thaw_buffer_copy(from, 0, to, done * row_bytes, count * row_bytes));
    }
    return THAW_OK;
}

static thaw_status fill_up(const thaw_rows *r, size_t count, thaw_program *program)
{
    for (size_t i = 0; i < r->options.cut->count; i++) {
        const size_t row_bytes = r->options.cut->widths[i] * sizeof(float);
        thaw_buffer *buffer = program->graph->inputs[i]->buffer;
        for (size_t k = count; k < r->batch && buffer && row_bytes; k++)
            THAW_TRY(thaw_buffer_copy(buffer, 0, buffer, k * row_bytes, row_bytes));
    }
    return THAW_OK;
}

/* Images [first .. first + count) of a batch through the frozen part, as they are or as this epoch sees them. */
static thaw_status run_stage(const thaw_rows *r, const thaw_image_batch *images, size_t first, size_t count)
{
    const thaw_preprocess *canvas = r->augmented ? &r->stage.canvas : &r->options.preprocess;
    const size_t image_bytes = (size_t)canvas->height * (size_t)canvas->width * 3;
    const uint8_t *pixels = images->pixels + first * image_bytes;
    if (!r->augmented)
        return thaw_image_stage_run(&r->stage, pixels, count);
    for (size_t i = 0; i < count; i++) {
        const size_t place = r->index[r->order[images->index[first + i]]];
        const thaw_augmentation drawn =
            thaw_augmentation_draw(r->options.augment, r->epoch, place, canvas, &r->options.preprocess);
        r->views[i] = thaw_view_make(&drawn, pixels + i * image_bytes, canvas, &r->options.preprocess);
    }
    return thaw_image_stage_run_views(&r->stage, pixels, r->views, count);
}

static thaw_status compute(thaw_rows *r, size_t count, thaw_program *program)
{
    thaw_image_batch images;
    THAW_TRY(thaw_loader_next(r->loader, &images));
    if (images.bad_count)
        return thaw_fail(r->context, THAW_ERR_DATA, "%s: can't be read any more: %s", r->paths[images.bad_index[0]],
                         images.errors[0].reason);
    for (size_t done = 0; done < count;) {
        const size_t left = count - done, now = left < r->stage.batch ? left : r->stage.batch;
        THAW_TRY(run_stage(r, &images, done, now));
        THAW_TRY(hand_over(r, done, now, program));
        done += now;
    }
    return fill_up(r, count, program);
}

thaw_status thaw_rows_next(thaw_rows *r, size_t count, thaw_program *program)
{
    THAW_TRY(is_computed(r) ? compute(r, count, program) : put_kept(r, count, program));
    r->next += count;
    return THAW_OK;
}
