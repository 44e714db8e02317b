/* Fills a feature store: what the cache has is taken from there, the rest is computed and kept for the next run. */
#include "base/memory.h"
#include "train/feature_store.h"
#include "train/feature_views.h"
#include "train/frozen_key.h"
#include "train/image_contents.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE          8    /* images whose features decide whether 16 bits are enough */
#define MOST_HALF_ERROR 1e-3 /* relative, by norm, of each of them: rounding alone gives 2e-4 */

typedef enum item_state { MISSING, PRESENT } item_state;

typedef struct filling {
    thaw_device *device;
    thaw_feature_store *store;
    const thaw_feature_store_options *options;
    thaw_image_contents contents;
    size_t *first_extra; /* [options->count + 1]: as in the store, bad images counted */
    size_t item_count;   /* the same */
    uint8_t *state;      /* [items]: an item_state */
    thaw_hash frozen;    /* the key of the set, without the rows' precision */
    bool uses_cache;
    size_t batch;
    thaw_image_stage stage; /* {0} until something has to be computed */
    float *numbers;         /* [width]: an item */
    uint16_t *halves;       /* [width]: the same */
    /* The run over images that is on: */
    const char **paths; /* [chosen] */
    size_t *places;     /* [chosen]: in the options' paths */
    size_t chosen;
    float *sample; /* [SAMPLE][width]: of the first images, while that decides; NULL */
    bool *sampled; /* [SAMPLE]: which of them were computed */
} filling;

static size_t views_of(const thaw_feature_store_options *o, size_t image)
{
    return o->single && o->single[image] ? 1 : o->views;
}

static size_t item_of(const filling *f, size_t image, size_t view)
{
    return view ? f->first_extra[image] + view - 1 : image;
}

static bool holds_maps(const thaw_cut *cut)
{
    for (size_t i = 0; i < cut->count; i++)
        if (cut->shapes[i].rank > 1)
            return true;
    return false;
}

/* The images themselves cross, perhaps in another shape: there is nothing that would be dear to compute again. */
static bool holds_images(const thaw_feature_store_options *o)
{
    for (size_t i = 0; i < o->cut->count; i++) {
        const thaw_value *value = thaw_graph_find_value(o->graph, o->cut->names[i]);
        while (value->producer && value->producer->op->flags & THAW_OP_VIEW)
            value = value->producer->inputs[0];
        if (value->producer)
            return false;
    }
    return true;
}

/* --- the cache ---------------------------------------------------------------------------------------------------- */

static thaw_status open_cache(filling *f, bool halves, thaw_feature_cache **cache)
{
    const uint64_t bytes = halves ? sizeof(uint16_t) : sizeof(float);
    *cache = NULL;
    if (!f->uses_cache)
        return THAW_OK;
    return thaw_feature_cache_open(f->store->context, thaw_hash_extend(f->frozen, &bytes, sizeof bytes),
                                   f->store->width * (size_t)bytes, f->options->job->cache_limit_bytes, cache);
}

/* An image as it is depends on its content alone; a view also on how it was drawn. */
static thaw_hash item_key(const filling *f, size_t image, size_t view)
{
    const uint64_t drawn[] = {view, view ? (uint64_t)f->options->augment : 0, THAW_VIEW_FORMAT};
    return thaw_hash_extend(f->contents.hashes[image], drawn, view ? sizeof drawn : 0);
}

static thaw_status prepare_key(filling *f)
{
    const thaw_feature_store_options *o = f->options;
    const thaw_frozen_key_options key = {.graph = o->graph,
                                         .outputs = o->cut->names,
                                         .output_count = o->cut->count,
                                         .preprocess = o->preprocess,
                                         .frozen_precision = o->job->frozen_precision,
                                         .batch = f->batch};
    f->uses_cache = !o->job->no_cache && !holds_images(o) && f->store->width > 0;
    return f->uses_cache ? thaw_frozen_key(f->device, &key, &f->frozen, &f->uses_cache) : THAW_OK;
}

/* --- computing ---------------------------------------------------------------------------------------------------- */

