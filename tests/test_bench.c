/* The benchmark's core: which measurements run, what becomes of those that are wrong, impossible or late; and, shortly,
 * the real ones. */
#include "op_harness.h"
#include "test.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/thaw.h>

#include "bench/bench.h"
#include "bench/compare.h"
#include "format/format.h"

/* --- verification --- */

static double squares(const void *user, int64_t element)
{
    (void)user;
    return (double)element * (double)element;
}

static void results_are_compared_everywhere(void)
{
    enum { COUNT = 1000, SAMPLES = 100 };
    float got[COUNT];
    for (int i = 0; i < COUNT; i++)
        got[i] = (float)i * (float)i;
    CU_ASSERT_EQUAL(thaw_bench_compare(got, COUNT, SAMPLES, 1, squares, NULL), 0);
    /* A wrong stretch, wherever it lies, is met; so is a single wrong end, and a single NaN anywhere. */
    for (int first = 0; first + 2 * COUNT / SAMPLES <= COUNT; first += 37) {
        float spoilt[COUNT];
        memcpy(spoilt, got, sizeof got);
        for (int i = first; i < first + 2 * COUNT / SAMPLES; i++)
            spoilt[i] += 5e5f;
        CU_ASSERT(thaw_bench_compare(spoilt, COUNT, SAMPLES, (uint64_t)first, squares, NULL) > 0.3);
        memcpy(spoilt, got, sizeof got);
        spoilt[first] = NAN;
        CU_ASSERT(isnan(thaw_bench_compare(spoilt, COUNT, SAMPLES, (uint64_t)first, squares, NULL)));
    }
    got[COUNT - 1] = 0;
    CU_ASSERT(thaw_bench_compare(got, COUNT, 1, 1, squares, NULL) > 0.9);
}

/* --- jobs of the tests' own --- */

/* What a job says, how often it ran, what was ready at the same time. */
typedef struct behaviour {
    double error;
    thaw_status status;
    bool needs_all; /* of the memory */
    size_t runs, opened, closed;
} behaviour;

static size_t ready_count;

static thaw_status tell_error(void *user, double *error)
{
    *error = ((behaviour *)user)->error;
    return THAW_OK;
}

static thaw_status count_run(void *user)
{
    ((behaviour *)user)->runs++;
    return THAW_OK;
}

static void count_close(void *user)
{
    ((behaviour *)user)->closed++;
    ready_count--;
}

static thaw_status open_behaviour(thaw_bench *bench, const thaw_bench_job *job, thaw_bench_entry *entry,
                                  thaw_bench_subject *subject)
{
    behaviour *b = *(behaviour *const *)job->details;
    *subject = (thaw_bench_subject){.verify = tell_error,
                                    .run = count_run,
                                    .close = count_close,
                                    .user = b,
                                    .tolerance = 1e-4,
                                    .bytes = 8,
                                    .figure = THAW_BENCH_BYTES,
                                    .by_host = true};
    b->opened++;
    if (b->needs_all && ready_count++ > 0)
        return thaw_fail(bench->context, THAW_ERR_DEVICE_MEMORY, "others have the memory");
    ready_count += !b->needs_all;
    entry->batch = 3;
    return b->status == THAW_OK ? THAW_OK : thaw_fail(bench->context, b->status, "for a reason");
}

static void add(thaw_bench *bench, const char *id, behaviour *const *b)
{
    const thaw_bench_plan plan = {.section = THAW_BENCH_DEVICE,
                                  .id = id,
                                  .group = "g",
                                  .title = "t",
                                  .open = open_behaviour,
                                  .details = b,
                                  .details_bytes = sizeof *b};
    CU_ASSERT_EQUAL_FATAL(thaw_bench_add(bench, &plan), THAW_OK);
}

static void run_jobs(const thaw_bench_options *options, behaviour *behaviours, size_t count, thaw_bench_result *result)
{
    static const char *const ids[] = {"a.one", "a.two", "b.three", "b.four"};
    thaw_bench bench;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_open(&bench, test_device(), options, result), THAW_OK);
    for (size_t i = 0; i < count; i++) {
        behaviour *b = &behaviours[i];
        add(&bench, ids[i], &b);
    }
    CU_ASSERT_EQUAL(thaw_bench_run_jobs(&bench), THAW_OK);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL(behaviours[i].opened, behaviours[i].closed);
    CU_ASSERT_EQUAL(ready_count, 0);
    thaw_bench_close(&bench);
}

