#include "train/probe_solver.h"
#include "base/context.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIRS = 10,            /* steps that L-BFGS remembers */
    MOST_TRIALS = 40,      /* places on a line */
    MOST_ITERATIONS = 1000 /* of one fit */
};

/* A place on a line is good enough where the slope is that share of what it was at the start. Looking costs little. */
static const double least_slope = 0.1;

/* Below that share of what it was at first, a gradient in float32 is rounding. */
static const double least_gradient = 1e-6;

/* The search along a direction. The objective is convex: its slope rises along any line, so the minimum lies between
 * the last place with a falling and the first with a rising slope. */
typedef struct thaw_probe_line {
    double low, high;         /* these places */
    double start;             /* slope at 0 */
    double linear, quadratic; /* of the penalty: its slope is linear + rate * quadratic */
    bool done;                /* the rate is found */
    bool over;                /* no line: this classifier is fitted */
} thaw_probe_line;

size_t thaw_probe_solver_bytes(size_t classes, size_t width)
{
    return (4 + 2 * PAIRS) * classes * width * sizeof(float);
}

static thaw_status allocate(thaw_probe_solver *s)
{
    thaw_context *context = thaw_device_context(s->objective->device);
    const size_t slots = s->most_slots, length = thaw_probe_length(s->objective);
    float **vectors[] = {&s->parameters, &s->gradients, &s->after, &s->directions};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        THAW_TRY(thaw_allocate(context, slots, length * sizeof **vectors[i], vectors[i]));
    THAW_TRY(thaw_allocate(context, slots, sizeof *s->memories, &s->memories));
    THAW_TRY(thaw_allocate(context, slots, sizeof *s->outcomes, &s->outcomes));
    THAW_TRY(thaw_allocate(context, slots, sizeof *s->lines, &s->lines));
    THAW_TRY(thaw_allocate(context, slots, sizeof *s->points, &s->points));
    THAW_TRY(thaw_allocate(context, slots, sizeof *s->rates, &s->rates));
    for (size_t i = 0; i < slots; i++)
        THAW_TRY(thaw_lbfgs_create(context, length, PAIRS, &s->memories[i]));
    return THAW_OK;
}

thaw_status thaw_probe_solver_open(thaw_probe_objective *objective, thaw_probe_solver *s)
{
    *s = (thaw_probe_solver){.objective = objective, .most_slots = objective->most_slots};
    const thaw_status status = allocate(s);
    if (status != THAW_OK)
        thaw_probe_solver_close(s);
    return status;
}

void thaw_probe_solver_close(thaw_probe_solver *s)
{
    for (size_t i = 0; i < s->most_slots && s->memories; i++)
        thaw_lbfgs_destroy(&s->memories[i]);
    void *const memory[] = {s->parameters, s->gradients, s->after,  s->directions, s->memories,
                            s->outcomes,   s->lines,     s->points, s->rates};
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        free(memory[i]);
    *s = (thaw_probe_solver){0};
}

/* The inner product of what is penalised: all but biases. */
static double weights_dot(const thaw_probe_objective *o, const float *a, const float *b)
{
    double sum = 0.0;
    for (size_t k = 0; k < o->classes; k++)
        sum += thaw_lbfgs_dot(a + k * o->width, b + k * o->width, o->features);
    return sum;
}

/* The penalty's part of the gradient. */
static void add_penalty(const thaw_probe_objective *o, double strength, const float *parameters, float *gradient)
{
    for (size_t k = 0; k < o->classes; k++)
        for (size_t f = 0; f < o->features; f++)
            gradient[k * o->width + f] = (float)(gradient[k * o->width + f] + strength * parameters[k * o->width + f]);
}

static double largest(const float *numbers, size_t count)
{
    float most = 0.0f;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(numbers[i]));
    return most;
}

/* --- one line ----------------------------------------------------------------------------------------------------- */

