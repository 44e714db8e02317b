#include "bench_table.h"

#include <stdio.h>
#include <string.h>

#define BAR_WIDTH 20

static bool is_ok(const thaw_bench_entry *entry)
{
    return entry->outcome == THAW_BENCH_OK;
}

static int id_width(const thaw_bench_result *result)
{
    size_t width = 11;
    for (size_t i = 0; i < result->entry_count; i++)
        if (strlen(result->entries[i].id) > width)
            width = strlen(result->entries[i].id);
    return (int)width;
}

/* The largest figure among those that one can be held against: of its group and unit. */
static double largest_beside(const thaw_bench_result *result, const thaw_bench_entry *entry)
{
    double largest = 0;
    for (size_t i = 0; i < result->entry_count; i++) {
        const thaw_bench_entry *other = &result->entries[i];
        if (is_ok(other) && other->section == entry->section && strcmp(other->group, entry->group) == 0 &&
            strcmp(other->unit, entry->unit) == 0 && other->value > largest)
            largest = other->value;
    }
    return largest;
}

/* Four digits, whatever the size. */
static void print_number(double number)
{
    const int decimals = number < 1 ? 4 : number < 10 ? 3 : number < 100 ? 2 : number < 1000 ? 1 : 0;
    printf(" %9.*f", number < 0.01 ? 6 : decimals, number);
}

static void print_bar(double share)
{
    const int length = (int)(share * BAR_WIDTH + 0.5);
    printf("  %-*.*s", BAR_WIDTH, length, "####################");
}

static void print_row(const thaw_bench_result *result, const thaw_bench_entry *entry, int width)
{
    printf("%-*s", width, entry->id);
    if (!is_ok(entry)) {
        printf("  %s\n", thaw_bench_outcome_text(entry->outcome));
        return;
    }
    print_number(entry->value);
    print_number(entry->low);
    print_number(entry->high);
    printf("  %-8s", entry->unit);
    print_bar(entry->value / largest_beside(result, entry));
    printf("  %-13s", entry->algorithm ? entry->algorithm : "");
    for (int i = 0; i < THAW_BENCH_FLAG_COUNT; i++)
        if (entry->flags[i])
            printf(" %s", thaw_bench_flag_text((thaw_bench_flag)i));
    putchar('\n');
}

static void print_reasons(const thaw_bench_result *result)
{
    bool any = false;
    for (size_t i = 0; i < result->entry_count; i++) {
        const thaw_bench_entry *entry = &result->entries[i];
        if (is_ok(entry))
            continue;
        printf("%s%s: %s: %s\n", any ? "" : "\n", entry->id, thaw_bench_outcome_text(entry->outcome), entry->reason);
        any = true;
    }
}

void bench_table_print(const thaw_bench_result *result)
{
    const int width = id_width(result);
    size_t good = 0;
    printf("%-*s %9s %9s %9s  %-8s  %-*s  %-13s flags\n", width, "measurement", "median", "from", "to", "unit",
           BAR_WIDTH, "in its group", "algorithm");
    for (size_t i = 0; i < result->entry_count; i++) {
        if (i > 0 && strcmp(result->entries[i].group, result->entries[i - 1].group) != 0)
            putchar('\n');
        print_row(result, &result->entries[i], width);
        good += is_ok(&result->entries[i]);
    }
    print_reasons(result);
    printf("\n%s (%s): %zu measured, %zu not, in %.0f s; %s\n", result->device.name, result->device.platform, good,
           result->entry_count - good, result->seconds,
           result->timer_reason[0] ? "times are the host's" : "times are the device's own where nothing else is said");
    if (result->timer_reason[0])
        printf("why the device's clock was not used: %s\n", result->timer_reason);
}
