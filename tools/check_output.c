#include "check_output.h"

#include <stdio.h>
#include <string.h>

#include "json_output.h"

bool cli_check_passed(const thaw_check_report *report)
{
    return report->kind_count[THAW_FINDING_UNREADABLE] == 0 && report->leak_count == 0 && report->conflict_count == 0;
}

static const thaw_sample *sample_of(const cli_check_view *view, size_t image)
{
    return thaw_dataset_sample(view->dataset, image);
}

static const char *part_of(const thaw_sample *sample)
{
    return sample->validation ? "val" : "train";
}

static const char *class_of(const cli_check_view *view, const thaw_sample *sample)
{
    return thaw_dataset_class_name(view->dataset, (size_t)sample->class_index);
}

/* How the image comes from the one that it was compared with: "mirrored, turned by 90 degrees". */
static void describe_likeness(const thaw_duplicate *d, char *text, size_t size)
{
    char turned[48] = "";
    if (d->degrees)
        snprintf(turned, sizeof turned, "%sturned by %d degrees", d->mirrored ? ", " : "", d->degrees);
    if (d->same_file)
        snprintf(text, size, "same file");
    else if (d->same_pixels)
        snprintf(text, size, "same pixels");
    else
        snprintf(text, size, "%.3f alike%s%s%s", d->similarity, d->mirrored || d->degrees ? ", " : "",
                 d->mirrored ? "mirrored" : "", turned);
}

/* --- text --------------------------------------------------------------------------------------------------------- */

