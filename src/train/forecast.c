/* Measures what a run would be made of, for every cut. */
#include "train/forecast.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/text.h"
#include "model/freeze.h"
#include "train/candidates.h"
#include "train/check.h"
#include "train/finetune.h"
#include "train/probe.h"
#include "train/probe_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct measurement {
    thaw_context *context;
    thaw_model *model;
    thaw_device *device;
    const thaw_dataset *dataset;
    thaw_finetune_options options; /* those given, which tell nobody anything */
    thaw_costs costs;
    const char **paths;    /* [count of images] */
    bool *single;          /* [the same]: held out */
    const char **held_out; /* [costs.validation_count] */
} measurement;

/* The most memory that the process has had so far; 0 where that is not known. */
static uint64_t process_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
#ifdef __APPLE__
    return (uint64_t)usage.ru_maxrss;
#else
    return (uint64_t)usage.ru_maxrss * 1024;
#endif
}

static double decode_share(const measurement *m)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t workers = thaw_parallel_workers(m->options.job.workers, thaw_dataset_count(m->dataset));
    if (strcmp(thaw_device_describe(m->device)->type, "cpu") != 0 || processors < 1)
        return 0.0;
    return workers < (size_t)processors ? (double)workers / (double)processors : 1.0;
}

/* --- one cut ------------------------------------------------------------------------------------------------------ */

static thaw_training begin_training(const measurement *m, const thaw_finetune_options *options)
{
    return (thaw_training){.context = m->context,
                           .model = m->model,
                           .device = m->device,
                           .dataset = m->dataset,
                           .options = options,
                           .train_count = m->costs.train_count,
                           .validation_count = m->costs.validation_count};
}

/* Of all images, or of those that are held out alone. */
static thaw_status survey(const measurement *m, const thaw_training *t, bool all, thaw_feature_survey *found)
{
    const size_t count = all ? thaw_dataset_count(m->dataset) : m->costs.validation_count;
    const thaw_finetune_options *o = &m->options;
    const thaw_feature_store_options store = {.graph = m->model->graph,
                                              .cut = &t->cut,
                                              .paths = all ? m->paths : m->held_out,
                                              .count = count,
                                              .preprocess = o->preprocess,
                                              .job = &o->job,
                                              .memory_bytes = o->memory_bytes,
                                              .views = all && o->cache_views > 1 ? (size_t)o->cache_views : 1,
                                              .augment =
                                                  o->augment == THAW_AUGMENT_NONE ? THAW_AUGMENT_BASIC : o->augment,
                                              .single = all ? m->single : NULL};
    *found = (thaw_feature_survey){.kept = true};
    return count ? thaw_feature_store_survey(m->device, &store, found) : THAW_OK;
}

static thaw_status name_cut(const thaw_training *t, thaw_cut_costs *cut)
{
    thaw_text names = {0};
    const thaw_graph *graph = t->model->graph;
    for (size_t i = 0; i < t->cut.count; i++) {
        thaw_text_append(&names, "%s%s", i ? ", " : "", t->cut.names[i]);
        cut->row_bytes += t->cut.widths[i] * sizeof(float);
    }
    for (size_t i = 0; i < graph->value_count; i++)
        if (graph->values[i]->trainable && graph->values[i]->constant)
            cut->parameter_bytes += graph->values[i]->constant->bytes;
    const thaw_status status = thaw_copy_text(t->context, names.data ? names.data : "", &cut->names);
    thaw_text_free(&names);
    return status;
}

static thaw_status measure_parts(measurement *m, thaw_training *t, thaw_cut_costs *cut)
{
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_training_prepare_model(t));
    thaw_graph_hash_frozen(m->model->graph); /* as every run does, before and after */
    thaw_graph_hash_frozen(m->model->graph);
    cut->prepare_seconds = thaw_clock_seconds() - start;
    THAW_TRY(name_cut(t, cut));
    THAW_TRY(thaw_measure_frozen(t, &m->costs.images, &cut->frozen));
    THAW_TRY(survey(m, t, true, &cut->all));
    THAW_TRY(survey(m, t, false, &cut->held_out));
    return thaw_measure_trained(t, &cut->trained);
}