static void begin_line(thaw_probe_solver *s, size_t slot, double strength)
{
    const thaw_probe_objective *o = s->objective;
    const size_t length = thaw_probe_length(o), at = slot * length;
    float *direction = s->directions + at;
    thaw_probe_line *line = &s->lines[slot];
    s->rates[slot] = 0.0;
    if (line->over) {
        memset(direction, 0, length * sizeof *direction);
        return;
    }
    thaw_lbfgs_direction(s->memories[slot], s->gradients + at, direction);
    double start = thaw_lbfgs_dot(s->gradients + at, direction, length);
    if (!(start < 0.0)) { /* rounding has spoilt what is remembered */
        thaw_lbfgs_reset(s->memories[slot]);
        thaw_lbfgs_direction(s->memories[slot], s->gradients + at, direction);
        start = thaw_lbfgs_dot(s->gradients + at, direction, length);
    }
    *line = (thaw_probe_line){.high = INFINITY,
                              .start = start,
                              .linear = strength * weights_dot(o, s->parameters + at, direction),
                              .quadratic = strength * weights_dot(o, direction, direction)};
    /* Without a known length the first look, at 0, is for the curvature there. */
    s->rates[slot] = thaw_lbfgs_knows_length(s->memories[slot]) ? 1.0 : 0.0;
}

/* Takes a look into account: the rate is found, or the next one to look at is Newton's, where that lies between the
 * bounds. */
static void narrow_line(thaw_probe_line *line, const thaw_probe_point *point, double *rate)
{
    const double slope = point->slope + line->linear + *rate * line->quadratic;
    const double curvature = point->curvature + line->quadratic;
    if (fabs(slope) <= least_slope * fabs(line->start)) {
        line->done = true;
        return;
    }
    if (slope < 0.0)
        line->low = *rate;
    else /* also where it is no number any more */
        line->high = *rate;
    const double newton = *rate - slope / curvature;
    const double most = isfinite(line->high) ? line->high : *rate > 0.0 ? 10.0 * *rate : INFINITY;
    if (newton > line->low && newton < most)
        *rate = newton;
    else
        *rate = isfinite(line->high) ? 0.5 * (line->low + line->high) : 10.0 * fmax(*rate, 1e-3);
}

/* Finds each slot's rate. */
static thaw_status search_lines(thaw_probe_solver *s)
{
    const size_t slots = s->objective->slots;
    bool all_done = false;
    for (int trial = 0; trial < MOST_TRIALS && !all_done; trial++) {
        THAW_TRY(thaw_probe_objective_look(s->objective, s->rates, s->points));
        all_done = true;
        for (size_t slot = 0; slot < slots; slot++) {
            thaw_probe_line *line = &s->lines[slot];
            if (!line->over && !line->done)
                narrow_line(line, &s->points[slot], &s->rates[slot]);
            all_done = all_done && (line->over || line->done);
        }
    }
    for (size_t slot = 0; slot < slots; slot++)
        if (!s->lines[slot].over && !s->lines[slot].done)
            s->rates[slot] = s->lines[slot].low; /* still downhill */
    return THAW_OK;
}

/* --- one fit ------------------------------------------------------------------------------------------------------ */

/* The strongest pull of the penalty: at the minimum the losses pull as strongly the other way. */
static double pull(const thaw_probe_objective *o, double strength, const float *parameters)
{
    double most = 0.0;
    for (size_t k = 0; k < o->classes; k++)
        most = fmax(most, largest(parameters + k * o->width, o->features));
    return strength * most;
}

/* Is this classifier as good as it was asked to be, or as it can get? */
static void judge(thaw_probe_solver *s, size_t slot, double strength, double tolerance, bool stuck)
{
    const size_t length = thaw_probe_length(s->objective);
    thaw_probe_outcome *outcome = &s->outcomes[slot];
    const double wanted = tolerance * pull(s->objective, strength, s->parameters + slot * length);
    outcome->gradient = largest(s->gradients + slot * length, length);
    outcome->converged = outcome->gradient <= fmax(wanted, least_gradient * outcome->reference);
    s->lines[slot].over = outcome->converged || stuck;
}

