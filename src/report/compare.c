/* Files side by side: what can be compared, by how much they differ, and how sure that is. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/hash.h"
#include "base/memory.h"
#include "bench/statistics.h"
#include "report/bootstrap.h"
#include "report/compare.h"

#define SAME_WORK    1e-6 /* relative: digits that were written */
#define SAME_RATIO   0.02 /* relative: medians rounded, or computed by somebody else */
#define REASON_BYTES sizeof((thaw_comparison_cell){0}.reason)

/* --- may two entries be compared? --------------------------------------------------------------------------------- */

static bool both_known(double a, double b)
{
    return !isnan(a) && !isnan(b);
}

static bool differ(double a, double b)
{
    return both_known(a, b) && fabs(a - b) > SAME_WORK * fmax(fabs(a), fabs(b));
}

/* What a repetition computes and moves is chosen for the device where the device itself is measured, so that it takes
 * long enough: only rates mean something there. Anywhere else the same id stands for the same work. */
static bool is_fixed_work(const thaw_report_entry *entry)
{
    return strcmp(entry->section, "device") != 0;
}

/* Writes why the work is another, or may be; false if it is the same. */
static bool refuse_work(const thaw_report_entry *first, const thaw_report_entry *entry, bool other_extent,
                        char reason[REASON_BYTES])
{
    const struct {
        const char *name;
        double first, second;
    } work[] = {{"batch", first->batch, entry->batch},
                {"number of operations", first->flops, entry->flops},
                {"number of bytes", first->bytes, entry->bytes}};
    bool known = false;
    for (size_t i = 0; i < sizeof work / sizeof work[0]; i++) {
        known = known || both_known(work[i].first, work[i].second);
        if (differ(work[i].first, work[i].second)) {
            snprintf(reason, REASON_BYTES, "another %s: %.6g instead of %.6g", work[i].name, work[i].second,
                     work[i].first);
            return true;
        }
    }
    if (other_extent && !known)
        snprintf(reason, REASON_BYTES, "a quick run and a full one, and it isn't written how much either computed");
    return other_extent && !known;
}

/* Writes why `entry` can't be held against `first`; false if it can. */
static bool refuse(const thaw_report_entry *first, const thaw_report_entry *entry, bool other_extent,
                   char reason[REASON_BYTES])
{
    if (strcmp(first->unit, entry->unit) != 0 || first->lower_is_better != entry->lower_is_better) {
        snprintf(reason, REASON_BYTES, "another unit: %.32s instead of %.32s", entry->unit, first->unit);
        return true;
    }
    return is_fixed_work(entry) && refuse_work(first, entry, other_extent, reason);
}

/* --- by how much do they differ? ---------------------------------------------------------------------------------- */

/* A seed of the row's own, so that its interval does not hang on which other rows there are. */
static uint64_t seed_of(const char *id)
{
    return thaw_hash_bytes(id, strlen(id), 0).low;
}

/* What a repetition of `entry` does, over what one of `first` does, in what the unit counts. */
static double work_ratio(const thaw_report_entry *first, const thaw_report_entry *entry)
{
    const bool bytes = strcmp(first->unit, "GB/s") == 0;
    const double ratio = bytes ? entry->bytes / first->bytes : entry->flops / first->flops;
    return first->lower_is_better || isnan(ratio) ? 1 : ratio;
}

static thaw_bootstrap_run run_of(const thaw_report_entry *entry, const double *sorted)
{
    return (thaw_bootstrap_run){.samples = entry->samples,
                                .sorted = sorted,
                                .count = entry->sample_count,
                                .rounds = entry->rounds,
                                .round_count = entry->round_count};
}

/* A file need not tell of rounds. */
static bool has_enough(const thaw_report_entry *entry)
{
    return (entry->rounds ? entry->round_count : entry->sample_count) >= THAW_BENCH_ENOUGH;
}

