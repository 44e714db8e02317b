/* Benchmarks side by side, on samples whose medians are known; and what is asserted of them. */
#include "test.h"

#include "base/random.h"
#include "bench/statistics.h"
#include "report/bootstrap.h"
#include "report/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/report.h>

static thaw_context *context;

/* A file with these entries, single quotes for double ones; `head` goes into its settings. */
static thaw_report *make(const char *path, const char *version, const char *settings, const char *entries)
{
    char text[8192];
    thaw_report *report = NULL;
    snprintf(text, sizeof text,
             "{'schema':'thaw.bench/1','thaw':'%s','device':{'name':'D'},'settings':{%s},'entries':[%s]}", version,
             settings, entries);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    if (thaw_report_parse(context, path, text, strlen(text), &report) != THAW_OK)
        printf("  %s\n", thaw_error_message(context));
    CU_ASSERT_PTR_NOT_NULL_FATAL(report);
    return report;
}

#define FULL      "'quick':false"
#define NAMED(id) "{'id':'" id "','section':'s','group':'g',"
/* Seven samples around 1 s times `factor`, which is text; the value is work / median. */
#define OK_HIGHER(value, more) "'status':'ok','unit':'images/s','better':'higher','value':" value more "}"
#define OK_LOWER(value, more)  "'status':'ok','unit':'us','better':'lower','value':" value more "}"
#define SAMPLES_1              ",'samples':[1.02,0.98,1,1.01,0.99,1.03,0.97]"
#define SAMPLES_2              ",'samples':[2.04,1.96,2,2.02,1.98,2.06,1.94]"
#define SAMPLES_WIDE           ",'samples':[0.5,2,1,0.7,1.5,0.6,1.8]"

static void begin(void)
{
    CU_ASSERT_FATAL(thaw_context_create(&context) == THAW_OK);
}

static void end(thaw_report *a, thaw_report *b, thaw_comparison *comparison)
{
    thaw_comparison_close(&comparison);
    thaw_report_close(&a);
    thaw_report_close(&b);
    thaw_context_destroy(&context);
}