/* One item that was computed: to its place, and into the cache. */
static void keep(filling *f, size_t image, size_t view, const float *numbers)
{
    thaw_feature_store *s = f->store;
    const size_t item = item_of(f, image, view);
    const void *row = numbers;
    float error = 0.0f;
    if (s->halves) {
        error = thaw_feature_encode_halves(numbers, s->width, f->halves);
        row = f->halves;
        thaw_feature_store_put_row(s, item, row);
    } else {
        thaw_feature_store_put_floats(s, item, numbers);
    }
    if (s->cache && thaw_image_contents_known(&f->contents, image) &&
        thaw_image_contents_unchanged(&f->contents, image))
        thaw_feature_cache_put(s->cache, item_key(f, image, view), error, row);
    f->state[item] = PRESENT;
}

/* Row k of the values as an item. */
static const float *join(const filling *f, float *const *rows, size_t k)
{
    const thaw_cut *cut = f->options->cut;
    size_t place = 0;
    for (size_t i = 0; i < cut->count; place += cut->widths[i++])
        memcpy(f->numbers + place, rows[i] + k * cut->widths[i], cut->widths[i] * sizeof(float));
    return f->numbers;
}

static thaw_status take_rows(void *user, float *const *rows, size_t count, const size_t *index,
                             const thaw_shape *shapes)
{
    filling *f = user;
    (void)shapes; /* as the cut has them */
    for (size_t k = 0; k < count; k++) {
        const size_t image = f->places[index[k]];
        if (!f->sample) {
            keep(f, image, 0, join(f, rows, k));
            continue;
        }
        memcpy(f->sample + image * f->store->width, join(f, rows, k), f->store->width * sizeof(float));
        f->sampled[image] = true;
    }
    return THAW_OK;
}

static void choose(filling *f, size_t image)
{
    f->paths[f->chosen] = f->options->paths[image];
    f->places[f->chosen++] = image;
}

/* The chosen images as they are. */
static thaw_status run_chosen(filling *f, const thaw_job *job, size_t *bad_count)
{
    const thaw_feature_store_options *o = f->options;
    const thaw_images_options images = {.graph = o->graph,
                                        .stage = &f->stage,
                                        .augment = o->views > 1 ? o->augment : THAW_AUGMENT_NONE,
                                        .batch = f->batch,
                                        .outputs = o->cut->names,
                                        .output_count = o->cut->count,
                                        .paths = f->paths,
                                        .count = f->chosen,
                                        .preprocess = o->preprocess,
                                        .job = job,
                                        .phase = "features",
                                        .sink = take_rows,
                                        .sink_user = f};
    return thaw_images_run(f->device, &images, bad_count);
}

static thaw_status keep_view(void *user, size_t image, size_t view, float *const *rows, size_t k)
{
    filling *f = user;
    if (f->state[item_of(f, image, view)] == MISSING)
        keep(f, image, view, join(f, rows, k));
    return THAW_OK;
}

/* The augmented views of images of which one is missing, all of each. */
static thaw_status run_views(filling *f)
{
    const thaw_feature_store_options *o = f->options;
    f->chosen = 0;
    for (size_t i = 0; i < o->count; i++) {
        bool missing = false;
        for (size_t item = f->first_extra[i]; item < f->first_extra[i + 1]; item++)
            missing = missing || f->state[item] == MISSING;
        if (missing && f->state[i] == PRESENT)
            choose(f, i);
    }
    const thaw_feature_views views = {.graph = o->graph,
                                      .cut = o->cut,
                                      .preprocess = o->preprocess,
                                      .job = o->job,
                                      .stage = &f->stage,
                                      .augment = o->augment,
                                      .batch = f->batch,
                                      .views = o->views,
                                      .paths = f->paths,
                                      .places = f->places,
                                      .contents = f->contents.hashes,
                                      .count = f->chosen,
                                      .sink = keep_view,
                                      .sink_user = f};
    return f->chosen ? thaw_feature_views_run(f->device, &views) : THAW_OK;
}

