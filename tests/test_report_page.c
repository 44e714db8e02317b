/* Pages of benchmarks: whole, escaped, complete in themselves. */
#include "test.h"

#include "base/file.h"
#include "report/figure.h"
#include "report/page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thaw/report.h>

#define EVIL "<script>alert(1)</script>&\\\"' onload=x"
#define SAFE "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39; onload=x"

/* Every text that a file can bring is EVIL, but for ids. */
static const char evil[] =
    "{\"schema\":\"thaw.bench/1\",\"thaw\":\"" EVIL "\",\"started\":\"" EVIL "\",\"seconds\":3,"
    "\"device\":{\"platform\":\"" EVIL "\",\"name\":\"" EVIL "\",\"vendor\":\"" EVIL "\",\"driver\":\"" EVIL
    "\",\"version\":\"" EVIL "\",\"type\":\"" EVIL "\"},"
    "\"host\":{\"system\":\"" EVIL "\",\"processor\":\"" EVIL "\"},"
    "\"settings\":{\"quick\":true,\"sections\":[\"" EVIL "\"],\"filter\":\"" EVIL "\",\"environment\":{\"" EVIL
    "\":\"" EVIL "\"}},\"libraries\":{\"" EVIL "\":\"" EVIL "\"},"
    "\"entries\":[{\"id\":\"kernels.conv.a\",\"section\":\"kernels\",\"group\":\"" EVIL "\",\"title\":\"" EVIL
    "\",\"status\":\"ok\",\"unit\":\"" EVIL
    "\",\"better\":\"higher\",\"value\":300,\"low\":290,\"high\":310,\"spread\":0.2,"
    "\"timer\":\"" EVIL "\",\"samples\":[1,2,3,4,5,6,40],\"flops\":1e9,\"bytes\":1e8,\"algorithm\":\"" EVIL
    "\",\"flags\":[\"" EVIL "\",\"spread\"]},"
    "{\"id\":\"x\",\"section\":\"" EVIL "\",\"group\":\"" EVIL "\",\"title\":\"" EVIL
    "\",\"status\":\"ok\",\"unit\":\"" EVIL "\",\"better\":\"lower\",\"value\":2},"
    "{\"id\":\"y\",\"section\":\"" EVIL "\",\"group\":\"" EVIL "\",\"status\":\"wrong\",\"reason\":\"" EVIL "\"}],"
    "\"sections\":[{\"name\":\"" EVIL "\",\"status\":\"" EVIL "\",\"reason\":\"" EVIL "\"}],"
    "\"peaks\":{\"gflops_fp32\":300,\"copy_gbs\":17}}";

static thaw_context *context;

static const char *page_path(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/page.html", test_folder());
    return path;
}

static thaw_report *parse(const char *name, const char *text)
{
    thaw_report *report = NULL;
    if (thaw_report_parse(context, name, text, strlen(text), &report) != THAW_OK)
        printf("  %s\n", thaw_error_message(context));
    CU_ASSERT_PTR_NOT_NULL_FATAL(report);
    return report;
}

static char *read_page(void)
{
    uint8_t *bytes = NULL;
    size_t size;
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(context, page_path(), 1 << 20, &bytes, &size), THAW_OK);
    char *page = strdup((const char *)bytes); /* GCC takes the bytes themselves for a pointer to a variable here */
    free(bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(page);
    return page;
}

static char *page_of(const char *text)
{
    thaw_report *report = parse("a.json", text);
    CU_ASSERT_EQUAL_FATAL(thaw_report_write_html(context, report, page_path()), THAW_OK);
    thaw_report_close(&report);
    return read_page();
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *next = strstr(text, part); next; next = strstr(next + 1, part))
        found++;
    return found;
}

/* Elements are closed in the order in which they were opened, and nothing but the policy names an outside. */
static void check_elements(const char *page)
{
    static const char *const empty[] = {"meta", "wbr", "br"};
    char open[64][16];
    size_t depth = 0;
    for (const char *next = strchr(page, '<'); next; next = strchr(next + 1, '<')) {
        char name[16] = "";
        const bool closing = next[1] == '/';
        const char *end = strchr(next, '>');
        sscanf(next + 1 + closing, "%15[a-zA-Z0-9!]", name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(end);
        bool single = end[-1] == '/' || name[0] == '!';
        for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
            single = single || strcmp(name, empty[i]) == 0;
        if (single)
            continue;
        if (!closing) {
            CU_ASSERT_FATAL(depth < sizeof open / sizeof open[0]);
            strcpy(open[depth++], name);
            continue;
        }
        if (depth == 0 || strcmp(open[--depth], name) != 0) {
            printf("  </%s> closes <%s>: %.60s\n", name, depth ? open[depth] : "nothing", next);
            CU_FAIL_FATAL("elements are not nested");
        }
    }
    CU_ASSERT_EQUAL(depth, 0);
    CU_ASSERT_EQUAL(count(page, "http:"), 0);
    CU_ASSERT_EQUAL(count(page, "https:"), 0);
    CU_ASSERT_EQUAL(count(page, "src="), 0);
    CU_ASSERT_EQUAL(count(page, "url("), 0);
    CU_ASSERT_EQUAL(count(page, "nan"), 0);
    CU_ASSERT_EQUAL(count(page, "inf%"), 0);
}

static void begin(void)
{
    CU_ASSERT_FATAL(thaw_context_create(&context) == THAW_OK);
}

static void test_escaping(void)
{
    thaw_text text = {0};
    thaw_page_text(&text, NULL);
    CU_ASSERT_EQUAL(text.length, 0);
    thaw_page_text(&text, "a<b>&\"c\"'%s");
    CU_ASSERT_STRING_EQUAL(text.data, "a&lt;b&gt;&amp;&quot;c&quot;&#39;%s");
    thaw_text_free(&text);
}

static void test_evil_run(void)
{
    begin();
    char *page = page_of(evil);
    CU_ASSERT_EQUAL(count(page, "<script"), 0);
    CU_ASSERT_EQUAL(count(page, "alert(1)"), count(page, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    CU_ASSERT_TRUE(count(page, SAFE) > 25);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "Content-Security-Policy"));
    check_elements(page);
    free(page);
    thaw_context_destroy(&context);
}

static void test_evil_comparison(void)
{
    thaw_comparison *comparison;
    begin();
    thaw_report *a = parse("<script>a", evil), *b = parse("b", evil);
    b->device.driver = "another"; /* for a warning */
    const thaw_report *const reports[] = {a, b, a};
    CU_ASSERT_EQUAL_FATAL(thaw_compare(context, reports, 3, &comparison), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_comparison_write_html(context, comparison, page_path()), THAW_OK);
    char *page = read_page();
    CU_ASSERT_EQUAL(count(page, "<script"), 0);
    CU_ASSERT_EQUAL(count(page, "&lt;script&gt;a</dd>"), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "the driver of the same device differs: " SAFE));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "Not compared"));
    check_elements(page);
    free(page);
    thaw_comparison_close(&comparison);
    thaw_report_close(&a);
    thaw_report_close(&b);
    thaw_context_destroy(&context);
}

