/* Benchmarks' files: what is read of a good one, and how each kind of bad one is refused. */
#include "test.h"

#include "base/file.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/report.h>

/* All that the schema has, single quotes for double ones. */
static const char whole[] =
    "{'schema':'thaw.bench/1','thaw':'0.1.0','started':'2026-11-26T10:00:00Z','seconds':12.5,'timer_reason':'no "
    "profiling','later':{'x':[1]},"
    "'device':{'platform':'P','name':'D\\u001b[31m\\u0085\\n9','vendor':'','driver':'3.1','version':'OpenCL 3.0',"
    "'type':'CPU','compute_units':2,'max_clock_mhz':2700,'global_bytes':1e10,'max_alloc_bytes':4e9,'local_bytes':32768,"
    "'fp16':false,'fp64':true},"
    "'host':{'system':'Linux','processor':'X','threads':2},"
    "'settings':{'quick':true,'sections':['device','models'],'filter':null,'repeat':5,'time_limit_seconds':60,"
    "'seed':9007199254740993,'environment':{'THAW_LAYOUT':'nhwc'}},"
    "'libraries':{'clblast':'1.5.3','opencl':'2.3'},"
    "'entries':[{'id':'device.fma.fp32','section':'device','group':'fma','title':'FMA','status':'ok','unit':'GFLOP/s',"
    "'better':'higher','value':300,'low':290,'high':305.5,'spread':0.02,'timer':'device','samples':[0.01,0.02,0.015],"
    "'rounds':[{'samples':2},{'samples':4,'left_out':true},{'samples':1}],"
    "'flops':3e9,'bytes':64,'error':0,'tolerance':1e-4,'algorithm':'a','batch':4,'peak_device_bytes':100,"
    "'process_bytes':200,'energy_joules':0.5,'flags':['spread','newer']},"
    "{'id':'device.fma.fp16','section':'device','group':'fma','status':'unavailable','reason':'no cl_khr_fp16'}],"
    "'sections':[{'name':'device','status':'partly','reason':'no fp16'},{'name':'models','status':'ok'}],"
    "'peaks':{'gflops_fp32':300,'copy_gbs':17}}";

static thaw_context *context;