/* --- 32 or 16 bits ------------------------------------------------------------------------------------------------ */

/* The error that 16 bits make of an image's features, if a cache knows it. */
static bool known_error(const filling *f, thaw_feature_cache *of_halves, thaw_feature_cache *of_floats, size_t image,
                        float *error)
{
    if (!thaw_image_contents_known(&f->contents, image))
        return false;
    const thaw_hash key = item_key(f, image, 0);
    if (of_halves && thaw_feature_cache_find(of_halves, key, error))
        return true;
    const float *numbers = of_floats ? thaw_feature_cache_find(of_floats, key, error) : NULL;
    if (numbers)
        *error = thaw_feature_encode_halves(numbers, f->store->width, f->halves);
    return numbers != NULL;
}

/* The first images decide, wherever their features come from: so the same data always gives the same answer. What had
 * to be computed for it stays in f->sample. */
static thaw_status try_sample(filling *f, thaw_feature_cache *of_halves, thaw_feature_cache *of_floats, bool *enough)
{
    const size_t count = f->options->count < SAMPLE ? f->options->count : SAMPLE, width = f->store->width;
    size_t good = 0, bad;
    thaw_job quiet = *f->options->job; /* bad images are told when all are looked at */
    quiet.on_bad_image = NULL;
    quiet.on_progress = NULL;
    float errors[SAMPLE];
    bool known[SAMPLE];
    f->chosen = 0;
    for (size_t i = 0; i < count; i++) {
        known[i] = known_error(f, of_halves, of_floats, i, &errors[i]);
        if (!known[i])
            choose(f, i);
    }
    THAW_TRY(thaw_allocate(f->store->context, count * width, sizeof *f->sample, &f->sample));
    THAW_TRY(thaw_allocate(f->store->context, count, sizeof *f->sampled, &f->sampled));
    if (f->chosen)
        THAW_TRY(run_chosen(f, &quiet, &bad));
    *enough = true;
    for (size_t i = 0; i < count; i++) {
        if (f->sampled[i])
            errors[i] = thaw_feature_encode_halves(f->sample + i * width, width, f->halves);
        if (known[i] || f->sampled[i]) {
            *enough = *enough && errors[i] <= (float)MOST_HALF_ERROR;
            good++;
        }
    }
    *enough = *enough && good > 0;
    return THAW_OK;
}

/* Opens the cache of the precision that it finds. */
static thaw_status choose_precision(filling *f)
{
    const thaw_cache_precision wish = f->options->job->cache_precision;
    thaw_feature_store *s = f->store;
    thaw_feature_cache *caches[2] = {NULL, NULL};
    s->halves = wish == THAW_CACHE_FP16;
    if (wish == THAW_CACHE_AUTO && holds_maps(f->options->cut) && !holds_images(f->options)) {
        thaw_status status = open_cache(f, false, &caches[0]);
        if (status == THAW_OK)
            status = open_cache(f, true, &caches[1]);
        if (status == THAW_OK)
            status = try_sample(f, caches[1], caches[0], &s->halves);
        if (status == THAW_OK) {
            s->cache = caches[s->halves];
            caches[s->halves] = NULL;
        }
        thaw_feature_cache_close(&caches[0]);
        thaw_feature_cache_close(&caches[1]);
        THAW_TRY(status);
    } else {
        THAW_TRY(open_cache(f, s->halves, &s->cache));
    }
    s->row_bytes = s->width * (s->halves ? sizeof(uint16_t) : sizeof(float));
    return THAW_OK;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static uint64_t half_of_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes / 2 : UINT64_C(1) << 30;
}