static thaw_comparison *compare(const thaw_report *a, const thaw_report *b)
{
    const thaw_report *const reports[] = {a, b};
    thaw_comparison *comparison;
    if (thaw_compare(context, reports, 2, &comparison) != THAW_OK)
        printf("  %s\n", thaw_error_message(context));
    CU_ASSERT_PTR_NOT_NULL_FATAL(comparison);
    return comparison;
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

/* Medians 1 and 2 s: whichever way the value counts, the second is half as good. The extremes bound any resample. */
static void test_ratios(void)
{
    begin();
    thaw_report *a = make("a", "1", FULL,
                          NAMED("up") OK_HIGHER("8", SAMPLES_1) "," NAMED("down")
                              OK_LOWER("1e6", SAMPLES_1) "," NAMED("wide") OK_HIGHER("8", SAMPLES_1));
    thaw_report *b = make("b", "1", FULL,
                          NAMED("up") OK_HIGHER("4", SAMPLES_2) "," NAMED("down")
                              OK_LOWER("2e6", SAMPLES_2) "," NAMED("wide") OK_HIGHER("8", SAMPLES_WIDE));
    thaw_comparison *comparison = compare(a, b);
    CU_ASSERT_EQUAL_FATAL(comparison->row_count, 3);
    CU_ASSERT_EQUAL(comparison->compared_count, 3);
    CU_ASSERT_EQUAL(comparison->warning_count, 0);
    for (size_t i = 0; i < 2; i++) {
        const thaw_comparison_cell *cell = &comparison->rows[i].cells[1];
        CU_ASSERT_DOUBLE_EQUAL(cell->ratio, 0.5, 1e-12);
        CU_ASSERT_TRUE(cell->low >= 0.97 / 2.06 && cell->low < 0.5);
        CU_ASSERT_TRUE(cell->high <= 1.03 / 1.94 && cell->high > 0.5);
        CU_ASSERT_EQUAL(thaw_comparison_verdict(cell), THAW_VERDICT_WORSE);
        CU_ASSERT_STRING_EQUAL(cell->reason, "");
        CU_ASSERT_EQUAL(comparison->rows[i].cells[0].ratio, 1);
    }
    CU_ASSERT_EQUAL(thaw_comparison_verdict(&comparison->rows[2].cells[1]), THAW_VERDICT_OPEN);
    CU_ASSERT_EQUAL(thaw_comparison_verdict_count(comparison, 1, THAW_VERDICT_WORSE), 2);
    thaw_comparison *again = compare(a, b); /* the same files, the same numbers */
    CU_ASSERT_EQUAL(again->rows[2].cells[1].low, comparison->rows[2].cells[1].low);
    CU_ASSERT_EQUAL(again->rows[2].cells[1].high, comparison->rows[2].cells[1].high);
    thaw_comparison_close(&again);
    thaw_comparison *back = compare(b, a);
    CU_ASSERT_DOUBLE_EQUAL(back->rows[0].cells[1].ratio, 2, 1e-12);
    CU_ASSERT_EQUAL(thaw_comparison_verdict(&back->rows[0].cells[1]), THAW_VERDICT_BETTER);
    thaw_comparison_close(&back);
    end(a, b, comparison);
}

/* The bootstrap's median of three numbers is the least with probability 7/27, and likewise the greatest (two or three
 * draws of three). Against a constant, the 2.5th percentile is then the least, the 97.5th the greatest. */
static void test_bootstrap_extremes(void)
{
    const double three[] = {1, 2, 4}, constant[] = {2, 2, 2};
    double low, high;
    begin();
    const thaw_bootstrap_run a = {.samples = three, .sorted = three, .count = 3};
    const thaw_bootstrap_run b = {.samples = constant, .sorted = constant, .count = 3};
    CU_ASSERT_EQUAL_FATAL(thaw_bootstrap_ratio(context, &a, &b, 5, &low, &high), THAW_OK);
    CU_ASSERT_EQUAL(low, 0.5);
    CU_ASSERT_EQUAL(high, 2);
    thaw_context_destroy(&context);
}

/* From a distribution with a tail to the right, as times have. */
static double draw_time(thaw_random *random, double tail)
{
    return 1 - tail * log(1 - thaw_random_uniform(random));
}

enum { COVERAGE_RUNS = 300, COVERAGE_MOST = 60 };

/* How many of the intervals have the true ratio in them, for pairs of runs of the same thing. Each round has an error
 * of its own, which all of its samples share; `known`: the bootstrap gets to know the rounds. */
static int count_covered(size_t rounds, size_t per_round, double round_tail, double tail, bool known)
{
    size_t sizes[COVERAGE_MOST];
    thaw_random random = {3};
    int covered = 0;
    for (size_t i = 0; i < rounds; i++)
        sizes[i] = per_round;
    for (int pair = 0; pair < COVERAGE_RUNS; pair++) {
        double samples[2][COVERAGE_MOST], *sorted[2], low, high;
        thaw_bootstrap_run runs[2];
        for (int i = 0; i < 2; i++) {
            double round = 1;
            for (size_t j = 0; j < rounds * per_round; j++) {
                round = j % per_round == 0 ? draw_time(&random, round_tail) : round;
                samples[i][j] = round * draw_time(&random, tail);
            }
            CU_ASSERT_FATAL(thaw_sorted_copy(context, samples[i], rounds * per_round, &sorted[i]) == THAW_OK);
            runs[i] = (thaw_bootstrap_run){samples[i], sorted[i], rounds * per_round, known ? sizes : NULL, rounds};
        }
        CU_ASSERT_EQUAL_FATAL(thaw_bootstrap_ratio(context, &runs[0], &runs[1], (uint64_t)pair, &low, &high), THAW_OK);
        covered += low <= 1 && high >= 1;
        free(sorted[0]);
        free(sorted[1]);
    }
    return covered;
}

/* 95 % is promised, and the percentile bootstrap of medians is known to give rather more. Where a round's samples are
 * off together, to take them for independent ones is to promise too much. */
static void test_bootstrap_coverage(void)
{
    static const struct {
        size_t rounds, per_round;
        double round_tail, tail;
        bool known;
        int least, most; /* percent */
    } rows[] = {
        {21, 1, 0, 0.1, false, 93, 99},    {21, 1, 0, 0.1, true, 93, 99},    {12, 5, 0, 0.05, true, 95, 100},
        {12, 5, 0.05, 0.02, true, 92, 99}, {6, 5, 0.05, 0.02, true, 92, 99}, {12, 5, 0.05, 0.02, false, 60, 85},
    };
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int covered =
            count_covered(rows[i].rounds, rows[i].per_round, rows[i].round_tail, rows[i].tail, rows[i].known);
        CU_ASSERT(100 * covered >= rows[i].least * COVERAGE_RUNS && 100 * covered <= rows[i].most * COVERAGE_RUNS);
    }
    thaw_context_destroy(&context);
}

