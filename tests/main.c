/* thaw_tests [SUITE...]: runs the named suites, or all. Exit status 1 if any assertion failed. */
#include "test.h"

#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*add)(void);
} suites[] = {
#define SUITE(name) {#name, suite_##name},
#include "suite_list.h"
#undef SUITE
};

static int skipped;

void test_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("  skipped: ", stdout);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
    skipped++;
}

const char *test_shared(const char *part)
{
    static char path[1024];
    const char *base = getenv("THAW_SHARED_DIR");
    if (base)
        snprintf(path, sizeof path, "%s/%s", base, part);
    else
        snprintf(path, sizeof path, "%s/../shared/%s", THAW_SOURCE_DIR, part);
    return access(path, R_OK) == 0 ? path : NULL;
}

static char folder[64];

static void remove_folder(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "%s was not removed\n", folder);
}

const char *test_folder(void)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/thaw_tests_XXXXXX");
        if (!mkdtemp(folder))
            abort();
        atexit(remove_folder);
    }
    return folder;
}

const char *write_test_file(const char *name, const void *data, size_t size)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
    return path;
}

static void (*ends[8])(void);
static size_t end_count;

void test_at_end(void (*end)(void))
{
    if (end_count == sizeof ends / sizeof ends[0])
        abort();
    ends[end_count++] = end;
}

void test_add_suite(const char *name, const test_entry *tests, size_t count)
{
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        CU_add_test(suite, tests[i].name, tests[i].run);
}

static int wanted(const char *name, int count, char **names)
{
    for (int i = 1; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return 1;
    return count < 2;
}

int main(int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    setenv("THAW_TUNING", "off", 0); /* hundreds of layers of one use each; test_tuning.c turns it on */
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
        if (wanted(suites[i].name, argc, argv))
            suites[i].add();
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    const unsigned failed = CU_get_number_of_failures();
    printf("%u passed, %u failed, %d skipped\n", CU_get_number_of_tests_run() - CU_get_number_of_tests_failed(),
           CU_get_number_of_tests_failed(), skipped);
    CU_cleanup_registry();
    while (end_count > 0)
        ends[--end_count]();
    return failed ? 1 : 0;
}