static thaw_bench_options short_options(void)
{
    thaw_bench_options options = thaw_bench_defaults();
    options.repeats = 7;
    options.time_limit_seconds = 5;
    return options;
}

/* A deliberately false reference, one that gives no number, what can't be, what breaks: none has a figure. */
static void what_is_wrong_has_no_figure(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[] = {
        {.error = 0.5}, {.error = NAN}, {.status = THAW_ERR_UNSUPPORTED}, {.status = THAW_ERR_DEVICE}};
    static const thaw_bench_outcome wanted[] = {THAW_BENCH_WRONG, THAW_BENCH_WRONG, THAW_BENCH_UNAVAILABLE,
                                                THAW_BENCH_FAILED};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 4, &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(result.entries[i].outcome, wanted[i]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(result.entries[i].reason);
        CU_ASSERT_EQUAL(result.entries[i].sample_count, 0);
        CU_ASSERT_EQUAL(result.entries[i].value, 0);
        CU_ASSERT_EQUAL(behaviours[i].runs, 0);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(result.entries[0].reason, "0.5"));
    CU_ASSERT_STRING_EQUAL(result.entries[2].reason, "for a reason");
    CU_ASSERT(!thaw_bench_result_good(&result));
    thaw_bench_result_free(&result);
}

static void what_is_right_is_repeated(void)
{
    const thaw_bench_options options = short_options();
    behaviour b = {.error = 1e-6};
    thaw_bench_result result;
    run_jobs(&options, &b, 1, &result);
    const thaw_bench_entry *entry = &result.entries[0];
    CU_ASSERT_EQUAL_FATAL(entry->outcome, THAW_BENCH_OK);
    CU_ASSERT_EQUAL(entry->sample_count, 7);
    CU_ASSERT(b.runs > 7);
    CU_ASSERT(entry->verified && entry->error == 1e-6 && entry->tolerance == 1e-4);
    CU_ASSERT(entry->low <= entry->value && entry->value <= entry->high && entry->low > 0);
    CU_ASSERT(!entry->by_device);
    CU_ASSERT(thaw_bench_result_good(&result));
    thaw_bench_result_free(&result);
}

/* Each round of one has rounds of the others around it. */
static void measurements_take_turns(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[4] = {{.error = 0}};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 4, &result);
    for (size_t i = 0; i < 4; i++) {
        const thaw_bench_entry *entry = &result.entries[i];
        CU_ASSERT_EQUAL(entry->sample_count, 7);
        CU_ASSERT_EQUAL_FATAL(entry->round_count, 7);
        for (size_t round = 0; round < 7; round++) {
            CU_ASSERT_EQUAL(entry->rounds[round].sample_count, 1);
            CU_ASSERT(entry->rounds[round].pace > 0);
            CU_ASSERT(i == 0 || entry->rounds[round].at > entry[-1].rounds[round].at);
            CU_ASSERT(round == 0 || entry->rounds[round].at > result.entries[3].rounds[round - 1].at);
        }
    }
    thaw_bench_result_free(&result);
}

/* It is tried again when the others are gone. */
static void what_needs_all_memory_waits(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[] = {{.error = 0}, {.needs_all = true}, {.error = 0}};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 3, &result);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(result.entries[i].outcome, THAW_BENCH_OK);
        CU_ASSERT_EQUAL(result.entries[i].sample_count, 7);
    }
    CU_ASSERT_EQUAL(behaviours[1].opened, 2);
    CU_ASSERT(result.entries[1].rounds[0].at > result.entries[0].rounds[6].at);
    thaw_bench_result_free(&result);
}

/* Until its median is known, or for as long as there is time: what does nothing is known soon. */
static void repeating_ends(void)
{
    thaw_bench_options options = thaw_bench_defaults();
    behaviour b = {.error = 0};
    thaw_bench_result result;
    options.time_limit_seconds = 2;
    run_jobs(&options, &b, 1, &result);
    const thaw_bench_entry *entry = &result.entries[0];
    CU_ASSERT_EQUAL_FATAL(entry->outcome, THAW_BENCH_OK);
    CU_ASSERT(entry->round_count >= 6);
    CU_ASSERT(entry->high - entry->low < 0.03 * entry->value ||
              entry->rounds[entry->round_count - 1].at > 0.5 * options.time_limit_seconds);
    thaw_bench_result_free(&result);
}

