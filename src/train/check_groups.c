/* Which images are one picture, and what is wrong with that. */
#include "train/check.h"

#include <stdlib.h>

#include "base/memory.h"

static thaw_duplicate duplicate_of(const thaw_checking *c, size_t image)
{
    const thaw_like *like = &c->likes[image];
    const bool same_file = like->likeness == THAW_SAME_FILE;
    if (like->other == image)
        return (thaw_duplicate){image, image, true, true, 1.0, false, 0};
    return (thaw_duplicate){.image = image,
                            .of = like->other,
                            .same_file = same_file,
                            .same_pixels = same_file || like->likeness == THAW_SAME_PIXELS,
                            .similarity = like->similarity,
                            .mirrored = like->turn & 4,
                            .degrees = 90 * (like->turn & 3)};
}

/* Adds the image to its group, and what follows from that. */
static void add_member(const thaw_checking *c, thaw_duplicate_group *group, size_t image)
{
    const thaw_sample *sample = thaw_dataset_sample(c->dataset, image);
    const thaw_sample *first = thaw_dataset_sample(c->dataset, c->group[image]);
    group->images[group->count++] = duplicate_of(c, image);
    group->leaks = group->leaks || sample->validation != first->validation;
    group->conflicts = group->conflicts || sample->class_index != first->class_index;
}

static int compare_groups(const void *a, const void *b)
{
    const thaw_duplicate_group *x = a, *y = b;
    const int trouble_x = x->leaks + 2 * x->conflicts, trouble_y = y->leaks + 2 * y->conflicts;
    if (trouble_x != trouble_y)
        return trouble_x > trouble_y ? -1 : 1;
    return x->images[0].image < y->images[0].image ? -1 : 1;
}

static thaw_status make_group(thaw_checking *c, size_t size, thaw_duplicate_group **group)
{
    *group = &c->report->groups[c->report->group_count];
    THAW_TRY(thaw_allocate(c->context, size, sizeof *(*group)->images, &(*group)->images));
    c->report->group_count++;
    return THAW_OK;
}

/* sizes[i], of the group whose first picture is i, becomes the group's place plus 1. */
static thaw_status fill_groups(thaw_checking *c, size_t *sizes)
{
    for (size_t i = 0; i < c->report->count; i++) {
        thaw_duplicate_group *group;
        if (c->group[i] == i && sizes[i] < 2) {
            sizes[i] = 0;
        } else if (c->group[i] == i) {
            THAW_TRY(make_group(c, sizes[i], &group));
            sizes[i] = c->report->group_count;
        }
        if (sizes[c->group[i]])
            add_member(c, &c->report->groups[sizes[c->group[i]] - 1], i);
    }
    return THAW_OK;
}

static void sum_up(thaw_check_report *report)
{
    for (size_t i = 0; i < report->group_count; i++) {
        const thaw_duplicate_group *group = &report->groups[i];
        report->leak_count += group->leaks;
        report->conflict_count += group->conflicts;
        report->surplus_count += group->count - 1;
    }
    if (report->group_count)
        qsort(report->groups, report->group_count, sizeof *report->groups, compare_groups);
}

thaw_status thaw_check_groups(thaw_checking *c)
{
    size_t *sizes, count = 0;
    THAW_TRY(thaw_allocate(c->context, c->report->count, sizeof *sizes, &sizes));
    for (size_t i = 0; i < c->report->count; i++)
        count += ++sizes[c->group[i]] == 2;
    thaw_status status = thaw_allocate(c->context, count, sizeof *c->report->groups, &c->report->groups);
    if (status == THAW_OK)
        status = fill_groups(c, sizes);
    free(sizes);
    sum_up(c->report);
    return status;
}