/* Seven samples in two rounds are two of anything; samples of rounds that are left out are not there. */
static void test_rounds(void)
{
#define ROUND(samples)    "{'samples':" samples "}"
#define LEFT_OUT(samples) "{'samples':" samples ",'left_out':true}"
#define SEVEN_ROUNDS                                                                                                   \
    ",'rounds':[" LEFT_OUT("5") "," ROUND("1") "," ROUND("1") "," ROUND("1") "," ROUND("0") "," ROUND("1") "," ROUND(  \
        "1") "," ROUND("1") "," ROUND("1") "]"
    begin();
    thaw_report *a =
        make("a", "1", FULL,
             NAMED("few") OK_HIGHER("8", SAMPLES_1 ",'rounds':[" ROUND("4") "," ROUND("3") "]") "," NAMED("seven")
                 OK_HIGHER("8", SAMPLES_1 SEVEN_ROUNDS));
    thaw_report *b =
        make("b", "1", FULL, NAMED("few") OK_HIGHER("8", SAMPLES_1) "," NAMED("seven") OK_HIGHER("4", SAMPLES_2));
    CU_ASSERT_EQUAL_FATAL(a->entries[0].round_count, 2);
    CU_ASSERT(a->entries[0].rounds[0] == 4 && a->entries[0].rounds[1] == 3);
    CU_ASSERT_EQUAL(a->entries[1].round_count, 7);
    CU_ASSERT_EQUAL(b->entries[0].round_count, 0);
    thaw_comparison *comparison = compare(a, b);
    CU_ASSERT_STRING_EQUAL(comparison->rows[0].cells[1].reason, "no interval: fewer than 6 rounds here or in A");
    CU_ASSERT_EQUAL(thaw_comparison_verdict(&comparison->rows[1].cells[1]), THAW_VERDICT_WORSE);
    end(a, b, comparison);
}

/* A rate of the device is one whatever it was taken from: twice the operations in four times the time. */
static void test_device(void)
{
    begin();
#define DEVICE(more)                                                                                                   \
    "{'id':'fma','section':'device','group':'g','status':'ok','unit':'GFLOP/s','better':'higher'" more "}"
    thaw_report *a = make("a", "1", FULL, DEVICE(",'value':8,'flops':8e9" SAMPLES_1));
    thaw_report *b = make("b", "1", "'quick':true", DEVICE(",'value':8,'flops':16e9" SAMPLES_2));
    thaw_comparison *comparison = compare(a, b);
    const thaw_comparison_cell *cell = &comparison->rows[0].cells[1];
    CU_ASSERT_EQUAL(cell->ratio, 1);
    CU_ASSERT_TRUE(cell->low >= 0.97 / 1.03 && cell->low < 1 && cell->high <= 1.03 / 0.97 && cell->high > 1);
    CU_ASSERT_STRING_EQUAL(comparison->rows[0].note, "");
    end(a, b, comparison);
}

/* --- what can't be compared --------------------------------------------------------------------------------------- */