static void a_filter_leaves_out(void)
{
    thaw_bench_options options = short_options();
    behaviour behaviours[4] = {{.error = 0}};
    thaw_bench_result result;
    options.filter = "*.t*";
    run_jobs(&options, behaviours, 4, &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 2);
    CU_ASSERT_STRING_EQUAL(result.entries[0].id, "a.two");
    CU_ASSERT_STRING_EQUAL(result.entries[1].id, "b.three");
    thaw_bench_result_free(&result);
}

static void what_comes_too_late_says_so(void)
{
    thaw_bench_options options = short_options();
    behaviour behaviours[4] = {{.error = 0}};
    thaw_bench_result result;
    options.time_limit_seconds = 1e-6;
    run_jobs(&options, behaviours, 4, &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(result.entries[i].outcome, THAW_BENCH_UNAVAILABLE);
        CU_ASSERT_PTR_NOT_NULL(strstr(result.entries[i].reason, "no time left"));
        CU_ASSERT_EQUAL(behaviours[i].runs, 0);
    }
    CU_ASSERT(thaw_bench_result_good(&result)); /* nothing is wrong */
    thaw_bench_result_free(&result);
}

/* --- whole runs --- */

static void options_out_of_range_are_refused(void)
{
    thaw_bench_options rows[6];
    for (size_t i = 0; i < 6; i++)
        rows[i] = thaw_bench_defaults();
    rows[0].repeats = -1;
    rows[1].repeats = 10001;
    rows[2].time_limit_seconds = -1;
    rows[3].time_limit_seconds = NAN;
    rows[4].filter = "no.such.thing";
    for (int i = 0; i < THAW_BENCH_SECTION_COUNT; i++)
        rows[5].sections[i] = false;
    for (size_t i = 0; i < 6; i++) {
        thaw_bench_result result;
        CU_ASSERT_EQUAL(thaw_bench_run(test_device(), &rows[i], &result), THAW_ERR_USAGE);
        CU_ASSERT_EQUAL(result.entry_count, 0);
        thaw_bench_result_free(&result);
    }
}

static void an_interrupt_ends_it(void)
{
    thaw_bench_options options = thaw_bench_defaults();
    thaw_bench_result result;
    options.filter = "device.latency.*";
    thaw_context_interrupt(test_context());
    CU_ASSERT_EQUAL(thaw_bench_run(test_device(), &options, &result), THAW_ERR_INTERRUPTED);
    thaw_context_resume(test_context());
    thaw_bench_result_free(&result);
}

/* Runs what the filter lets through; all of it must be right, or say why it can't be. */
static void run_some(const char *filter, thaw_bench_result *result)
{
    thaw_bench_options options = thaw_bench_defaults();
    options.filter = filter;
    options.quick = true;
    options.repeats = 2;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_run(test_device(), &options, result), THAW_OK);
    for (size_t i = 0; i < result->entry_count; i++) {
        const thaw_bench_entry *entry = &result->entries[i];
        if (entry->outcome == THAW_BENCH_WRONG || entry->outcome == THAW_BENCH_FAILED)
            printf("%s: %s\n", entry->id, entry->reason);
        CU_ASSERT(entry->outcome == THAW_BENCH_OK || entry->outcome == THAW_BENCH_UNAVAILABLE);
        CU_ASSERT((entry->outcome == THAW_BENCH_OK) == (entry->value > 0));
        CU_ASSERT((entry->outcome == THAW_BENCH_OK) == (entry->reason == NULL));
    }
}

static void the_device_is_measured(void)
{
    thaw_bench_result result;
    run_some("device.[fdl]*", &result); /* arithmetic, local memory, latencies */
    CU_ASSERT(result.peak_flops_per_second > 0);
    CU_ASSERT_EQUAL(result.copy_bytes_per_second, 0);
    CU_ASSERT_STRING_EQUAL(result.sections[THAW_BENCH_MODELS].status, "unavailable");
    CU_ASSERT_PTR_NOT_NULL(result.sections[THAW_BENCH_MODELS].reason);
    thaw_bench_result_free(&result);
}

static void kernels_are_right(void)
{
    thaw_bench_result result;
    run_some("kernels.[gnps]*[!t]", &result); /* not CLBlast's products, which take long where it is not at home */
    CU_ASSERT(result.entry_count > 8);
    thaw_bench_result_free(&result);
    run_some("kernels.conv.mobilenet_v2.960*", &result);
    CU_ASSERT_EQUAL_FATAL(result.entry_count, 3);
    CU_ASSERT_PTR_NOT_NULL(result.entries[0].algorithm);
    thaw_bench_result_free(&result);
}