#define HEAD                                                                                                           \
    "{\"schema\":\"thaw.bench/"                                                                                        \
    "1\",\"thaw\":\"1\",\"device\":{\"name\":\"D\"},\"settings\":{\"quick\":false},\"entries\":["
#define KERNEL(id, more) "{\"id\":\"" id "\",\"section\":\"kernels\",\"group\":\"gemm\"," more "}"
#define MEASURED                                                                                                       \
    "\"status\":\"ok\",\"unit\":\"GFLOP/s\",\"better\":\"higher\",\"value\":250,\"flops\":1e9,\"bytes\":1e7,"          \
    "\"samples\":[0.004,0.004,0.0041]"

/* Each part is there if its figures are, and says so if they are not. */
static void test_parts(void)
{
    begin();
    char *page = page_of(HEAD "]}");
    CU_ASSERT_PTR_NULL(strstr(page, "Roofline"));
    check_elements(page);
    free(page);
    page = page_of(
        HEAD KERNEL("a.thaw", MEASURED) "," KERNEL("b.thaw", "\"status\":\"failed\",\"reason\":\"no luck\"") "]}");
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "there is no roof"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<title>a.thaw: 250.0 GFLOP/s, 100.0 FLOP/byte</title>"));
    CU_ASSERT_EQUAL(count(page, "no luck"), 2); /* on top, and in the table */
    CU_ASSERT_EQUAL(count(page, "of peak"), 0);
    check_elements(page);
    free(page);
    page = page_of(HEAD KERNEL("a.thaw", MEASURED) "],\"peaks\":{\"gflops_fp32\":500,\"copy_gbs\":20}}");
    CU_ASSERT_PTR_NULL(strstr(page, "there is no roof"));
    CU_ASSERT_EQUAL(count(page, "class=\"roof\""), 3); /* slope, level, legend */
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "50\302\240% of peak"));
    check_elements(page);
    free(page);
    thaw_context_destroy(&context);
}

/* A page that can't be written leaves what is there. */
static void test_unwritable(void)
{
    begin();
    thaw_report *report = parse("a", HEAD "]}");
    CU_ASSERT_EQUAL(thaw_report_write_html(context, report, "/nowhere/page.html"), THAW_ERR_IO);
    CU_ASSERT_EQUAL(thaw_report_write_html(context, report, test_folder()), THAW_ERR_IO);
    thaw_report_close(&report);
    thaw_context_destroy(&context);
}

static void test_figures(void)
{
    static const struct {
        double number;
        const char *text;
    } numbers[] = {{0, "0.000"},        {1.23456, "1.235"}, {12.3456, "12.35"}, {9.99999, "10.00"},
                   {123.456, "123.5"},  {12345.6, "12346"}, {1e7, "1.000e+07"}, {0.0123456, "0.01235"},
                   {1e-9, "1.000e-09"}, {-5, "-5.000"}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        CU_ASSERT_STRING_EQUAL(thaw_figure_of(numbers[i].number).text, numbers[i].text);
    CU_ASSERT_STRING_EQUAL(thaw_figure_of(NAN).text, "");
    CU_ASSERT_STRING_EQUAL(thaw_figure_bytes(NAN).text, "");
    CU_ASSERT_STRING_EQUAL(thaw_figure_bytes(512).text, "512.0 bytes");
    CU_ASSERT_STRING_EQUAL(thaw_figure_bytes(24.7e9).text, "24.70 GB");
    CU_ASSERT_STRING_EQUAL(thaw_figure_seconds(0.0123).text, "12.30 ms");
    CU_ASSERT_STRING_EQUAL(thaw_figure_seconds(2.5e-7).text, "250.0 ns");
    CU_ASSERT_STRING_EQUAL(thaw_figure_flops(3.6e9).text, "3.600 GFLOP");
    CU_ASSERT_STRING_EQUAL(thaw_figure_ratio(1.0678).text, "1.068");
    CU_ASSERT_STRING_EQUAL(thaw_figure_percent(0.0234).text, "2.3\302\240%");
}

void suite_report_page(void)
{
    static const test_entry tests[] = {
        {"escaping", test_escaping},
        {"a run with tags in every text", test_evil_run},
        {"a comparison with tags in every text", test_evil_comparison},
        {"parts", test_parts},
        {"where nothing can be written", test_unwritable},
        {"figures", test_figures},
    };
    TEST_SUITE("report_page", tests);
}