/* Reads a copy of the text that has just its bytes, so that the sanitizer sees who reads on. */
static thaw_status read_bytes(const char *text, size_t size, thaw_report **report)
{
    char *copy = malloc(size ? size : 1);
    CU_ASSERT_FATAL(copy != NULL);
    for (size_t i = 0; i < size; i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    const thaw_status status = thaw_report_parse(context, "x.json", copy, size, report);
    free(copy);
    return status;
}

static void begin(void)
{
    CU_ASSERT_FATAL(thaw_context_create(&context) == THAW_OK);
}

static void end(void)
{
    thaw_context_destroy(&context);
}

/* --- good --------------------------------------------------------------------------------------------------------- */

static void check_head(const thaw_report *report)
{
    CU_ASSERT_STRING_EQUAL(report->path, "x.json");
    CU_ASSERT_STRING_EQUAL(report->thaw, "0.1.0");
    CU_ASSERT_STRING_EQUAL(report->started, "2026-11-26T10:00:00Z");
    CU_ASSERT_EQUAL(report->seconds, 12.5);
    CU_ASSERT_STRING_EQUAL(report->timer_reason, "no profiling");
    CU_ASSERT_STRING_EQUAL(report->device.name, "D [31m   9"); /* nothing that would move a terminal's cursor */
    CU_ASSERT_PTR_NULL(report->device.vendor);
    CU_ASSERT_EQUAL(report->device.local_bytes, 32768);
    CU_ASSERT_EQUAL(report->device.fp16, 0);
    CU_ASSERT_EQUAL(report->device.fp64, 1);
    CU_ASSERT_STRING_EQUAL(report->processor, "X");
    CU_ASSERT_TRUE(report->settings.quick);
    CU_ASSERT_PTR_NULL(report->settings.filter);
    CU_ASSERT_EQUAL(report->settings.seed, INT64_C(9007199254740993)); /* more digits than a double has */
    CU_ASSERT_EQUAL_FATAL(report->settings.section_count, 2);
    CU_ASSERT_STRING_EQUAL(report->settings.sections[1], "models");
    CU_ASSERT_EQUAL_FATAL(report->settings.environment_count, 1);
    CU_ASSERT_STRING_EQUAL(report->settings.environment[0].name, "THAW_LAYOUT");
    CU_ASSERT_STRING_EQUAL(report->settings.environment[0].value, "nhwc");
    CU_ASSERT_EQUAL_FATAL(report->library_count, 2);
    CU_ASSERT_EQUAL_FATAL(report->section_count, 2);
    CU_ASSERT_STRING_EQUAL(report->sections[0].reason, "no fp16");
    CU_ASSERT_EQUAL(report->peak_gflops, 300);
    CU_ASSERT_EQUAL(report->copy_gbs, 17);
}

static void check_entries(const thaw_report *report)
{
    CU_ASSERT_EQUAL_FATAL(report->entry_count, 2);
    const thaw_report_entry *entry = thaw_report_find(report, "device.fma.fp32");
    CU_ASSERT_PTR_EQUAL_FATAL(entry, &report->entries[0]);
    CU_ASSERT_EQUAL(entry->status, THAW_REPORT_OK);
    CU_ASSERT_STRING_EQUAL(entry->unit, "GFLOP/s");
    CU_ASSERT_FALSE(entry->lower_is_better);
    CU_ASSERT_TRUE(entry->value == 300 && entry->low == 290 && entry->high == 305.5 && entry->spread == 0.02);
    CU_ASSERT_EQUAL_FATAL(entry->sample_count, 3);
    CU_ASSERT_TRUE(entry->samples[0] == 0.01 && entry->samples[1] == 0.02 && entry->samples[2] == 0.015);
    CU_ASSERT_EQUAL_FATAL(entry->round_count, 2);
    CU_ASSERT_TRUE(entry->rounds[0] == 2 && entry->rounds[1] == 1);
    CU_ASSERT_TRUE(entry->flops == 3e9 && entry->bytes == 64 && entry->error == 0 && entry->tolerance == 1e-4);
    CU_ASSERT_TRUE(entry->batch == 4 && entry->peak_device_bytes == 100 && entry->process_bytes == 200 &&
                   entry->energy_joules == 0.5);
    CU_ASSERT_EQUAL_FATAL(entry->flag_count, 2);
    CU_ASSERT_STRING_EQUAL(entry->flags[1], "newer");
    const thaw_report_entry *missing = &report->entries[1];
    CU_ASSERT_EQUAL(missing->status, THAW_REPORT_UNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(missing->reason, "no cl_khr_fp16");
    CU_ASSERT_TRUE(isnan(missing->value) && isnan(missing->flops) && isnan(missing->batch));
    CU_ASSERT_PTR_NULL(thaw_report_find(report, "device.fma"));
}

static void test_whole(void)
{
    thaw_report *report;
    begin();
    CU_ASSERT_EQUAL_FATAL(read_bytes(whole, sizeof whole - 1, &report), THAW_OK);
    check_head(report);
    check_entries(report);
    thaw_report_close(&report);
    CU_ASSERT_PTR_NULL(report);
    end();
}

/* What nobody measured is not there, and not zero either. */
static void test_least(void)
{
    static const char text[] =
        "{'schema':'thaw.bench/1.7','thaw':'0.1','device':{'name':'D'},'settings':{'quick':false},'entries':[]}";
    thaw_report *report;
    begin();
    CU_ASSERT_EQUAL_FATAL(read_bytes(text, sizeof text - 1, &report), THAW_OK);
    CU_ASSERT_TRUE(isnan(report->seconds) && isnan(report->threads) && isnan(report->peak_gflops) &&
                   isnan(report->device.global_bytes) && isnan(report->settings.repeat));
    CU_ASSERT_EQUAL(report->settings.seed, -1);
    CU_ASSERT_EQUAL(report->device.fp16, -1);
    CU_ASSERT_EQUAL(report->entry_count, 0);
    CU_ASSERT_PTR_NULL(report->started);
    thaw_report_close(&report);
    end();
}

/* --- bad ---------------------------------------------------------------------------------------------------------- */

/* The good file with one piece in place of another, once; false if there is none such. */
static bool replace(const char *from, const char *to, char *text, size_t size)
{
    const char *place = strstr(whole, from);
    if (!place)
        return false;
    const int length = snprintf(text, size, "%.*s%s%s", (int)(place - whole), whole, to, place + strlen(from));
    return length > 0 && (size_t)length < size;
}

static const struct {
    const char *from, *to, *reason;
} bad[] = {
    {"thaw.bench/1", "thaw.bench/2", "x.json: has the schema 'thaw.bench/2', this Thaw reads 'thaw.bench/1'"},
    {"thaw.bench/1", "thaw.bench/10", "has the schema 'thaw.bench/10'"},
    {"thaw.bench/1", "other/1", "has the schema 'other/1'"},
    {"'schema':'thaw.bench/1',", "", "'schema' is missing"},
    {"'schema':'thaw.bench/1'", "'schema':1", "'schema' is no text"},
    {"'thaw':'0.1.0',", "", "'thaw' is missing"},
    {"'seconds':12.5", "'seconds':'12'", "'seconds' is no number"},
    {"'seconds':12.5", "'seconds':-1", "'seconds' is -1, not from 0"},
    {"'seconds':12.5", "'seconds':NaN", "no JSON: line 1"},
    {"'seconds':12.5", "'seconds':1e999", "no JSON: line 1"},
    {"'seconds':12.5", "'seconds':1,'seconds':2", "no JSON: line 1: duplicate object key"},
    {"'device':{", "'device':3,'other':{", "'device' is no object"},
    {"'fp64':true", "'fp64':1", "x.json: device: 'fp64' is neither true nor false"},
    {"'name':'D", "'nome':'D", "x.json: device: 'name' is missing"},
    {"'threads':2", "'threads':0", "host: 'threads' is 0"},
    {"'quick':true,", "", "settings: 'quick' is missing"},
    {"'quick':true", "'quick':'yes'", "settings: 'quick' is neither true nor false"},
    {"'sections':['device'", "'sections':[7", "settings: 'sections' is no text"},
    {"9007199254740993", "-3", "settings: 'seed' is no integer from 0 up"},
    {"'THAW_LAYOUT':'nhwc'", "'THAW_LAYOUT':[]", "environment: 'THAW_LAYOUT' is no text"},
    {"THAW_LAYOUT'", "THAW\\u001b[2J'", "has a control character"},
    {"'entries':[{", "'entries':{},'more':[{", "'entries' is no list"},
    {"'entries':[", "'entries':[5,", "entries[0]: is no object"},
    {"'id':'device.fma.fp32',", "", "entries[0]: 'id' is missing"},
    {"'id':'device.fma.fp32'", "'id':'a b'", "'id' has something other than letters"},
    {"'id':'device.fma.fp32'", "'id':'<b>'", "'id' has something other than letters"},
    {"'id':'device.fma.fp32'", "'id':'device.fma.fp16'", "two entries have the id 'device.fma.fp16'"},
    {"'section':'device',", "", "entries[0] device.fma.fp32: 'section' is missing"},
    {"'group':'fma',", "", "'group' is missing"},
    {"'status':'ok'", "'status':'fine'", "the status 'fine' is none that is known"},
    {"'unit':'GFLOP/s',", "", "'unit' is missing"},
    {"'better':'higher'", "'better':'more'", "'better' is 'more', neither"},
    {"'better':'higher',", "", "'better' is missing"},
    {"'value':300,", "", "'value' is missing, though the status is 'ok'"},
    {"'value':300", "'value':0", "'value' is 0, not from"},
    {"'value':300", "'value':null", "'value' is missing"},
    {"'value':300", "'value':'300'", "'value' is no number"},
    {"'low':290", "'low':301", "the value 300 is not between 'low' (301) and 'high' (305.5)"},
    {"'high':305.5", "'high':299", "not between"},
    {"'samples':[0.01", "'samples':['1'", "'samples[0]' is no number of seconds"},
    {"'samples':[0.01", "'samples':[0", "'samples[0]' is no number of seconds"},
    {"'samples':[0.01", "'samples':[-1", "'samples[0]' is no number of seconds"},
    {"'samples':[0.01,0.02", "'samples':[0.01,[0.02]", "'samples[1]' is no number of seconds"},
    {"'rounds':[{", "'rounds':7,'r':[{", "'rounds' is no list"},
    {"'rounds':[", "'rounds':[[],", "'rounds[0]' is no object"},
    {"'rounds':[{'samples':2", "'rounds':[{'count':2", "device.fma.fp32.rounds[0]: 'samples' is missing"},
    {"'rounds':[{'samples':2", "'rounds':[{'samples':-2", "rounds[0]: 'samples' is no integer from 0 up"},
    {"'rounds':[{'samples':2", "'rounds':[{'samples':3", "'rounds' have more samples than there are"},
    {"'rounds':[{'samples':2", "'rounds':[{'samples':9223372036854775807", "'rounds' have more samples"},
    {"'rounds':[{'samples':2", "'rounds':[{'samples':1", "'rounds' have fewer samples than there are"},
    {"'left_out':true", "'left_out':'yes'", "rounds[1]: 'left_out' is neither true nor false"},
    {"'flops':3e9", "'flops':0", "'flops' is 0"},
    {"'error':0", "'error':-0.5", "'error' is -0.5"},
    {"'batch':4", "'batch':0.5", "'batch' is 0.5"},
    {"'flags':['spread'", "'flags':[{}", "'flags' is no text"},
    {"'flags':['spread','newer']", "'flags':'spread'", "'flags' is no list"},
    {"'reason':'no cl_khr_fp16'", "'reasons':''", "entries[1] device.fma.fp16: 'reason' is missing"},
    {"'reason':'no cl_khr_fp16'", "'reason':'no','value':1", "is 'unavailable' and has a value all the same"},
    {"'status':'partly','reason':'no fp16'", "'status':'partly'", "sections[0]: 'reason' is missing"},
    {"'gflops_fp32':300", "'gflops_fp32':0", "peaks: 'gflops_fp32' is 0"},
};

static void test_bad(void)
{
    char text[sizeof whole + 200];
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        thaw_report *report = NULL;
        CU_ASSERT_TRUE_FATAL(replace(bad[i].from, bad[i].to, text, sizeof text));
        const thaw_status status = read_bytes(text, strlen(text), &report);
        const char *message = thaw_error_message(context);
        if (status != THAW_ERR_DATA || !strstr(message, bad[i].reason) || strncmp(message, "x.json: ", 8) != 0) {
            printf("  '%s' for '%s': %d, %s\n", bad[i].to, bad[i].from, (int)status, message);
            CU_FAIL("a bad file was taken, or refused for another reason");
        }
        CU_ASSERT_PTR_NULL(report);
        thaw_report_close(&report);
    }
    end();
}

/* Something that is repeated, between a head and a tail. */
static thaw_status read_repeated(const char *head, const char *item, size_t count, const char *tail)
{
    thaw_report *report;
    const size_t room = strlen(head) + count * (strlen(item) + 8) + strlen(tail) + 1;
    char *text = malloc(room), *next = text;
    CU_ASSERT_FATAL(text != NULL);
    next += sprintf(next, "%s", head);
    for (size_t i = 0; i < count; i++)
        next += sprintf(next, item, i);
    sprintf(next, "%s", tail);
    const thaw_status status = read_bytes(text, strlen(text), &report);
    thaw_report_close(&report);
    free(text);
    return status;
}

#define HEAD "{'schema':'thaw.bench/1','thaw':'1','device':{'name':'D'},'settings':{'quick':false},"
#define ITEM "'section':'s','group':'g','status':'failed','reason':'r'}"

static void test_too_much(void)
{
    begin();
    CU_ASSERT_EQUAL(read_repeated(HEAD "'entries':[", "{'id':'e%zu'," ITEM ",", 9999, "{'id':'x'," ITEM "]}"), THAW_OK);
    CU_ASSERT_EQUAL(read_repeated(HEAD "'entries':[", "{'id':'e%zu'," ITEM ",", 10000, "{'id':'x'," ITEM "]}"),
                    THAW_ERR_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), "'entries' has 10001 items, more than 10000"));
    CU_ASSERT_EQUAL(read_repeated(HEAD "'entries':[{'id':'x','samples':[", "1,", 10000, "1]," ITEM "]}"),
                    THAW_ERR_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), "'samples' has 10001 items, more than 10000"));
    CU_ASSERT_EQUAL(read_repeated(HEAD "'entries':[{'id':'", "x", 128, "'," ITEM "]}"), THAW_ERR_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), "'id' has 128 bytes, more than 127"));
    CU_ASSERT_EQUAL(read_repeated(HEAD "'started':'", "x", 5000, "','entries':[]}"), THAW_ERR_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), "'started' has 5000 bytes, more than 4096"));
    CU_ASSERT_EQUAL(read_repeated("", "[", 100000, ""), THAW_ERR_DATA); /* deep */
    CU_ASSERT_EQUAL(read_repeated("", " ", (8u << 20) + 1, ""), THAW_ERR_SIZE);
    end();
}