static json_t *parse_result(const thaw_bench_result *result)
{
    char *text = NULL;
    thaw_report *report = NULL;
    CU_ASSERT_EQUAL_FATAL(thaw_bench_to_json(test_context(), result, &text), THAW_OK);
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all);
    CU_ASSERT_EQUAL(thaw_report_parse(test_context(), "a run", text, strlen(text), &report), THAW_OK);
    thaw_report_close(&report);
    free(text);
    return all;
}

/* What was not measured is absent, and the report takes it. */
static void json_holds_what_was_measured(void)
{
    const thaw_bench_options options = short_options();
    behaviour behaviours[] = {{.error = 1e-6}, {.error = 0.5}, {.status = THAW_ERR_UNSUPPORTED}};
    thaw_bench_result result;
    run_jobs(&options, behaviours, 3, &result);
    json_t *all = parse_result(&result);
    const json_t *entries = json_object_get(all, "entries");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(all, "schema")), "thaw.bench/1");
    CU_ASSERT_EQUAL_FATAL(json_array_size(entries), 3);
    const json_t *right = json_array_get(entries, 0), *wrong = json_array_get(entries, 1);
    CU_ASSERT_EQUAL(
        json_array_size(json_object_get(right, "samples")) + json_array_size(json_object_get(right, "left_out")), 7);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(right, "rounds")), 7);
    CU_ASSERT_PTR_NULL(json_object_get(right, "flops"));
    CU_ASSERT_PTR_NULL(json_object_get(right, "reason"));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(wrong, "status")), "wrong");
    CU_ASSERT_PTR_NULL(json_object_get(wrong, "value"));
    CU_ASSERT_PTR_NULL(json_object_get(wrong, "samples"));
    CU_ASSERT_PTR_NOT_NULL(json_object_get(wrong, "reason"));
    CU_ASSERT_PTR_NULL(json_object_get(json_object_get(all, "peaks"), "gflops_fp32"));
    CU_ASSERT(json_number_value(json_object_get(json_object_get(all, "peaks"), "pace")) > 0);
    json_decref(all);
    thaw_bench_result_free(&result);
}

/* --- architectures without a file --- */

static void models_are_made_up(void)
{
    thaw_model *first, *second, *other;
    CU_ASSERT_EQUAL_FATAL(thaw_model_invent(test_context(), "squeezenet1_1", 5, &first), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_invent(test_context(), "squeezenet1_1", 5, &second), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_model_invent(test_context(), "squeezenet1_1", 6, &other), THAW_OK);
    size_t constants = 0, different = 0;
    for (size_t i = 0; i < first->graph->value_count; i++) {
        const thaw_tensor *a = first->graph->values[i]->constant, *b = second->graph->values[i]->constant;
        if (!a || a->dtype != THAW_FLOAT32)
            continue;
        constants++;
        CU_ASSERT(memcmp(a->data, b->data, a->bytes) == 0);
        different += memcmp(a->data, other->graph->values[i]->constant->data, a->bytes) != 0;
    }
    CU_ASSERT(constants > 20);
    CU_ASSERT_EQUAL(different, constants);
    thaw_model_close(&first);
    thaw_model_close(&second);
    thaw_model_close(&other);
    CU_ASSERT_EQUAL(thaw_model_invent(test_context(), "nonsense", 1, &first), THAW_ERR_USAGE);
    CU_ASSERT_PTR_NULL(first);
}

static const test_entry tests[] = {
    {"results are compared everywhere", results_are_compared_everywhere},
    {"what is wrong has no figure", what_is_wrong_has_no_figure},
    {"what is right is repeated", what_is_right_is_repeated},
    {"measurements take turns", measurements_take_turns},
    {"what needs all memory waits", what_needs_all_memory_waits},
    {"repeating ends", repeating_ends},
    {"a filter leaves out", a_filter_leaves_out},
    {"what comes too late says so", what_comes_too_late_says_so},
    {"options out of range are refused", options_out_of_range_are_refused},
    {"an interrupt ends it", an_interrupt_ends_it},
    {"the device is measured", the_device_is_measured},
    {"kernels are right", kernels_are_right},
    {"json holds what was measured", json_holds_what_was_measured},
    {"models are made up", models_are_made_up},
};

void suite_bench(void)
{
    TEST_SUITE("bench", tests);
}
