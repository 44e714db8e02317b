#include "train/candidates.h"
#include "train/epochs.h"
#include "train/forecast.h"
#include "train/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- parts of a run ----------------------------------------------------------------------------------------------- */

/* One image from its file to the cut, while the next ones are decoded. */
static double image_seconds(const thaw_costs *c, const thaw_cut_costs *cut)
{
    return fmax(c->images.decode_seconds, cut->frozen.image_seconds + c->decode_share * c->images.decode_seconds);
}

/* How a training sees its images. */
typedef struct way {
    const thaw_cut_costs *cut;
    const thaw_finetune_options *options;
    bool anew;                         /* images for training are augmented anew in every epoch */
    const thaw_feature_survey *survey; /* of what is kept, or would be */
    size_t batch, steps_per_epoch;
} way;

static way way_of(const thaw_costs *c, const thaw_cut_costs *cut, const thaw_finetune_options *o)
{
    way w = {.cut = cut, .options = o, .anew = o->augment != THAW_AUGMENT_NONE && o->cache_views == 0};
    w.survey = w.anew ? &cut->held_out : &cut->all;
    w.batch = o->train_batch_size < c->train_count ? o->train_batch_size : c->train_count;
    const bool whole = o->freeze.update_batch_norm; /* what does not fill a batch is left out */
    const size_t batches = (c->train_count + (whole ? 0 : w.batch - 1)) / w.batch, accumulate = (size_t)o->accumulate;
    w.steps_per_epoch = (batches + accumulate - 1) / accumulate;
    return w;
}

/* Before the first epoch. */
static double feature_seconds(const thaw_costs *c, const way *w)
{
    const thaw_feature_survey *s = w->survey;
    const size_t decoded = w->anew ? c->train_count : 0, all = c->train_count + c->validation_count;
    const size_t missing = s->item_count - s->found_count;
    if (!s->kept) /* a frozen part that runs again and again is made ready once, and images are looked at */
        return w->cut->frozen.open_seconds + (double)all * c->images.decode_seconds;
    return (double)decoded * c->images.decode_seconds + (double)missing * image_seconds(c, w->cut) +
           (missing > 0 || w->anew ? w->cut->frozen.open_seconds : 0.0);
}

static double step_seconds(const thaw_costs *c, const way *w)
{
    const size_t images = w->anew || !w->survey->kept ? w->batch * (size_t)w->options->accumulate : 0;
    return w->cut->trained.step_seconds + (double)images * image_seconds(c, w->cut);
}

static double judge_seconds(const thaw_costs *c, const way *w)
{
    const size_t batches = (c->validation_count + w->batch - 1) / w->batch;
    const double frozen = w->survey->kept ? 0.0 : (double)c->validation_count * image_seconds(c, w->cut);
    return (double)batches * w->cut->trained.judge_seconds + frozen;
}

static double epoch_seconds(const thaw_costs *c, const way *w)
{
    const size_t batch = w->batch * (size_t)w->options->accumulate;
    /* The last step of an epoch has fewer images, if not less of anything else. */
    const double missing =
        w->anew || !w->survey->kept ? (double)(w->steps_per_epoch * batch) - (double)c->train_count : 0.0;
    return (double)w->steps_per_epoch * step_seconds(c, w) - fmax(missing, 0.0) * image_seconds(c, w->cut) +
           judge_seconds(c, w);
}