/* File names may hold anything; a line stays a line, and nobody moves the cursor. */
static void put_name(const char *name)
{
    for (; *name; name++)
        putchar((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name);
}

static void put_count(const char *what, size_t count, const char *note)
{
    printf("%-44s %8zu%s%s\n", what, count, *note ? "   " : "", note);
}

static void put_not_checked(const char *what, const char *why)
{
    printf("%-44s        -   %s\n", what, why);
}

static void put_summary(const cli_check_view *view)
{
    const thaw_check_report *r = view->report;
    size_t validation = 0;
    for (size_t i = 0; i < r->count; i++)
        validation += sample_of(view, i)->validation;
    printf("%zu images in %zu classes: %zu for training, %zu for validation; checked in %.1f s\n\n", r->count,
           thaw_dataset_class_count(view->dataset), r->count - validation, validation, r->seconds);
    put_count("can't be read", r->kind_count[THAW_FINDING_UNREADABLE], "");
    put_count("tiny", r->kind_count[THAW_FINDING_TINY], "");
    put_count("of one colour", r->kind_count[THAW_FINDING_MONOCHROME], "");
    put_count("grey among coloured ones", r->kind_count[THAW_FINDING_GREY], "");
    put_count("pictures that are there more than once", r->group_count, "");
    put_count("  of these in training and validation", r->leak_count,
              r->leak_count ? "accuracy in validation will look better than it is" : "");
    put_count("  of these in several classes", r->conflict_count, r->conflict_count ? "one label must be wrong" : "");
    put_count("  images that could go", r->surplus_count, "");
    const char *missing = view->base ? "too few images" : "needs --base MODEL";
    if (r->labels_checked)
        put_count("labels that neighbours doubt", r->kind_count[THAW_FINDING_DOUBTED], "");
    else
        put_not_checked("labels that neighbours doubt", missing);
    if (r->turned_checked)
        put_count("turned", r->kind_count[THAW_FINDING_TURNED], "");
    else
        put_not_checked("turned", r->labels_checked ? "left out, or the model's input is not square" : missing);
    if (r->enlarged_count)
        put_count("smaller than what the model sees", r->enlarged_count, "they are enlarged");
}

/* What there is to say of one finding behind its name. */
static void put_finding(const cli_check_view *view, const thaw_finding *f)
{
    const thaw_sample *sample = sample_of(view, f->image);
    printf("  ");
    put_name(sample->name);
    printf("  ");
    if (f->kind == THAW_FINDING_UNREADABLE)
        put_name(f->reason);
    else if (f->kind == THAW_FINDING_DOUBTED) {
        printf("rather '");
        put_name(thaw_dataset_class_name(view->dataset, (size_t)f->suggested));
        printf("'? %.0f %% of its neighbours are of another class", 100 * f->share);
    } else if (f->kind == THAW_FINDING_TURNED)
        printf("fits its class better when turned by %d degrees against the clock (by %.2f)", f->degrees, f->margin);
    else
        printf("%d x %d pixels", f->width, f->height);
    putchar('\n');
}

static void put_more(size_t count, size_t limit)
{
    if (count > limit)
        printf("  ... and %zu more (--limit, or --json)\n", count - limit);
}

static void put_findings(const cli_check_view *view)
{
    const thaw_check_report *r = view->report;
    for (size_t i = 0, end; i < r->finding_count; i = end) {
        const thaw_finding_kind kind = r->findings[i].kind;
        end = i + r->kind_count[kind];
        printf("\n%s:\n", thaw_finding_text(kind));
        for (size_t at = i; at < end && at - i < view->limit; at++)
            put_finding(view, &r->findings[at]);
        put_more(end - i, view->limit);
    }
}

static void put_group(const cli_check_view *view, const thaw_duplicate_group *group)
{
    char likeness[96];
    for (size_t i = 0; i < group->count && i < view->limit; i++) {
        const thaw_duplicate *d = &group->images[i];
        const thaw_sample *sample = sample_of(view, d->image);
        printf(i ? "    " : "  ");
        put_name(sample->name);
        printf("  (%s)", part_of(sample));
        describe_likeness(d, likeness, sizeof likeness);
        if (d->of != d->image) {
            printf("  %s: ", likeness);
            put_name(sample_of(view, d->of)->name);
        } else if (group->leaks || group->conflicts) {
            printf("  %s%s%s", group->conflicts ? "in several classes" : "",
                   group->conflicts && group->leaks ? ", " : "", group->leaks ? "in training and validation" : "");
        }
        putchar('\n');
    }
    if (group->count > view->limit)
        printf("    ... and %zu more\n", group->count - view->limit);
}

thaw_status cli_check_print_text(const cli_check_view *view)
{
    const thaw_check_report *r = view->report;
    put_summary(view);
    if (r->group_count)
        printf("\nmore than once:\n");
    for (size_t i = 0; i < r->group_count && i < view->limit; i++)
        put_group(view, &r->groups[i]);
    put_more(r->group_count, view->limit);
    put_findings(view);
    return THAW_OK;
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

/* {path, class, part}, to which more is added. */
static json_t *sample_json(const cli_check_view *view, size_t image)
{
    const thaw_sample *sample = sample_of(view, image);
    return json_pack("{s:o, s:o, s:s}", "path", cli_json_text(sample->path), "class",
                     cli_json_text(class_of(view, sample)), "part", part_of(sample));
}

static json_t *finding_json(const cli_check_view *view, const thaw_finding *f)
{
    json_t *object = sample_json(view, f->image), *more = NULL;
    if (f->kind == THAW_FINDING_UNREADABLE)
        more = json_pack("{s:o}", "reason", cli_json_text(f->reason));
    else if (f->kind == THAW_FINDING_DOUBTED)
        more = json_pack("{s:o, s:o, s:o}", "suggested",
                         cli_json_text(thaw_dataset_class_name(view->dataset, (size_t)f->suggested)), "doubt",
                         cli_json_number(f->share), "margin", cli_json_number(f->margin));
    else if (f->kind == THAW_FINDING_TURNED)
        more = json_pack("{s:i, s:o}", "degrees", f->degrees, "margin", cli_json_number(f->margin));
    else
        more = json_pack("{s:i, s:i}", "width", f->width, "height", f->height);
    const bool whole = object && more && json_object_update(object, more) == 0;
    json_decref(more);
    if (whole)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *findings_json(const cli_check_view *view, thaw_finding_kind kind)
{
    json_t *array = json_array();
    for (size_t i = 0; i < view->report->finding_count; i++)
        if (view->report->findings[i].kind == kind)
            cli_json_append(array, finding_json(view, &view->report->findings[i]));
    return array;
}

static json_t *duplicate_json(const cli_check_view *view, const thaw_duplicate *d)
{
    const thaw_sample *sample = sample_of(view, d->image);
    return json_pack("{s:o, s:o, s:s, s:o, s:s, s:o, s:b, s:i}", "path", cli_json_text(sample->path), "class",
                     cli_json_text(class_of(view, sample)), "part", part_of(sample), "of",
                     cli_json_text(d->of == d->image ? NULL : sample_of(view, d->of)->path), "likeness",
                     d->same_file     ? "file"
                     : d->same_pixels ? "pixels"
                                      : "near",
                     "similarity", cli_json_number(d->similarity), "mirrored", d->mirrored, "degrees", d->degrees);
}

static json_t *groups_json(const cli_check_view *view)
{
    json_t *array = json_array();
    for (size_t i = 0; i < view->report->group_count; i++) {
        const thaw_duplicate_group *group = &view->report->groups[i];
        json_t *images = json_array();
        for (size_t j = 0; j < group->count; j++)
            cli_json_append(images, duplicate_json(view, &group->images[j]));
        cli_json_append(
            array, json_pack("{s:b, s:b, s:o}", "leak", group->leaks, "conflict", group->conflicts, "images", images));
    }
    return array;
}

thaw_status cli_check_print_json(const cli_check_view *view)
{
    const thaw_check_report *r = view->report;
    return cli_json_print(json_pack(
        "{s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:o, s:b, s:o, s:I, s:b, s:o}", "data",
        cli_json_text(view->folder), "base", cli_json_text(view->base), "count", (json_int_t)r->count, "readable",
        (json_int_t)r->readable_count, "classes", (json_int_t)thaw_dataset_class_count(view->dataset), "unreadable",
        findings_json(view, THAW_FINDING_UNREADABLE), "tiny", findings_json(view, THAW_FINDING_TINY), "monochrome",
        findings_json(view, THAW_FINDING_MONOCHROME), "grey", findings_json(view, THAW_FINDING_GREY), "duplicates",
        groups_json(view), "leaks", (json_int_t)r->leak_count, "conflicts", (json_int_t)r->conflict_count, "surplus",
        (json_int_t)r->surplus_count, "labels_checked", r->labels_checked, "doubted",
        findings_json(view, THAW_FINDING_DOUBTED), "turned_checked", r->turned_checked, "turned",
        findings_json(view, THAW_FINDING_TURNED), "enlarged", (json_int_t)r->enlarged_count, "passed",
        cli_check_passed(r), "seconds", cli_json_number(r->seconds)));
}
