#include "train/rows.h"
#include "base/memory.h"
#include "train/images.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct thaw_rows {
    thaw_context *context;
    thaw_rows_options options;
    size_t *index; /* [count] */
    size_t count;
    size_t changing;                             /* rows before that place are augmented anew in every epoch */
    thaw_feature_store store;                    /* of the rows from there on */
    const char **kept_paths;                     /* [count - changing]: what the store was filled from */
    bool kept;                                   /* it is filled; else what it would hold is computed again */
    const thaw_standardisation *standardisation; /* of what the store gives, where that is not done yet; NULL */
    /* What was announced. */
    const size_t *order;
    size_t order_count, batch, next;
    bool augmented, drawn; /* anew; from the views that are kept */
    uint64_t epoch;        /* with that: which views */
    float **staging;       /* [cut->count][batch * width], with what is kept */
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
    bool *single;       /* [count]: held out */
    size_t count;
} portion;

static bool augments_anew(const thaw_rows_options *o)
{
    return o->augment != THAW_AUGMENT_NONE && o->views == 0;
}

static thaw_status note_images(void *user, float *const *rows, size_t count, const size_t *index,
                               const thaw_shape *shapes)
{
    const portion *of = user;
    (void)rows, (void)shapes; /* images are only decoded */
    for (size_t i = 0; i < count; i++)
        of->rows->index[of->rows->count++] = of->places[index[i]];
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
    THAW_TRY(thaw_image_stage_open(device, &stage, &r->stage));
    return thaw_allocate(r->context, r->stage.batch, sizeof *r->views, &r->views);
}

/* The images that are augmented anew in every epoch, or the others. */
static void choose(const thaw_rows_options *o, bool augmented, portion *chosen)
{
    chosen->count = 0;
    for (size_t i = 0; i < o->count; i++) {
        const bool held_out = o->held_out && o->held_out[i];
        if ((augments_anew(o) && !held_out) != augmented)
            continue;
        chosen->paths[chosen->count] = o->paths[i];
        chosen->single[chosen->count] = held_out;
        chosen->places[chosen->count++] = i;
    }
}

/* Only finds out which of them are bad. */
static thaw_status decode(thaw_device *device, portion *p, const thaw_job *job, size_t *bad_count)
{
    const thaw_images_options images = {.paths = p->paths,
                                        .count = p->count,
                                        .preprocess = p->rows->options.preprocess,
                                        .job = job,
                                        .phase = "images",
                                        .sink = note_images,
                                        .sink_user = p};
    return thaw_images_run(device, &images, bad_count);
}

static thaw_status keep(thaw_rows *r, thaw_device *device, const portion *p, size_t *bad_count)
{
    const thaw_rows_options *o = &r->options;
    const thaw_feature_store_options store = {.graph = o->model->graph,
                                              .cut = o->cut,
                                              .paths = r->kept_paths,
                                              .count = p->count,
                                              .preprocess = o->preprocess,
                                              .job = o->job,
                                              .memory_bytes = o->memory_bytes,
                                              .views = o->views > 1 ? o->views : 1,
                                              .augment =
                                                  o->augment == THAW_AUGMENT_NONE ? THAW_AUGMENT_BASIC : o->augment,
                                              .single = p->single};
    THAW_TRY(thaw_allocate(r->context, o->cut->count, sizeof *r->staging, &r->staging));
    memcpy(r->kept_paths, p->paths, p->count * sizeof *p->paths);
    THAW_TRY(thaw_feature_store_open(device, &store, &r->store, &r->kept, bad_count));
    for (size_t i = 0; i < r->store.count; i++)
        r->index[r->count++] = p->places[r->store.images[i]];
    return THAW_OK;
}