/* Samples are times, values need not be: only if both give the same ratio the ones tell about the others. */
static thaw_status resample(thaw_context *context, const thaw_report_entry *first, const double *first_sorted,
                            const thaw_report_entry *entry, const double *sorted, thaw_comparison_cell *cell)
{
    const double first_median = thaw_bench_quantile(first_sorted, first->sample_count, 0.5);
    const double median = thaw_bench_quantile(sorted, entry->sample_count, 0.5), work = work_ratio(first, entry);
    if (fabs(work * first_median / median / cell->ratio - 1) > SAME_RATIO) {
        snprintf(cell->reason, sizeof cell->reason, "no interval: the samples are not what the values were made from");
        return THAW_OK;
    }
    const thaw_bootstrap_run first_run = run_of(first, first_sorted), run = run_of(entry, sorted);
    THAW_TRY(thaw_bootstrap_ratio(context, &first_run, &run, seed_of(first->id), &cell->low, &cell->high));
    cell->low *= work;
    cell->high *= work;
    return THAW_OK;
}

static thaw_status find_interval(thaw_context *context, const thaw_report_entry *first, const thaw_report_entry *entry,
                                 thaw_comparison_cell *cell)
{
    double *first_sorted = NULL, *sorted = NULL;
    if (!has_enough(first) || !has_enough(entry)) {
        snprintf(cell->reason, sizeof cell->reason, "no interval: fewer than %d rounds here or in A",
                 THAW_BENCH_ENOUGH);
        return THAW_OK;
    }
    thaw_status status = thaw_sorted_copy(context, first->samples, first->sample_count, &first_sorted);
    if (status == THAW_OK)
        status = thaw_sorted_copy(context, entry->samples, entry->sample_count, &sorted);
    if (status == THAW_OK)
        status = resample(context, first, first_sorted, entry, sorted, cell);
    free(first_sorted);
    free(sorted);
    return status;
}

static thaw_status fill_cell(thaw_context *context, const thaw_comparison *comparison, thaw_comparison_row *row,
                             size_t i)
{
    thaw_comparison_cell *cell = &row->cells[i];
    const thaw_report_entry *first = row->cells[0].entry, *entry = cell->entry;
    cell->ratio = cell->low = cell->high = NAN;
    if (!entry)
        snprintf(cell->reason, sizeof cell->reason, "there is none");
    else if (entry->status != THAW_REPORT_OK)
        snprintf(cell->reason, sizeof cell->reason, "%s: %.120s", thaw_report_status_text(entry->status),
                 entry->reason);
    else if (i == 0)
        cell->ratio = cell->low = cell->high = 1;
    else if (!first || first->status != THAW_REPORT_OK)
        snprintf(cell->reason, sizeof cell->reason, "nothing in A to compare it with");
    else if (!refuse(first, entry, comparison->reports[0]->settings.quick != comparison->reports[i]->settings.quick,
                     cell->reason)) {
        cell->ratio = entry->lower_is_better ? first->value / entry->value : entry->value / first->value;
        row->compared = true;
        return find_interval(context, first, entry, cell);
    }
    return THAW_OK;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void THAW_PRINTF(3, 4) add_note(char *note, size_t size, const char *format, ...)
{
    const size_t used = strlen(note);
    va_list arguments;
    va_start(arguments, format);
    if (used > 0 && used + 2 < size)
        memcpy(note + used, "; ", 3);
    vsnprintf(note + strlen(note), size - strlen(note), format, arguments);
    va_end(arguments);
}

static void note_timers(thaw_comparison_row *row, size_t count)
{
    const char *timer = NULL;
    bool same = true;
    for (size_t i = 0; i < count; i++) {
        const thaw_report_entry *entry = row->cells[i].entry;
        if (!entry || !entry->timer)
            continue;
        same = same && (!timer || strcmp(timer, entry->timer) == 0);
        timer = entry->timer;
    }
    if (!same)
        add_note(row->note, sizeof row->note, "timers differ");
}

static void note_flags(thaw_comparison_row *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; row->cells[i].entry && j < row->cells[i].entry->flag_count; j++)
            add_note(row->note, sizeof row->note, "%c: %.40s", thaw_comparison_letter(i),
                     row->cells[i].entry->flags[j]);
}

