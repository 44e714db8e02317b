#include "train/probe_path.h"
#include "base/context.h"
#include "base/memory.h"
#include "train/folds.h"
#include "train/metrics.h"
#include "train/progress.h"

#include <math.h>
#include <stdlib.h>

enum {
    FOLDS = 5,
    ENOUGH = 2000,  /* images held out: where fewer folds have as many, the others are not fitted */
    STRENGTHS = 15, /* of the path, from the strongest */
    PATIENCE = 3    /* so many strengths after the best: weaker ones only get worse and take longer */
};

/* sqrt(10) lies between two strengths: the held-out loss is flatter than that. */
static const double strongest = 10.0, ratio = 0.31622776601683794;

/* Enough to tell strengths apart. */
static const double tolerance = 1e-2;

/* Where nothing can be held out; it hardly matters there (docs/decisions/probe.md). */
static const double fixed_strength = 0.1;

typedef struct search {
    thaw_context *context;
    thaw_probe_solver *solver;
    const thaw_probe_path_options *options;
    thaw_reporter reporter;
    size_t folds;
    int32_t *fold;                 /* [count] */
    float *masked;                 /* [count]: weights without those held out */
    float *losses;                 /* [STRENGTHS][count], of rows held out */
    bool *right;                   /* [STRENGTHS][count] */
    int32_t iterations[STRENGTHS]; /* of all folds */
    size_t known;                  /* strengths that all folds have been fitted with */
} search;

size_t thaw_probe_path_slots(const thaw_probe_rows *rows)
{
    const size_t most_bytes = (size_t)512 << 20, most_logits = (size_t)32 << 20;
    const size_t bytes = thaw_probe_solver_bytes(rows->classes, rows->features_count);
    const size_t logits = rows->count * rows->classes;
    size_t slots = FOLDS;
    while (slots > 1 && (slots * bytes > most_bytes || slots * logits > most_logits))
        slots--;
    return slots;
}

static double strength_at(size_t index)
{
    return strongest * pow(ratio, (double)index);
}

/* The weighted mean of held-out losses for a strength; of folds `from` to `to` only. */
static double mean_loss(const search *s, size_t strength, size_t from, size_t to)
{
    double sum = 0.0, weights = 0.0;
    for (size_t i = 0; i < s->options->count; i++)
        if (s->fold[i] >= (int32_t)from && s->fold[i] < (int32_t)to) {
            sum += s->options->weights[i] * (double)s->losses[strength * s->options->count + i];
            weights += s->options->weights[i];
        }
    return sum / weights;
}

static void note_held_out(search *s, size_t strength, size_t from)
{
    const thaw_probe_objective *o = s->solver->objective;
    for (size_t slot = 0; slot < o->slots; slot++)
        for (size_t i = 0; i < s->options->count; i++)
            if (s->fold[i] == (int32_t)(from + slot)) {
                const size_t at = strength * s->options->count + i;
                s->losses[at] = (float)thaw_probe_objective_row_loss(o, slot, i);
                s->right[at] = thaw_probe_objective_row_right(o, slot, i);
            }
}

/* Fits all of the path, from where each classifier's last fit ended, for the folds from `from` on, one a slot. Ends
 * early where losses have only risen for a while. */
static thaw_status walk(search *s, size_t from, size_t folds)
{
    thaw_probe_solver *solver = s->solver;
    double least = INFINITY;
    size_t best = 0;
    for (size_t i = 0; i < s->known && i <= best + PATIENCE; i++) {
        THAW_TRY(thaw_probe_solver_fit(solver, strength_at(i), tolerance));
        for (size_t slot = 0; slot < folds; slot++) {
            s->iterations[i] += solver->outcomes[slot].iterations;
            solver->outcomes[slot].iterations = 0;
            solver->rates[slot] = 0.0;
        }
        THAW_TRY(thaw_probe_objective_look(solver->objective, solver->rates, solver->points));
        note_held_out(s, i, from);
        const double loss = mean_loss(s, i, from, from + folds);
        if (loss < least) {
            least = loss;
            best = i;
        }
        thaw_reporter_update(&s->reporter, from * STRENGTHS + folds * (i + 1), 0.0);
    }
    if (best + PATIENCE + 1 < s->known)
        s->known = best + PATIENCE + 1;
    return THAW_OK;
}

static thaw_status cross_validate(search *s)
{
    thaw_probe_objective *o = s->solver->objective;
    const size_t count = s->options->count;
    s->known = STRENGTHS;
    for (size_t from = 0; from < s->folds; from += o->most_slots) {
        const size_t folds = s->folds - from < o->most_slots ? s->folds - from : o->most_slots;
        thaw_probe_objective_begin(o, folds, count);
        for (size_t slot = 0; slot < folds; slot++) {
            for (size_t i = 0; i < count; i++)
                s->masked[i] = s->fold[i] == (int32_t)(from + slot) ? 0.0f : s->options->weights[i];
            thaw_probe_objective_weigh(o, slot, s->masked);
        }
        THAW_TRY(thaw_probe_solver_begin(s->solver));
        THAW_TRY(walk(s, from, folds));
    }
    thaw_reporter_update(&s->reporter, s->reporter.total, 0.0);
    return THAW_OK;
}