/* First what is augmented anew, which is only decoded, then the rest. */
static thaw_status read_portions(thaw_rows *r, thaw_device *device, portion *p, size_t *bad_count)
{
    size_t bad;
    thaw_job quiet = *r->options.job;
    choose(&r->options, true, p);
    THAW_TRY(decode(device, p, r->options.job, bad_count));
    r->changing = r->count;
    choose(&r->options, false, p);
    THAW_TRY(keep(r, device, p, &bad));
    if (!r->kept) {
        if (bad) /* they were told already */
            quiet.on_bad_image = NULL;
        THAW_TRY(decode(device, p, &quiet, &bad));
        thaw_log(r->context, r->options.views > 1 ? THAW_LOG_WARNING : THAW_LOG_INFO,
                 "the frozen part's output is too large to be kept: it runs in every epoch%s",
                 r->options.views > 1 ? ", over images as they are, not over views of them" : "");
    }
    *bad_count += bad;
    return r->kept && !augments_anew(&r->options) ? THAW_OK : open_stage(r, device);
}

static thaw_status fill(thaw_rows *r, thaw_device *device, size_t *bad_count)
{
    const size_t count = r->options.count;
    portion p = {.rows = r};
    *bad_count = 0;
    THAW_TRY(thaw_allocate(r->context, count, sizeof *r->index, &r->index));
    THAW_TRY(thaw_allocate(r->context, count, sizeof *r->kept_paths, &r->kept_paths));
    thaw_status status = thaw_allocate(r->context, count, sizeof *p.paths, &p.paths);
    if (status == THAW_OK)
        status = thaw_allocate(r->context, count, sizeof *p.places, &p.places);
    if (status == THAW_OK)
        status = thaw_allocate(r->context, count, sizeof *p.single, &p.single);
    if (status == THAW_OK)
        status = read_portions(r, device, &p, bad_count);
    free(p.paths);
    free(p.places);
    free(p.single);
    return status;
}

thaw_status thaw_rows_create(thaw_device *device, const thaw_rows_options *options, thaw_rows **rows, size_t *bad_count)
{
    thaw_context *context = thaw_device_context(device);
    THAW_TRY(thaw_allocate(context, 1, sizeof **rows, rows));
    (*rows)->context = context;
    (*rows)->options = *options;
    const thaw_status status = fill(*rows, device, bad_count);
    (*rows)->options.held_out = NULL;
    if (status != THAW_OK)
        thaw_rows_destroy(rows);
    return status;
}

/* Each class has a share of the numbers, which are larger in it: by so much that a linear classifier is right more
 * often than not, as it is on real features. */
static void fill_with_noise(thaw_feature_store *s, const int32_t *labels, size_t classes)
{
    const float shift = 1.2f / sqrtf((float)(s->width / classes + 1));
    thaw_random random = {1};
    for (size_t i = 0; i < s->count; i++) {
        s->images[i] = i;
        s->first_extra[i] = s->count;
        for (size_t f = 0; f < s->width; f++) {
            const float number = (float)(2 * thaw_random_uniform(&random) - 1);
            s->values[i * s->width + f] = number + (f % classes == (size_t)labels[i] ? shift : 0.0f);
        }
    }
    s->first_extra[s->count] = s->count;
}

static thaw_status fill_noise(thaw_rows *r, const int32_t *labels, size_t count, size_t classes)
{
    thaw_feature_store *s = &r->store;
    const thaw_cut *cut = r->options.cut;
    s->context = r->context;
    for (size_t i = 0; i < cut->count; i++)
        s->width += cut->widths[i];
    THAW_TRY(thaw_allocate(r->context, count, sizeof *r->index, &r->index));
    THAW_TRY(thaw_allocate(r->context, cut->count, sizeof *r->staging, &r->staging));
    THAW_TRY(thaw_allocate(r->context, count, sizeof *s->images, &s->images));
    THAW_TRY(thaw_allocate(r->context, count + 1, sizeof *s->first_extra, &s->first_extra));
    THAW_TRY(thaw_allocate(r->context, count, s->width * sizeof *s->values, &s->values));
    s->count = s->item_count = r->count = count;
    for (size_t i = 0; i < count; i++)
        r->index[i] = i;
    fill_with_noise(s, labels, classes);
    r->kept = true;
    return THAW_OK;
}

thaw_status thaw_rows_create_noise(thaw_context *context, const thaw_cut *cut, const int32_t *labels, size_t count,
                                   size_t classes, thaw_rows **rows)
{
    THAW_TRY(thaw_allocate(context, 1, sizeof **rows, rows));
    (*rows)->context = context;
    (*rows)->options.cut = cut;
    const thaw_status status = fill_noise(*rows, labels, count, classes);
    if (status != THAW_OK)
        thaw_rows_destroy(rows);
    return status;
}