static void test_files(void)
{
    thaw_report *report;
    char path[256];
    begin();
    snprintf(path, sizeof path, "%s/report.json", test_folder());
    CU_ASSERT_EQUAL(thaw_report_read(context, path, &report), THAW_ERR_IO);
    CU_ASSERT_PTR_NULL(report);
    CU_ASSERT_EQUAL(thaw_report_read(context, test_folder(), &report), THAW_ERR_IO);
    CU_ASSERT_EQUAL_FATAL(thaw_file_write(context, path, "", 0), THAW_OK);
    CU_ASSERT_EQUAL(thaw_report_read(context, path, &report), THAW_ERR_DATA);
    CU_ASSERT_EQUAL_FATAL(thaw_file_write(context, path, "[]", 2), THAW_OK);
    CU_ASSERT_EQUAL(thaw_report_read(context, path, &report), THAW_ERR_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(context), "no JSON object"));
    end();
}

/* --- damaged ------------------------------------------------------------------------------------------------------ */

/* Whatever comes out must be whole, and go into pages and comparisons. */
static void try_damaged(const char *text, size_t size, size_t *taken)
{
    thaw_report *report;
    thaw_comparison *comparison = NULL;
    const thaw_status status = read_bytes(text, size, &report);
    CU_ASSERT_TRUE(status == THAW_OK || status == THAW_ERR_DATA);
    if (status != THAW_OK)
        return;
    const thaw_report *const twice[] = {report, report};
    char path[256], *table = NULL;
    snprintf(path, sizeof path, "%s/damaged.html", test_folder());
    CU_ASSERT_EQUAL(thaw_report_write_html(context, report, path), THAW_OK);
    if (thaw_compare(context, twice, 2, &comparison) == THAW_OK) {
        CU_ASSERT_EQUAL(thaw_comparison_text(context, comparison, &table), THAW_OK);
        CU_ASSERT_EQUAL(thaw_comparison_write_html(context, comparison, path), THAW_OK);
    }
    free(table);
    thaw_comparison_close(&comparison);
    thaw_report_close(&report);
    ++*taken;
}