/* Each second file has one entry that can be compared, and one that can't, or not with an interval. */
static const struct {
    const char *first, *second, *reason;
    bool has_ratio;
} refused[] = {
    {OK_HIGHER("8", SAMPLES_1), OK_LOWER("8", SAMPLES_1), "another unit: us instead of images/s", false},
    {OK_HIGHER("8", ",'batch':8"), OK_HIGHER("8", ",'batch':16"), "another batch: 16 instead of 8", false},
    {OK_HIGHER("8", ",'flops':1e9"), OK_HIGHER("8", ",'flops':1.1e9"),
     "another number of operations: 1.1e+09 instead of 1e+09", false},
    {OK_HIGHER("8", ",'bytes':64"), OK_HIGHER("8", ",'bytes':65"), "another number of bytes: 65 instead of 64", false},
    {OK_HIGHER("8", SAMPLES_1), "'status':'wrong','reason':'off by one'}", "wrong: off by one", false},
    {"'status':'failed','reason':'no memory'}", OK_HIGHER("8", SAMPLES_1), "nothing in A to compare it with", false},
    {OK_HIGHER("8", SAMPLES_1), OK_HIGHER("8", ",'samples':[1,1,1,1,1]"),
     "no interval: fewer than 6 rounds here or in A", true},
    {OK_HIGHER("8", SAMPLES_1), OK_HIGHER("8", SAMPLES_2), "no interval: the samples are not what the values", true},
};

static void test_refused(void)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char entries[2][1024];
        begin();
        snprintf(entries[0], sizeof entries[0], NAMED("x") "%s," NAMED("y") OK_HIGHER("1", ""), refused[i].first);
        snprintf(entries[1], sizeof entries[1], NAMED("x") "%s," NAMED("y") OK_HIGHER("1", ""), refused[i].second);
        thaw_report *a = make("a", "1", FULL, entries[0]), *b = make("b", "1", FULL, entries[1]);
        thaw_comparison *comparison = compare(a, b);
        const thaw_comparison_cell *cell = &comparison->rows[0].cells[1];
        CU_ASSERT_EQUAL(isnan(cell->ratio), !refused[i].has_ratio);
        CU_ASSERT_TRUE(isnan(cell->low) && isnan(cell->high));
        if (!strstr(cell->reason, refused[i].reason)) {
            printf("  '%s' instead of '%s'\n", cell->reason, refused[i].reason);
            CU_FAIL("another reason");
        }
        CU_ASSERT_EQUAL(comparison->compared_count, refused[i].has_ratio ? 2 : 1);
        end(a, b, comparison);
    }
}

/* A quick run does less of what has no measure of its own. */
static void test_quick(void)
{
    begin();
    thaw_report *a = make("a", "1", FULL, NAMED("x") OK_HIGHER("8", "") "," NAMED("y") OK_HIGHER("8", ",'flops':5"));
    thaw_report *b =
        make("b", "1", "'quick':true", NAMED("x") OK_HIGHER("8", "") "," NAMED("y") OK_HIGHER("8", ",'flops':5"));
    thaw_comparison *comparison = compare(a, b);
    CU_ASSERT_TRUE(isnan(comparison->rows[0].cells[1].ratio));
    CU_ASSERT_PTR_NOT_NULL(strstr(comparison->rows[0].cells[1].reason, "a quick run and a full one"));
    CU_ASSERT_EQUAL(comparison->rows[1].cells[1].ratio, 1);
    CU_ASSERT_EQUAL_FATAL(comparison->warning_count, 1);
    CU_ASSERT_STRING_EQUAL(comparison->warnings[0], "the extent of the run differs: full in A, quick in B");
    end(a, b, comparison);
}

static void test_nothing_in_common(void)
{
    static const char *const entries[] = {NAMED("x") OK_HIGHER("8", ",'batch':1"),
                                          NAMED("x") OK_HIGHER("8", ",'batch':2"), NAMED("z") OK_HIGHER("8", "")};
    static const char *const messages[] = {"a and b can't be compared: x: another batch: 2 instead of 1",
                                           "a can't be compared with b: no entry was measured in both"};
    begin();
    thaw_report *a = make("a", "1", FULL, entries[0]);
    for (size_t i = 0; i < 2; i++) {
        thaw_report *b = make("b", "1", FULL, entries[i + 1]);
        const thaw_report *const reports[] = {a, b};
        thaw_comparison *comparison;
        CU_ASSERT_EQUAL(thaw_compare(context, reports, 2, &comparison), THAW_ERR_DATA);
        CU_ASSERT_STRING_EQUAL(thaw_error_message(context), messages[i]);
        CU_ASSERT_PTR_NULL(comparison);
        CU_ASSERT_EQUAL(thaw_compare(context, reports, 1, &comparison), THAW_ERR_USAGE);
        thaw_report_close(&b);
    }
    end(a, NULL, NULL);
}