void thaw_rows_destroy(thaw_rows **rows)
{
    thaw_rows *r = *rows;
    if (!r)
        return;
    for (size_t i = 0; i < r->options.cut->count && r->staging; i++)
        free(r->staging[i]);
    thaw_loader_destroy(&r->loader);
    thaw_image_stage_close(&r->stage);
    thaw_feature_store_close(&r->store);
    free(r->kept_paths);
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

const thaw_feature_store *thaw_rows_store(const thaw_rows *rows)
{
    return rows->kept && !rows->changing ? &rows->store : NULL;
}

float *thaw_rows_values(thaw_rows *rows, size_t which)
{
    return thaw_rows_store(rows) && rows->options.cut->count == 1 && which == 0 ? rows->store.values : NULL;
}

void thaw_rows_standardise(thaw_rows *rows, const thaw_standardisation *standardisation)
{
    thaw_feature_store *s = &rows->store;
    thaw_feature_table table = {.rows = s->values, .count = s->item_count, .width = s->width};
    if (s->values)
        thaw_standardisation_apply(standardisation, &table);
    else
        rows->standardisation = standardisation;
}

thaw_status thaw_rows_of_items(const thaw_rows *rows, size_t **of_items)
{
    const thaw_feature_store *s = &rows->store;
    THAW_TRY(thaw_allocate(rows->context, s->item_count, sizeof **of_items, of_items));
    for (size_t i = 0; i < s->count; i++) {
        (*of_items)[i] = rows->changing + i;
        for (size_t item = s->first_extra[i]; item < s->first_extra[i + 1]; item++)
            (*of_items)[item] = rows->changing + i;
    }
    return THAW_OK;
}

thaw_hash thaw_rows_hash(const thaw_rows *rows)
{
    return rows->kept ? thaw_feature_store_hash(&rows->store) : (thaw_hash){0, 0};
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
    return r->augmented || !r->kept;
}

thaw_status thaw_rows_begin(thaw_rows *r, const size_t *order, size_t count, size_t batch, const thaw_random *views)
{
    r->augmented = views && augments_anew(&r->options);
    r->drawn = views && r->options.views > 1;
    r->epoch = views ? views->state : 0;
    r->order = order;
    r->order_count = count;
    r->next = 0;
    for (size_t i = 0; i < r->options.cut->count && r->kept && batch != r->batch; i++) {
        free(r->staging[i]);
        THAW_TRY(thaw_allocate(r->context, batch, r->options.cut->widths[i] * sizeof(float), &r->staging[i]));
    }
    r->batch = batch;
    return is_computed(r) ? begin_loader(r) : THAW_OK;
}

/* Which of a row's items comes: the image as it is, or one of its views, as the epoch says. */
static size_t item_of(const thaw_rows *r, size_t row)
{
    const size_t image = row - r->changing, *extra = r->store.first_extra + image;
    thaw_random random = {r->epoch ^ (r->index[row] + 1) * UINT64_C(0x9e3779b97f4a7c15)};
    const size_t view = r->drawn ? (size_t)thaw_random_below(&random, extra[1] - extra[0] + 1) : 0;
    return view ? extra[0] + view - 1 : image;
}

static thaw_status put_kept(thaw_rows *r, size_t count, thaw_program *program)
{
    size_t place = 0;
    for (size_t i = 0; i < r->options.cut->count; i++) {
        const size_t width = r->options.cut->widths[i];
        thaw_buffer *buffer = program->graph->inputs[i]->buffer;
        for (size_t k = 0; k < r->batch && buffer; k++) {
            const size_t item = item_of(r, r->order[r->next + (k < count ? k : 0)]);
            thaw_feature_store_read(&r->store, item, place, width, r->staging[i] + k * width);
        }
        thaw_feature_table batch = {.rows = r->staging[i], .count = r->batch, .width = width};
        if (r->standardisation && buffer)
            thaw_standardisation_apply(r->standardisation, &batch);
        if (buffer && width)
            THAW_TRY(thaw_buffer_write(buffer, 0, r->staging[i], r->batch * width * sizeof(float)));
        place += width;
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