/* Numbers as they are used take the least time, encoded ones less memory; what is mapped takes none. */
static thaw_status allocate_items(filling *f, size_t items, bool *kept)
{
    thaw_feature_store *s = f->store;
    const uint64_t allowed = f->options->memory_bytes ? f->options->memory_bytes : half_of_memory();
    const uint64_t float_bytes = s->width * sizeof(float);
    *kept = true;
    if (float_bytes == 0 || items <= allowed / float_bytes) {
        s->stored_bytes = items * float_bytes;
        return thaw_allocate(s->context, items, (size_t)float_bytes, &s->values);
    }
    s->stored_bytes = (uint64_t)items * s->row_bytes;
    THAW_TRY(thaw_allocate(s->context, items, sizeof *s->rows, &s->rows));
    if (items <= allowed / s->row_bytes)
        return thaw_allocate(s->context, items, s->row_bytes, &s->memory);
    *kept = s->cache && thaw_feature_cache_has_room(s->cache, items);
    return THAW_OK;
}

/* Takes items from the cache; the number of those that were found. */
static size_t look_up(filling *f, bool only_missing)
{
    thaw_feature_store *s = f->store;
    size_t found = 0;
    float error;
    for (size_t i = 0; i < f->options->count && s->cache; i++)
        for (size_t view = 0; view < views_of(f->options, i) && thaw_image_contents_known(&f->contents, i); view++) {
            const size_t item = item_of(f, i, view);
            const bool wanted = !only_missing || (f->state[item] == PRESENT && !s->rows[item]);
            const void *row = wanted ? thaw_feature_cache_find(s->cache, item_key(f, i, view), &error) : NULL;
            if (!row)
                continue;
            thaw_feature_store_put_row(s, item, row);
            if (s->rows && !s->memory)
                s->rows[item] = row;
            f->state[item] = PRESENT;
            found++;
        }
    return found;
}

static void keep_sample(filling *f)
{
    for (size_t i = 0; f->sample && i < SAMPLE && i < f->options->count; i++)
        if (f->sampled[i] && f->state[i] == MISSING)
            keep(f, i, 0, f->sample + i * f->store->width);
    free(f->sample);
    f->sample = NULL;
}

/* What was computed is mapped like what was found. False if some of it could not be written. */
static thaw_status map_computed(filling *f, bool *kept)
{
    const thaw_feature_store *s = f->store;
    if (s->values || s->memory)
        return THAW_OK;
    THAW_TRY(thaw_feature_cache_publish(s->cache));
    look_up(f, true);
    for (size_t item = 0; item < f->item_count; item++)
        *kept = *kept && (f->state[item] == MISSING || s->rows[item]);
    return THAW_OK;
}

static thaw_status compute(filling *f, size_t *bad_count)
{
    f->chosen = 0;
    for (size_t i = 0; i < f->options->count; i++)
        if (f->state[i] == MISSING)
            choose(f, i);
    if (f->chosen)
        THAW_TRY(run_chosen(f, f->options->job, bad_count));
    return f->options->views > 1 ? run_views(f) : THAW_OK;
}

static void move_item(thaw_feature_store *s, size_t from, size_t to)
{
    if (s->values)
        memmove(s->values + to * s->width, s->values + from * s->width, s->width * sizeof *s->values);
    if (s->memory)
        memmove(s->memory + to * s->row_bytes, s->memory + from * s->row_bytes, s->row_bytes);
    if (s->rows)
        s->rows[to] = s->memory ? s->memory + to * s->row_bytes : s->rows[from];
}

/* Bad images leave gaps, which are closed. */
static void close_gaps(filling *f)
{
    thaw_feature_store *s = f->store;
    for (size_t i = 0; i < f->options->count; i++)
        if (f->state[i] == PRESENT) {
            move_item(s, i, s->count);
            s->images[s->count++] = i;
        }
    s->item_count = s->count;
    for (size_t k = 0; k < s->count; k++) {
        s->first_extra[k] = s->item_count;
        for (size_t item = f->first_extra[s->images[k]]; item < f->first_extra[s->images[k] + 1]; item++)
            move_item(s, item, s->item_count++);
    }
    s->first_extra[s->count] = s->item_count;
}