/* --- what is told with it -------------------------------------------------------------------------------------------
 */

static void test_warnings(void)
{
    static const char *const expected[] = {"Thaw's version differs: 1 in A, 2 in B", "the seed differs: 1 in A, 2 in B",
                                           "THAW_LAYOUT differs: nhwc in A, nothing in B",
                                           "THAW_ALGORITHM differs: nothing in A, direct in B"};
    begin();
    thaw_report *a =
        make("a", "1", FULL ",'seed':1,'environment':{'THAW_LAYOUT':'nhwc','SAME':'x'}", NAMED("x") OK_HIGHER("8", ""));
    thaw_report *b = make("b", "2", FULL ",'seed':2,'environment':{'THAW_ALGORITHM':'direct','SAME':'x'}",
                          NAMED("x") OK_HIGHER("8", ""));
    thaw_comparison *comparison = compare(a, b);
    CU_ASSERT_EQUAL_FATAL(comparison->warning_count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < comparison->warning_count; i++)
        CU_ASSERT_STRING_EQUAL(comparison->warnings[i], expected[i]);
    end(a, b, comparison);
}

/* The same device, slower throughout: not within a few percent, not of another one, not where a file does not tell. */
static void test_paces(void)
{
    static const struct {
        double first, second;
        size_t warnings;
    } rows[] = {{100, 96, 0}, {100, 80, 1}, {80, 100, 1}, {NAN, 80, 0}, {100, NAN, 0}};
    begin();
    thaw_report *a = make("a", "1", FULL, NAMED("x") OK_HIGHER("8", ""));
    thaw_report *b = make("b", "1", FULL, NAMED("x") OK_HIGHER("8", ""));
    thaw_comparison *comparison = NULL;
    CU_ASSERT(isnan(a->pace));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        thaw_comparison_close(&comparison);
        a->pace = rows[i].first;
        b->pace = rows[i].second;
        comparison = compare(a, b);
        CU_ASSERT_EQUAL(comparison->warning_count, rows[i].warnings);
        if (i == 1)
            CU_ASSERT_PTR_NOT_NULL(strstr(comparison->warnings[0], "in B a known piece of work ran at 0.80"));
    }
    end(a, b, comparison);
}