/* Getting ready and clearing up. */
static double frame_seconds(const way *w)
{
    return w->cut->prepare_seconds + w->cut->trained.open_seconds + w->cut->trained.close_seconds;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t device_bytes(const way *w)
{
    const thaw_cut_costs *cut = w->cut;
    const uint64_t frozen = cut->frozen.bytes, trained = cut->trained.bytes;
    if (w->anew || !w->survey->kept)
        return frozen + trained;
    return w->survey->found_count < w->survey->item_count ? larger(frozen, trained) : trained;
}

static uint64_t process_bytes(const thaw_costs *c, const way *w, uint64_t on_device)
{
    const thaw_cut_costs *cut = w->cut;
    const uint64_t features = w->survey->in_memory ? w->survey->stored_bytes : 0;
    return c->process_bytes + features + 2 * cut->parameter_bytes + w->batch * cut->row_bytes +
           (c->shares_memory ? on_device : 0);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static thaw_forecast_row begin_row(const thaw_cut_costs *cut, thaw_recipe recipe)
{
    thaw_forecast_row row = {.recipe = recipe,
                             .unfreeze = cut->unfreeze,
                             .everything = cut->everything,
                             .cut = cut->names,
                             .possible = cut->possible};
    memcpy(row.reason, cut->reason, sizeof row.reason);
    return row;
}

static void note_features(const thaw_costs *c, const way *w, thaw_forecast_row *row)
{
    row->augment = w->options->augment;
    row->item_count = w->survey->item_count;
    row->found_count = w->survey->found_count;
    row->features_kept = w->survey->kept && !w->anew;
    row->disk_bytes = w->survey->added_bytes;
    row->device_bytes = device_bytes(w);
    row->process_bytes = process_bytes(c, w, row->device_bytes);
}

static thaw_forecast_row probe_row(const thaw_costs *c)
{
    const thaw_cut_costs *cut = &c->cuts[0];
    thaw_forecast_row row = begin_row(cut, THAW_RECIPE_PROBE);
    thaw_finetune_options o = *c->options;
    o.augment = THAW_AUGMENT_NONE;
    const way w = way_of(c, cut, &o);
    if (row.possible && !c->probe_possible) {
        row.possible = false;
        memcpy(row.reason, c->probe_reason, sizeof row.reason);
    }
    if (!row.possible)
        return row;
    note_features(c, &w, &row);
    const bool computes = row.found_count < row.item_count;
    row.device_bytes = larger(computes ? cut->frozen.bytes : 0, c->probe_bytes);
    row.process_bytes = process_bytes(c, &w, row.device_bytes);
    row.feature_seconds = feature_seconds(c, &w);
    row.probe_seconds = row.epoch_seconds = c->probe_seconds;
    row.seconds = row.least_seconds = c->look_seconds + cut->prepare_seconds + row.feature_seconds + row.probe_seconds;
    return row;
}

/* Fewer epochs where a budget of time asks for it: at least the one that is begun. */
static void fit_to_time(double left, thaw_forecast_row *row)
{
    const double affordable = ceil(left / row->epoch_seconds);
    if (affordable < row->epochs)
        row->epochs = affordable > 1.0 ? (int32_t)affordable : 1;
}

static thaw_forecast_row finetune_row(const thaw_costs *c, const thaw_cut_costs *cut)
{
    thaw_forecast_row row = begin_row(cut, THAW_RECIPE_FINETUNE);
    thaw_finetune_options o = *c->options;
    o.freeze.update_batch_norm = cut->freeze.update_batch_norm;
    const way w = way_of(c, cut, &o);
    if (!row.possible)
        return row;
    note_features(c, &w, &row);
    row.epochs = o.epochs ? o.epochs : thaw_epochs_enough(w.steps_per_epoch);
    row.feature_seconds = feature_seconds(c, &w);
    row.epoch_seconds = epoch_seconds(c, &w);
    const double ready = c->look_seconds + frame_seconds(&w) + row.feature_seconds;
    if (o.time_budget_seconds > 0)
        fit_to_time(o.time_budget_seconds - ready, &row);
    row.steps = (uint64_t)row.epochs * w.steps_per_epoch;
    row.seconds = row.least_seconds = ready + row.epochs * row.epoch_seconds;
    if (o.time_budget_seconds > ready && row.seconds > o.time_budget_seconds) /* the last one is drawn in */
        row.seconds = row.least_seconds = o.time_budget_seconds;
    return row;
}

/* One way to fine-tune after the probe, begun when `spent` seconds are over. *seconds: what it takes, or, where it
 * comes to no epochs, what it takes to find that out. */
static thaw_forecast_row refine(const thaw_costs *c, const thaw_cut_costs *cut, const thaw_candidate *candidate,
                                double spent, double *seconds)
{
    thaw_forecast_row row = begin_row(cut, THAW_RECIPE_PROBE_THEN_FINETUNE);
    const thaw_finetune_options o = thaw_candidate_options(candidate, c->options);
    const way w = way_of(c, cut, &o);
    note_features(c, &w, &row);
    row.feature_seconds = feature_seconds(c, &w);
    row.epoch_seconds = epoch_seconds(c, &w);
    const double tried = cut->prepare_seconds + row.feature_seconds + cut->trained.open_seconds +
                         THAW_RECIPE_TRIED_STEPS * step_seconds(c, &w);
    const double left = thaw_recipe_budget(c->options) - spent - tried;
    row.epochs = left > 0 ? thaw_candidate_epochs(candidate, left, step_seconds(c, &w), w.steps_per_epoch) : 0;
    row.steps = (uint64_t)row.epochs * w.steps_per_epoch;
    *seconds = tried;
    if (row.epochs)
        *seconds += cut->trained.open_seconds + row.epochs * row.epoch_seconds + judge_seconds(c, &w) +
                    cut->trained.close_seconds;
    return row;
}

/* The probe comes before it. */
static void add_probe(const thaw_costs *c, const thaw_forecast_row *probe, double seconds, thaw_forecast_row *row)
{
    row->least_seconds = probe->seconds;
    row->seconds = probe->seconds + seconds;
    row->probe_seconds = probe->probe_seconds;
    row->feature_seconds += probe->feature_seconds;
    row->disk_bytes += probe->disk_bytes;
    row->device_bytes = larger(row->device_bytes, probe->device_bytes);
    row->process_bytes = larger(row->process_bytes, probe->process_bytes);
    if (row->epochs || !row->possible)
        return;
    row->possible = false;
    snprintf(row->reason, sizeof row->reason, "%.0f s are too short for it", thaw_recipe_budget(c->options));
}

static const thaw_cut_costs *cut_of(const thaw_costs *c, const thaw_freeze_options *freeze)
{
    return freeze->until || freeze->trainable ? &c->cuts[c->cut_count - 1] : &c->cuts[freeze->unfreeze];
}

/* What the recipe does for that wish: one way after the other until there is time for one. What was tried in vain took
 * time and memory too. */
static thaw_forecast_row recipe_row(const thaw_costs *c, const thaw_freeze_options *wish,
                                    const thaw_forecast_row *probe)
{
    thaw_candidate list[THAW_MOST_CANDIDATES];
    const size_t count = thaw_candidates_list(wish, c->train_count, c->stages, list);
    thaw_forecast_row row = {0};
    double seconds, spent = probe->seconds;
    for (size_t i = 0; i < count && !row.epochs; i++) {
        const thaw_cut_costs *cut = cut_of(c, &list[i].freeze);
        const uint64_t on_device = row.device_bytes, in_process = row.process_bytes;
        row = begin_row(cut, THAW_RECIPE_PROBE_THEN_FINETUNE);
        if (!row.possible || !probe->possible) {
            memcpy(row.reason, row.possible ? probe->reason : cut->reason, sizeof row.reason);
            row.possible = false;
            return row;
        }
        row = refine(c, cut, &list[i], spent, &seconds);
        row.device_bytes = larger(row.device_bytes, on_device);
        row.process_bytes = larger(row.process_bytes, in_process);
        spent += seconds;
    }
    add_probe(c, probe, spent - probe->seconds, &row);
    return row;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static thaw_forecast_row *find_row(thaw_forecast *f, thaw_recipe recipe, int32_t unfreeze)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->rows[i].recipe == recipe && f->rows[i].unfreeze == unfreeze)
            return &f->rows[i];
    return NULL;
}

static int32_t depth_asked(const thaw_costs *c)
{
    return c->cut_count > (size_t)c->stages + 1 ? -1 : c->options->freeze.unfreeze;
}

/* Where there can be no probe the default recipe is steps for the head; where nothing lies below it, the probe. */
static void mark_taken(const thaw_costs *c, thaw_forecast *f)
{
    thaw_recipe recipe = c->options->recipe;
    const thaw_forecast_row *probe = &f->rows[0];
    thaw_forecast_row *row = NULL;
    if (recipe == THAW_RECIPE_PROBE_THEN_FINETUNE && !probe->possible)
        recipe = THAW_RECIPE_FINETUNE;
    else if (recipe == THAW_RECIPE_PROBE_THEN_FINETUNE && c->stages > 0) {
        const thaw_forecast_row taken = recipe_row(c, &c->options->freeze, probe);
        row = find_row(f, recipe, taken.unfreeze);
        if (row)
            *row = taken;
        if (!row || !taken.possible)
            row = NULL, recipe = THAW_RECIPE_PROBE;
    } else if (recipe == THAW_RECIPE_PROBE_THEN_FINETUNE) {
        recipe = THAW_RECIPE_PROBE;
    }
    if (!row)
        row = find_row(f, recipe, recipe == THAW_RECIPE_PROBE ? 0 : depth_asked(c));
    if (row)
        row->taken = row->possible;
}

void thaw_forecast_fill(const thaw_costs *c, thaw_forecast *f)
{
    f->rows[f->count++] = probe_row(c);
    for (size_t i = 0; i < c->cut_count; i++)
        f->rows[f->count++] = finetune_row(c, &c->cuts[i]);
    for (size_t i = 1; i < c->cut_count; i++)
        f->rows[f->count++] = recipe_row(c, &c->cuts[i].freeze, &f->rows[0]);
    mark_taken(c, f);
}
