/* Looks for what is wrong with a data set. */
#include "train/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "train/progress.h"

static const double most_even_deviation = 4.0;  /* of 255: no more than a blank page has */
static const double most_colour_of_grey = 2.0;  /* of 255: a grey JPEG */
static const double least_coloured_share = 0.9; /* of the images, for a grey one to be odd */

const char *thaw_finding_text(thaw_finding_kind kind)
{
    static const char *const texts[] = {
#define FINDING_TEXT(name, text) text,
        THAW_FINDING_LIST(FINDING_TEXT)
#undef FINDING_TEXT
    };
    return texts[kind];
}

thaw_check_options thaw_check_defaults(void)
{
    thaw_check_options options = {.job = thaw_job_defaults(), .least_side = 32, .similarity = 0.98, .neighbours = 10};
    thaw_preprocess_named("imagenet", 224, 224, &options.preprocess);
    return options;
}

static thaw_status check_options(thaw_context *context, const thaw_check_options *o)
{
    if (o->least_side < 0)
        return thaw_fail(context, THAW_ERR_USAGE, "the least side can't be negative");
    if (!(o->similarity >= 0.9 && o->similarity <= 1))
        return thaw_fail(context, THAW_ERR_USAGE, "the similarity of duplicates is from 0.9 to 1");
    if (o->neighbours < 1 || o->neighbours > 1000)
        return thaw_fail(context, THAW_ERR_USAGE, "%zu neighbours: expected 1 to 1000", o->neighbours);
    return o->model ? thaw_preprocess_check(context, &o->preprocess) : THAW_OK;
}