/* What only this cut can't do. */
static bool is_excuse(thaw_status status)
{
    return status == THAW_ERR_UNSUPPORTED || status == THAW_ERR_DEVICE_MEMORY || status == THAW_ERR_DIVERGED;
}

static thaw_status measure_cut(measurement *m, thaw_cut_costs *cut)
{
    thaw_finetune_options options = m->options;
    options.freeze = cut->freeze;
    thaw_training t = begin_training(m, &options);
    const thaw_status status = measure_parts(m, &t, cut);
    thaw_training_close(&t);
    cut->possible = status == THAW_OK;
    if (!is_excuse(status))
        return status;
    snprintf(cut->reason, sizeof cut->reason, "%s", thaw_error_message(m->context));
    return cut->names ? THAW_OK : thaw_copy_text(m->context, "", &cut->names);
}

/* --- the probe ---------------------------------------------------------------------------------------------------- */

/* Rows, three matrices of logits and two of parameters. */
static uint64_t probe_bytes(const thaw_training *t)
{
    const uint64_t count = t->train_count + t->validation_count, width = t->cut.widths[0] + 1, classes = t->classes;
    const thaw_probe_rows rows = {.count = count, .features_count = width, .classes = classes};
    const uint64_t slots = thaw_probe_path_slots(&rows);
    return (count * width + slots * classes * (3 * count + 2 * width)) * sizeof(float);
}