static void finish_step(thaw_probe_solver *s, size_t slot, double strength, double tolerance)
{
    const size_t length = thaw_probe_length(s->objective), at = slot * length;
    if (s->lines[slot].over)
        return;
    for (size_t i = 0; i < length; i++)
        s->parameters[at + i] = (float)(s->parameters[at + i] + s->rates[slot] * s->directions[at + i]);
    add_penalty(s->objective, strength, s->parameters + at, s->after + at);
    thaw_lbfgs_remember(s->memories[slot], s->rates[slot], s->directions + at, s->gradients + at, s->after + at);
    memcpy(s->gradients + at, s->after + at, length * sizeof *s->gradients);
    s->outcomes[slot].iterations++;
    judge(s, slot, strength, tolerance, s->rates[slot] == 0.0);
}

static thaw_status step(thaw_probe_solver *s, double strength, double tolerance, bool *over)
{
    const size_t slots = s->objective->slots;
    for (size_t slot = 0; slot < slots; slot++)
        begin_line(s, slot, strength);
    THAW_TRY(thaw_probe_objective_aim(s->objective, s->directions));
    THAW_TRY(search_lines(s));
    THAW_TRY(thaw_probe_objective_advance(s->objective, s->rates, s->after));
    *over = true;
    for (size_t slot = 0; slot < slots; slot++) {
        finish_step(s, slot, strength, tolerance);
        *over = *over && s->lines[slot].over;
    }
    return THAW_OK;
}

/* Gradients of the losses, without a penalty, where the parameters are. */
static thaw_status find_gradients(thaw_probe_solver *s)
{
    memset(s->rates, 0, s->objective->slots * sizeof *s->rates);
    THAW_TRY(thaw_probe_objective_start(s->objective, s->parameters));
    return thaw_probe_objective_advance(s->objective, s->rates, s->gradients);
}

thaw_status thaw_probe_solver_begin(thaw_probe_solver *s)
{
    const thaw_probe_objective *o = s->objective;
    const size_t length = thaw_probe_length(o);
    memset(s->parameters, 0, o->slots * length * sizeof *s->parameters);
    for (size_t slot = 0; slot < o->slots; slot++)
        for (size_t k = 0; k < o->classes; k++)
            s->parameters[slot * length + k * o->width + o->features] =
                (float)log(thaw_probe_objective_share(o, slot, k));
    THAW_TRY(find_gradients(s));
    for (size_t slot = 0; slot < o->slots; slot++)
        s->outcomes[slot] = (thaw_probe_outcome){
            .reference = fmax(largest(s->gradients + slot * length, length), 1.0 / (double)o->classes)};
    return THAW_OK;
}

thaw_status thaw_probe_solver_fit(thaw_probe_solver *s, double strength, double tolerance)
{
    thaw_probe_objective *o = s->objective;
    thaw_context *context = thaw_device_context(o->device);
    const size_t length = thaw_probe_length(o);
    bool over = true;
    THAW_TRY(find_gradients(s)); /* anew: steps have left some rounding in the logits */
    for (size_t slot = 0; slot < o->slots; slot++) {
        add_penalty(o, strength, s->parameters + slot * length, s->gradients + slot * length);
        thaw_lbfgs_reset(s->memories[slot]);
        judge(s, slot, strength, tolerance, false);
        over = over && s->lines[slot].over;
    }
    for (int i = 0; i < MOST_ITERATIONS && !over; i++) {
        if (thaw_context_interrupted(context))
            return thaw_fail(context, THAW_ERR_INTERRUPTED, "stopped in the probe");
        THAW_TRY(step(s, strength, tolerance, &over));
    }
    return THAW_OK;
}