static void test_cut(void)
{
    size_t taken = 0;
    begin();
    for (size_t size = 0; size < sizeof whole - 1; size++)
        try_damaged(whole, size, &taken);
    CU_ASSERT_EQUAL(taken, 0);
    end();
}

/* Bytes changed, pieces left out or put twice, from a seed. */
static void test_mutated(void)
{
    static const char letters[] = "0123456789.-+eE,:[]{}'\\ntrufalsé\x01\xff";
    thaw_random random = {7};
    size_t taken = 0;
    begin();
    for (int turn = 0; turn < 2000; turn++) {
        char text[2 * sizeof whole];
        size_t size = sizeof whole - 1;
        memcpy(text, whole, size);
        for (uint64_t changes = 1 + thaw_random_below(&random, 3); changes > 0; changes--) {
            const size_t at = thaw_random_below(&random, size), length = thaw_random_below(&random, 12);
            if (length < 6) {
                text[at] = letters[thaw_random_below(&random, sizeof letters - 1)];
            } else if (length < 9 && at + length < size) {
                memmove(text + at, text + at + length, size - at - length);
                size -= length;
            } else if (at + length < size) {
                memmove(text + at + length, text + at, size - at);
                size += length;
            }
        }
        try_damaged(text, size, &taken);
    }
    CU_ASSERT_TRUE(taken > 100); /* else nothing but the parser was tried */
    end();
}

void suite_report(void)
{
    static const test_entry tests[] = {
        {"a whole file", test_whole},
        {"the least that a file may have", test_least},
        {"bad files", test_bad},
        {"too much of anything", test_too_much},
        {"files that are none", test_files},
        {"cut files", test_cut},
        {"mutated files", test_mutated},
    };
    TEST_SUITE("report", tests);
}