thaw_status thaw_check_add(thaw_checking *c, thaw_finding finding)
{
    thaw_check_report *r = c->report;
    THAW_TRY(thaw_reserve(c->context, &r->findings, &c->finding_capacity, r->finding_count + 1, sizeof *r->findings));
    finding.width = c->facts[finding.image].width;
    finding.height = c->facts[finding.image].height;
    r->findings[r->finding_count++] = finding;
    r->kind_count[finding.kind]++;
    return THAW_OK;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

typedef struct phase {
    thaw_checking *checking;
    thaw_reporter reporter;
} phase;

static void look(void *user, size_t index)
{
    const phase *p = user;
    thaw_picture_look(thaw_dataset_sample(p->checking->dataset, index)->path, &p->checking->facts[index]);
}

static void tell(void *user, size_t done)
{
    phase *p = user;
    thaw_reporter_update(&p->reporter, done, 0);
}

static thaw_status read_images(thaw_checking *c)
{
    phase p = {.checking = c};
    const thaw_parallel parallel = {c->report->count, c->options->job.workers, look, tell, &p};
    thaw_reporter_start(&p.reporter, &c->options->job, "images", c->report->count);
    THAW_TRY(thaw_parallel_run(c->context, &parallel));
    for (size_t i = 0; i < c->report->count; i++)
        c->report->readable_count += c->facts[i].readable;
    return THAW_OK;
}

static thaw_status compare_images(thaw_checking *c)
{
    phase p = {.checking = c};
    const thaw_duplicates_options options = {.facts = c->facts,
                                             .count = c->report->count,
                                             .similarity = c->options->similarity,
                                             .workers = c->options->job.workers,
                                             .tell = tell,
                                             .user = &p};
    thaw_reporter_start(&p.reporter, &c->options->job, "compare", c->report->count);
    THAW_TRY(thaw_duplicates_find(c->context, &options, c->likes));
    for (size_t i = 0; i < c->report->count; i++)
        c->group[i] = c->likes[i].group;
    return THAW_OK;
}

/* --- without a model ---------------------------------------------------------------------------------------------- */

static int32_t shorter(int32_t width, int32_t height)
{
    return width < height ? width : height;
}

/* Reasons stay with the report, the rest of the facts goes. */
static thaw_status add_unreadable(thaw_checking *c, size_t image)
{
    char *reason = NULL;
    THAW_TRY(thaw_copy_text(c->context, c->facts[image].reason ? c->facts[image].reason : "out of memory", &reason));
    const thaw_status status =
        thaw_check_add(c, (thaw_finding){.kind = THAW_FINDING_UNREADABLE, .image = image, .reason = reason});
    if (status != THAW_OK)
        free(reason);
    return status;
}

static bool is_even(const thaw_picture_facts *facts)
{
    return facts->deviation <= most_even_deviation;
}

static bool is_grey(const thaw_picture_facts *facts)
{
    return facts->colour <= most_colour_of_grey;
}

static thaw_status add_seen(thaw_checking *c, size_t image, bool grey_is_odd)
{
    const thaw_picture_facts *facts = &c->facts[image];
    if (!facts->readable)
        return add_unreadable(c, image);
    if (shorter(facts->width, facts->height) < c->options->least_side)
        THAW_TRY(thaw_check_add(c, (thaw_finding){.kind = THAW_FINDING_TINY, .image = image}));
    if (is_even(facts))
        return thaw_check_add(c, (thaw_finding){.kind = THAW_FINDING_MONOCHROME, .image = image});
    if (grey_is_odd && is_grey(facts))
        return thaw_check_add(c, (thaw_finding){.kind = THAW_FINDING_GREY, .image = image});
    return THAW_OK;
}

static thaw_status describe_images(thaw_checking *c)
{
    const thaw_preprocess *p = &c->options->preprocess;
    size_t coloured = 0, even = 0;
    for (size_t i = 0; i < c->report->count; i++) {
        const thaw_picture_facts *facts = &c->facts[i];
        if (!facts->readable)
            continue;
        even += is_even(facts);
        coloured += !is_even(facts) && !is_grey(facts);
        c->report->enlarged_count +=
            c->options->model && shorter(facts->width, facts->height) < shorter(p->width, p->height);
    }
    const double uneven = (double)(c->report->readable_count - even);
    const bool grey_is_odd = (double)coloured >= least_coloured_share * uneven;
    for (size_t i = 0; i < c->report->count; i++)
        THAW_TRY(add_seen(c, i, grey_is_odd));
    return THAW_OK;
}

/* --- with one ----------------------------------------------------------------------------------------------------- */

static thaw_status look_at_space(thaw_checking *c, const thaw_feature_space *space)
{
    const thaw_check_options *o = c->options;
    THAW_TRY(thaw_check_labels(c, space));
    if (o->skip_turned || o->preprocess.width != o->preprocess.height)
        return THAW_OK;
    return thaw_check_turned(c, space);
}

/* Images that say nothing are left out. */
static thaw_status use_model(thaw_checking *c)
{
    const thaw_check_options *o = c->options;
    size_t *images;
    thaw_job job = o->job;
    job.on_bad_image = NULL;
    THAW_TRY(thaw_allocate(c->context, c->report->count, sizeof *images, &images));
    thaw_feature_space space;
    thaw_feature_space_options options = {.model = o->model,
                                          .device = o->device,
                                          .dataset = c->dataset,
                                          .images = images,
                                          .image_group = c->group,
                                          .preprocess = &o->preprocess,
                                          .job = &job};
    for (size_t i = 0; i < c->report->count; i++)
        if (c->facts[i].readable && !is_even(&c->facts[i]))
            images[options.count++] = i;
    if (options.count < 2) {
        free(images);
        return THAW_OK;
    }
    thaw_status status = thaw_feature_space_open(&options, &space);
    free(images);
    THAW_TRY(status);
    status = look_at_space(c, &space);
    thaw_feature_space_free(&space);
    return status;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static int compare_findings(const void *a, const void *b)
{
    const thaw_finding *x = a, *y = b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->margin != y->margin)
        return x->margin > y->margin ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

static thaw_status check(thaw_checking *c)
{
    THAW_TRY(check_options(c->context, c->options));
    const size_t count = c->report->count;
    THAW_TRY(thaw_allocate(c->context, count, sizeof *c->facts, &c->facts));
    THAW_TRY(thaw_allocate(c->context, count, sizeof *c->likes, &c->likes));
    THAW_TRY(thaw_allocate(c->context, count, sizeof *c->group, &c->group));
    THAW_TRY(read_images(c));
    THAW_TRY(describe_images(c));
    THAW_TRY(compare_images(c));
    THAW_TRY(thaw_check_groups(c));
    if (c->options->model)
        THAW_TRY(use_model(c));
    if (c->report->finding_count)
        qsort(c->report->findings, c->report->finding_count, sizeof *c->report->findings, compare_findings);
    return THAW_OK;
}

thaw_status thaw_check(thaw_context *context, const thaw_dataset *dataset, const thaw_check_options *options,
                       thaw_check_report *report)
{
    const double start = thaw_clock_seconds();
    *report = (thaw_check_report){.count = thaw_dataset_count(dataset)};
    thaw_checking c = {.context = context, .dataset = dataset, .options = options, .report = report};
    const thaw_status status = check(&c);
    thaw_picture_facts_free(c.facts, report->count);
    free(c.likes);
    free(c.group);
    report->seconds = thaw_clock_seconds() - start;
    return status;
}

void thaw_check_report_free(thaw_check_report *report)
{
    for (size_t i = 0; i < report->finding_count; i++)
        free(report->findings[i].reason);
    for (size_t i = 0; i < report->group_count; i++)
        free(report->groups[i].images);
    free(report->findings);
    free(report->groups);
    *report = (thaw_check_report){0};
}