static thaw_status allocate(filling *f)
{
    thaw_feature_store *s = f->store;
    const thaw_feature_store_options *o = f->options;
    for (size_t i = 0; i < o->cut->count; i++)
        s->width += o->cut->widths[i];
    f->batch = o->job->batch_size < o->count ? o->job->batch_size : o->count;
    THAW_TRY(thaw_allocate(s->context, o->count, sizeof *s->images, &s->images));
    THAW_TRY(thaw_allocate(s->context, o->count + 1, sizeof *s->first_extra, &s->first_extra));
    THAW_TRY(thaw_allocate(s->context, o->count + 1, sizeof *f->first_extra, &f->first_extra));
    f->first_extra[0] = o->count;
    for (size_t i = 0; i < o->count; i++)
        f->first_extra[i + 1] = f->first_extra[i] + views_of(o, i) - 1;
    f->item_count = f->first_extra[o->count];
    THAW_TRY(thaw_allocate(s->context, f->item_count, sizeof *f->state, &f->state));
    THAW_TRY(thaw_allocate(s->context, s->width, sizeof *f->numbers, &f->numbers));
    THAW_TRY(thaw_allocate(s->context, s->width, sizeof *f->halves, &f->halves));
    THAW_TRY(thaw_allocate(s->context, o->count, sizeof *f->paths, &f->paths));
    return thaw_allocate(s->context, o->count, sizeof *f->places, &f->places);
}

/* Up to where something would be computed. */
static thaw_status find(filling *f, bool *kept)
{
    thaw_feature_store *s = f->store;
    THAW_TRY(allocate(f));
    THAW_TRY(prepare_key(f));
    if (f->uses_cache || f->options->views > 1)
        THAW_TRY(thaw_image_contents_read(s->context, f->options->paths, f->options->count, &f->contents));
    THAW_TRY(choose_precision(f));
    THAW_TRY(allocate_items(f, f->item_count, kept));
    s->found_count = *kept ? look_up(f, false) : 0;
    return THAW_OK;
}

static thaw_status fill(filling *f, bool *kept, size_t *bad_count)
{
    thaw_feature_store *s = f->store;
    THAW_TRY(find(f, kept));
    if (!*kept)
        return THAW_OK;
    if (s->found_count)
        thaw_log(s->context, THAW_LOG_INFO, "the features of %zu of %zu images were kept from earlier runs",
                 s->found_count, f->item_count);
    keep_sample(f);
    THAW_TRY(compute(f, bad_count));
    THAW_TRY(map_computed(f, kept));
    close_gaps(f);
    return THAW_OK;
}

static void close_filling(filling *f)
{
    thaw_image_stage_close(&f->stage);
    thaw_image_contents_free(&f->contents);
    free(f->first_extra);
    free(f->state);
    free(f->numbers);
    free(f->halves);
    free(f->paths);
    free(f->places);
    free(f->sample);
    free(f->sampled);
}

thaw_status thaw_feature_store_open(thaw_device *device, const thaw_feature_store_options *options,
                                    thaw_feature_store *store, bool *kept, size_t *bad_count)
{
    *store = (thaw_feature_store){.context = thaw_device_context(device), .options = *options};
    *bad_count = 0;
    filling f = {.device = device, .store = store, .options = options};
    const thaw_status status = fill(&f, kept, bad_count);
    close_filling(&f);
    store->options.single = NULL;
    if (status != THAW_OK || !*kept)
        thaw_feature_store_close(store);
    return status;
}

thaw_status thaw_feature_store_survey(thaw_device *device, const thaw_feature_store_options *options,
                                      thaw_feature_survey *survey)
{
    thaw_feature_store store = {.context = thaw_device_context(device), .options = *options};
    filling f = {.device = device, .store = &store, .options = options};
    *survey = (thaw_feature_survey){0};
    const thaw_status status = find(&f, &survey->kept);
    survey->item_count = f.item_count;
    survey->found_count = store.found_count;
    survey->in_memory = store.values || store.memory;
    survey->stored_bytes = survey->kept ? store.stored_bytes : 0;
    if (store.cache && survey->kept)
        survey->added_bytes = (uint64_t)(f.item_count - store.found_count) * store.row_bytes;
    close_filling(&f);
    thaw_feature_store_close(&store);
    return status;
}