static void test_notes_and_table(void)
{
    char *text;
    begin();
    thaw_report *a = make("a.json", "1", FULL,
                          NAMED("x") OK_HIGHER("8", SAMPLES_1 ",'timer':'device'") "," NAMED("old") OK_HIGHER("5", ""));
    thaw_report *b = make("b.json", "1", FULL,
                          NAMED("new") OK_HIGHER("5", "") "," NAMED("x")
                              OK_HIGHER("16.5", ",'samples':[0.485,0.485,0.485,0.485,0.485,"
                                                "0.485],'timer':'host','flags':['spread']"));
    thaw_comparison *comparison = compare(a, b);
    CU_ASSERT_EQUAL_FATAL(comparison->row_count, 3);
    CU_ASSERT_STRING_EQUAL(comparison->rows[0].note, "timers differ; B: spread");
    CU_ASSERT_STRING_EQUAL(comparison->rows[1].cells[1].reason, "there is none");
    CU_ASSERT_STRING_EQUAL(comparison->rows[2].id, "new");
    CU_ASSERT_STRING_EQUAL(comparison->rows[2].cells[0].reason, "there is none");
    CU_ASSERT_EQUAL_FATAL(thaw_comparison_text(context, comparison, &text), THAW_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "A  a.json: D, thaw 1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "2.062 ["));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "timers differ; B: spread"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  old: B: there is none\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  new: A: there is none; B: nothing in A to compare it with\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "B against A: 1 better, 0 worse, 0 open, 0 without an interval\n"));
    free(text);
    end(a, b, comparison);
}

/* --- assertions ------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *text;
    thaw_status parsed, holds;
    const char *reason;
} assertions[] = {
    {"x>=50", THAW_OK, THAW_OK, NULL},
    {" x >= 5e1 ", THAW_OK, THAW_OK, NULL},
    {"x>50", THAW_OK, THAW_ERR_CHECK, "x>50 does not hold: it is 50 images/s"},
    {"x<=50", THAW_OK, THAW_OK, NULL},
    {"x<50", THAW_OK, THAW_ERR_CHECK, "x<50 does not hold: it is 50 images/s"},
    {"x==50", THAW_OK, THAW_OK, NULL},
    {"x==50.1", THAW_OK, THAW_ERR_CHECK, "x==50.1 does not hold"},
    {"x>=50.001", THAW_OK, THAW_ERR_CHECK, "x>=50.001 does not hold"},
    {"bad>=0", THAW_OK, THAW_ERR_CHECK, "bad>=0 does not hold: it is wrong: off by one"},
    {"none<1", THAW_OK, THAW_ERR_CHECK, "none<1 does not hold: there is no such entry"},
    {"models.x>=1", THAW_OK, THAW_ERR_CHECK, "did you mean models.xy"},
    {"", THAW_ERR_USAGE, THAW_OK, "no id of an entry"},
    {">=5", THAW_ERR_USAGE, THAW_OK, "no id of an entry"},
    {"x", THAW_ERR_USAGE, THAW_OK, "no operator behind the id"},
    {"x=5", THAW_ERR_USAGE, THAW_OK, "no operator behind the id"},
    {"x!=5", THAW_ERR_USAGE, THAW_OK, "no operator behind the id"},
    {"x y>5", THAW_ERR_USAGE, THAW_OK, "no operator behind the id"},
    {"x>=", THAW_ERR_USAGE, THAW_OK, "no number behind the operator"},
    {"x>=fast", THAW_ERR_USAGE, THAW_OK, "no number behind the operator"},
    {"x>=nan", THAW_ERR_USAGE, THAW_OK, "no number behind the operator"},
    {"x>=1e999", THAW_ERR_USAGE, THAW_OK, "no number behind the operator"},
    {"x>=5 images/s", THAW_ERR_USAGE, THAW_OK, "more behind the number"},
    {"x>=5,y<3", THAW_ERR_USAGE, THAW_OK, "more behind the number"},
};

static void test_assertions(void)
{
    begin();
    thaw_report *report = make(
        "a", "1", FULL,
        NAMED("x") OK_HIGHER("50", "") "," NAMED("bad") "'status':'wrong','reason':'off by one'}," NAMED("models.xy")
            OK_HIGHER("50", ""));
    for (size_t i = 0; i < sizeof assertions / sizeof assertions[0]; i++) {
        thaw_assertion assertion;
        const thaw_status parsed = thaw_assertion_parse(context, assertions[i].text, &assertion);
        const thaw_status holds = parsed == THAW_OK ? thaw_assertion_check(context, &assertion, report) : THAW_OK;
        const char *message = thaw_error_message(context);
        if (parsed != assertions[i].parsed || holds != assertions[i].holds ||
            (assertions[i].reason && !strstr(message, assertions[i].reason))) {
            printf("  '%s': %d, %d, %s\n", assertions[i].text, (int)parsed, (int)holds, message);
            CU_FAIL("another outcome");
        }
    }
    char long_id[300];
    thaw_assertion assertion;
    memset(long_id, 'x', sizeof long_id);
    strcpy(long_id + 280, ">=1");
    CU_ASSERT_EQUAL(thaw_assertion_parse(context, long_id, &assertion), THAW_ERR_USAGE);
    end(report, NULL, NULL);
}

void suite_report_compare(void)
{
    static const test_entry tests[] = {
        {"ratios of known medians", test_ratios},
        {"the bootstrap's extremes", test_bootstrap_extremes},
        {"the bootstrap's coverage", test_bootstrap_coverage},
        {"rounds", test_rounds},
        {"rates of the device", test_device},
        {"entries that can't be compared", test_refused},
        {"a quick run and a full one", test_quick},
        {"nothing in common", test_nothing_in_common},
        {"warnings", test_warnings},
        {"paces", test_paces},
        {"notes, and the table", test_notes_and_table},
        {"assertions", test_assertions},
    };
    TEST_SUITE("report_compare", tests);
}