/* Is the loss of `other` so little above that of `best` that it may be chance: the mean of the differences, image by
 * image, within one standard error? */
static bool is_as_good(const search *s, size_t best, size_t other)
{
    const size_t count = s->options->count;
    double sum = 0.0, squares = 0.0, images = 0.0;
    for (size_t i = 0; i < count; i++) {
        if (s->fold[i] == THAW_FOLD_NONE)
            continue;
        const double difference =
            s->options->weights[i] * ((double)s->losses[other * count + i] - (double)s->losses[best * count + i]);
        sum += difference;
        squares += difference * difference;
        images += 1.0;
    }
    const double mean = sum / images, variance = fmax(squares / images - mean * mean, 0.0);
    return mean <= sqrt(variance / images);
}

/* The least held-out loss decides; among strengths that come as close to it as chance would bring them, the accuracy;
 * then the loss again. */
static size_t choose(const search *s, const thaw_probe_strength *path)
{
    size_t best = 0;
    for (size_t i = 1; i < s->known; i++)
        if (path[i].loss < path[best].loss)
            best = i;
    size_t chosen = best;
    for (size_t i = 0; i < s->known; i++)
        if ((path[i].top1 > path[chosen].top1 ||
             (path[i].top1 == path[chosen].top1 && path[i].loss < path[chosen].loss)) &&
            is_as_good(s, best, i))
            chosen = i;
    return chosen;
}

/* Right answers among images held out. */
static size_t count_right(const search *s, size_t strength, size_t *held_out)
{
    size_t right = 0;
    *held_out = 0;
    for (size_t i = 0; i < s->options->count; i++) {
        const bool counts = s->fold[i] != THAW_FOLD_NONE;
        *held_out += counts;
        right += counts && s->right[strength * s->options->count + i];
    }
    return right;
}

static thaw_status tell(search *s, thaw_probe_result *probe)
{
    THAW_TRY(thaw_allocate(s->context, s->known, sizeof *probe->path, &probe->path));
    probe->path_count = s->known;
    for (size_t i = 0; i < s->known; i++) {
        const size_t right = count_right(s, i, &probe->cv_count);
        probe->path[i] = (thaw_probe_strength){.strength = strength_at(i),
                                               .loss = mean_loss(s, i, 0, s->folds),
                                               .top1 = (double)right / (double)probe->cv_count,
                                               .iterations = s->iterations[i]};
    }
    const size_t chosen = choose(s, probe->path), right = count_right(s, chosen, &probe->cv_count);
    probe->strength = probe->path[chosen].strength;
    probe->cv_top1 = probe->path[chosen].top1;
    thaw_wilson_interval(right, probe->cv_count, &probe->cv_top1_low, &probe->cv_top1_high);
    return THAW_OK;
}

/* Of many images, the first folds tell strengths apart as well as all would: what is in the others is never held out.
 */
static void drop_folds(search *s)
{
    size_t held_out[FOLDS] = {0}, total = 0, used = 0;
    for (size_t i = 0; i < s->options->count; i++)
        if (s->fold[i] != THAW_FOLD_NONE)
            held_out[s->fold[i]]++;
    while (used < s->folds && total < ENOUGH)
        total += held_out[used++];
    s->folds = used;
    for (size_t i = 0; i < s->options->count; i++)
        if (s->fold[i] >= (int32_t)used)
            s->fold[i] = THAW_FOLD_NONE;
}

static thaw_status run(search *s, thaw_probe_result *probe)
{
    const thaw_probe_path_options *options = s->options;
    const thaw_probe_objective *o = s->solver->objective;
    THAW_TRY(thaw_allocate(s->context, options->count, sizeof *s->fold, &s->fold));
    THAW_TRY(
        thaw_folds_deal(s->context, o->labels, options->count, o->classes, FOLDS, options->seed, s->fold, &s->folds));
    drop_folds(s);
    probe->folds = s->folds;
    if (!s->folds) {
        thaw_log(s->context, THAW_LOG_WARNING,
                 "one training image per class: nothing can be held out to choose the probe's strength by, %g is taken",
                 fixed_strength);
        probe->strength = fixed_strength;
        return THAW_OK;
    }
    THAW_TRY(thaw_allocate(s->context, options->count, sizeof *s->masked, &s->masked));
    THAW_TRY(thaw_allocate(s->context, options->count, STRENGTHS * sizeof *s->losses, &s->losses));
    THAW_TRY(thaw_allocate(s->context, options->count, STRENGTHS * sizeof *s->right, &s->right));
    thaw_reporter_start(&s->reporter, options->job, "probe", s->folds * STRENGTHS);
    THAW_TRY(cross_validate(s));
    return tell(s, probe);
}

thaw_status thaw_probe_path_choose(thaw_probe_solver *solver, const thaw_probe_path_options *options,
                                   thaw_probe_result *probe)
{
    search s = {.context = thaw_device_context(solver->objective->device), .solver = solver, .options = options};
    probe->cv_top1 = NAN;
    probe->cv_top1_high = 1.0;
    const thaw_status status = run(&s, probe);
    free(s.fold);
    free(s.masked);
    free(s.losses);
    free(s.right);
    return status;
}