static thaw_status measure_probe(measurement *m)
{
    thaw_finetune_options options = m->options;
    thaw_costs *c = &m->costs;
    options.recipe = THAW_RECIPE_PROBE;
    options.freeze = thaw_freeze_defaults();
    options.augment = THAW_AUGMENT_NONE;
    thaw_training t = begin_training(m, &options);
    thaw_status status = thaw_training_prepare_model(&t);
    if (status == THAW_OK && t.cut.count == 1)
        c->probe_bytes = probe_bytes(&t);
    if (status == THAW_OK)
        status = thaw_measure_probe(&t, &c->probe_seconds);
    thaw_training_close(&t);
    c->probe_possible = status == THAW_OK && c->cuts[0].all.kept && c->cuts[0].all.in_memory;
    if (status == THAW_OK && !c->probe_possible)
        snprintf(c->probe_reason, sizeof c->probe_reason, "the features don't fit into the memory that they may take");
    if (!is_excuse(status))
        return status;
    snprintf(c->probe_reason, sizeof c->probe_reason, "%s", thaw_error_message(m->context));
    return THAW_OK;
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* The head, every stage below it, and what the options name in another way. */
static thaw_status list_cuts(measurement *m)
{
    thaw_costs *c = &m->costs;
    const thaw_finetune_options *o = &m->options;
    const bool named = o->freeze.until || o->freeze.trainable || o->from_scratch;
    THAW_TRY(thaw_candidates_stages(m->model, &o->preprocess, &c->stages));
    c->cut_count = (size_t)c->stages + 1 + named;
    THAW_TRY(thaw_allocate(m->context, c->cut_count, sizeof *c->cuts, &c->cuts));
    for (size_t i = 0; i < c->cut_count; i++) {
        c->cuts[i].freeze = thaw_freeze_defaults();
        c->cuts[i].freeze.unfreeze = c->cuts[i].unfreeze = (int32_t)i;
        c->cuts[i].everything = i > 0 && i == (size_t)c->stages;
        c->cuts[i].freeze.update_batch_norm = o->freeze.update_batch_norm && i > 0;
    }
    if (!named)
        return THAW_OK;
    c->cuts[c->cut_count - 1].freeze = o->freeze;
    c->cuts[c->cut_count - 1].unfreeze = -1;
    return THAW_OK;
}

/* Everything that is wrong with options, model and data is found as fine-tuning would find it. */
static thaw_status check(measurement *m)
{
    thaw_training t = begin_training(m, &m->options);
    THAW_TRY(thaw_finetune_check(m->context, &m->options));
    const thaw_status status = thaw_training_prepare_model(&t);
    thaw_training_close(&t);
    return status;
}

static thaw_status list_images(measurement *m)
{
    const size_t count = thaw_dataset_count(m->dataset);
    THAW_TRY(thaw_allocate(m->context, count, sizeof *m->paths, &m->paths));
    THAW_TRY(thaw_allocate(m->context, count, sizeof *m->single, &m->single));
    THAW_TRY(thaw_allocate(m->context, count, sizeof *m->held_out, &m->held_out));
    for (size_t i = 0; i < count; i++) {
        const thaw_sample *sample = thaw_dataset_sample(m->dataset, i);
        m->paths[i] = sample->path;
        m->single[i] = sample->validation;
        if (sample->validation)
            m->held_out[m->costs.validation_count++] = sample->path;
    }
    m->costs.train_count = count - m->costs.validation_count;
    return THAW_OK;
}

/* What the process takes besides the device's buffers. */
static void note_process(measurement *m)
{
    const uint64_t all = process_bytes(), on_device = thaw_device_peak_bytes(m->device);
    m->costs.shares_memory = thaw_device_describe(m->device)->shared_memory;
    m->costs.process_bytes = m->costs.shares_memory && all > on_device ? all - on_device : all;
}

static thaw_status measure_all(measurement *m)
{
    thaw_costs *c = &m->costs;
    THAW_TRY(list_images(m));
    THAW_TRY(check(m));
    THAW_TRY(list_cuts(m));
    const double start = thaw_clock_seconds();
    THAW_TRY(thaw_check_warn_of_leaks(m->context, m->dataset));
    c->look_seconds = thaw_clock_seconds() - start;
    THAW_TRY(thaw_measure_images(m->context, m->dataset, &m->options, &c->images));
    for (size_t i = 0; i < c->cut_count; i++) {
        if (thaw_context_interrupted(m->context))
            return thaw_fail(m->context, THAW_ERR_INTERRUPTED, "stopped while measuring");
        THAW_TRY(measure_cut(m, &c->cuts[i]));
        if (i == 0) /* by now it has decoded images and prepared programs, as every run does */
            note_process(m);
    }
    return measure_probe(m);
}

/* The names of the cuts become the rows' own. */
static thaw_status fill(const measurement *m, thaw_forecast *forecast)
{
    const thaw_costs *c = &m->costs;
    THAW_TRY(thaw_allocate(m->context, THAW_FORECAST_ROWS(c->cut_count), sizeof *forecast->rows, &forecast->rows));
    thaw_forecast_fill(c, forecast);
    for (size_t i = 0; i < forecast->count; i++) {
        const char *names = forecast->rows[i].cut;
        forecast->rows[i].cut = NULL;
        THAW_TRY(thaw_copy_text(m->context, names, &forecast->rows[i].cut));
    }
    forecast->train_count = c->train_count;
    forecast->validation_count = c->validation_count;
    forecast->decode_seconds = c->images.decode_seconds;
    forecast->frozen_seconds = c->cuts[0].frozen.image_seconds;
    return THAW_OK;
}

static void close_measurement(measurement *m)
{
    for (size_t i = 0; i < m->costs.cut_count && m->costs.cuts; i++)
        free(m->costs.cuts[i].names);
    free(m->costs.cuts);
    thaw_measured_images_free(&m->costs.images);
    free(m->paths);
    free(m->single);
    free(m->held_out);
}

thaw_status thaw_finetune_forecast(thaw_model *model, thaw_device *device, const thaw_dataset *dataset,
                                   const thaw_finetune_options *options, thaw_forecast *forecast)
{
    const double start = thaw_clock_seconds();
    measurement m = {
        .context = model->context, .model = model, .device = device, .dataset = dataset, .options = *options};
    m.options.job.on_progress = NULL;
    m.options.job.on_bad_image = NULL;
    m.options.on_plan = NULL;
    m.options.on_epoch = NULL;
    m.costs.options = &m.options;
    m.costs.decode_share = decode_share(&m);
    *forecast = (thaw_forecast){0};
    thaw_status status = measure_all(&m);
    if (status == THAW_OK)
        status = fill(&m, forecast);
    close_measurement(&m);
    forecast->seconds = thaw_clock_seconds() - start;
    return status;
}

void thaw_forecast_free(thaw_forecast *forecast)
{
    for (size_t i = 0; i < forecast->count; i++)
        free(forecast->rows[i].cut);
    free(forecast->rows);
    *forecast = (thaw_forecast){0};
}