/* Of an entry that no file before the `from`th has. */
static thaw_status add_row(thaw_context *context, thaw_comparison *comparison, size_t from,
                           const thaw_report_entry *entry)
{
    thaw_comparison_row *row = &comparison->rows[comparison->row_count++];
    *row = (thaw_comparison_row){.id = entry->id, .title = entry->title};
    row->cells[from].entry = entry;
    for (size_t i = from + 1; i < comparison->report_count; i++)
        row->cells[i].entry = thaw_report_find(comparison->reports[i], entry->id);
    for (size_t i = 0; i < comparison->report_count; i++) {
        THAW_TRY(fill_cell(context, comparison, row, i));
        const thaw_report_entry *here = row->cells[i].entry;
        if (!row->unit && here && here->status == THAW_REPORT_OK)
            row->unit = here->unit;
    }
    note_timers(row, comparison->report_count);
    note_flags(row, comparison->report_count);
    comparison->compared_count += row->compared;
    return thaw_context_interrupted(context) ? thaw_fail(context, THAW_ERR_INTERRUPTED, "interrupted") : THAW_OK;
}

static bool found_before(const thaw_comparison *comparison, size_t from, const char *id)
{
    for (size_t i = 0; i < from; i++)
        if (thaw_report_find(comparison->reports[i], id))
            return true;
    return false;
}

static thaw_status add_rows(thaw_context *context, thaw_comparison *comparison)
{
    size_t most = 0;
    for (size_t i = 0; i < comparison->report_count; i++)
        most += comparison->reports[i]->entry_count;
    THAW_TRY(thaw_allocate(context, most, sizeof *comparison->rows, &comparison->rows));
    for (size_t i = 0; i < comparison->report_count; i++)
        for (size_t j = 0; j < comparison->reports[i]->entry_count; j++)
            if (!found_before(comparison, i, comparison->reports[i]->entries[j].id))
                THAW_TRY(add_row(context, comparison, i, &comparison->reports[i]->entries[j]));
    return THAW_OK;
}

/* The reason of the first row that both might have had, since it is the likeliest to hold for all. */
static thaw_status fail_nothing(thaw_context *context, const thaw_comparison *comparison)
{
    for (size_t i = 0; i < comparison->row_count; i++)
        for (size_t j = 1; j < comparison->report_count; j++) {
            const thaw_comparison_row *row = &comparison->rows[i];
            if (row->cells[0].entry && row->cells[j].entry && row->cells[j].reason[0])
                return thaw_fail(context, THAW_ERR_DATA, "%s and %s can't be compared: %s: %s",
                                 comparison->reports[0]->path, comparison->reports[j]->path, row->id,
                                 row->cells[j].reason);
        }
    return thaw_fail(context, THAW_ERR_DATA, "%s can't be compared with %s: no entry was measured in both",
                     comparison->reports[0]->path, comparison->reports[1]->path);
}

static thaw_status fill(thaw_context *context, const thaw_report *const *reports, size_t count,
                        thaw_comparison *comparison)
{
    memcpy(comparison->reports, reports, count * sizeof *reports);
    comparison->report_count = count;
    THAW_TRY(add_rows(context, comparison));
    if (comparison->compared_count == 0)
        return fail_nothing(context, comparison);
    return thaw_comparison_warn(context, comparison);
}

thaw_status thaw_compare(thaw_context *context, const thaw_report *const *reports, size_t count,
                         thaw_comparison **comparison)
{
    *comparison = NULL;
    if (count < 2 || count > THAW_COMPARISON_MOST)
        return thaw_fail(context, THAW_ERR_USAGE, "comparing takes 2 to %d files, not %zu", THAW_COMPARISON_MOST,
                         count);
    THAW_TRY(thaw_allocate(context, 1, sizeof **comparison, comparison));
    const thaw_status status = fill(context, reports, count, *comparison);
    if (status != THAW_OK)
        thaw_comparison_close(comparison);
    return status;
}

void thaw_comparison_close(thaw_comparison **comparison)
{
    if (!comparison || !*comparison)
        return;
    for (size_t i = 0; i < (*comparison)->warning_count; i++)
        free((*comparison)->warnings[i]);
    free((*comparison)->warnings);
    free((*comparison)->rows);
    free(*comparison);
    *comparison = NULL;
}
