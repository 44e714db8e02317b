/* Suites: each tests/test_<x>.c defines `void suite_<x>(void)`, which adds its tests to CUnit; CMake finds the files
 * (suite_list.h) and main.c runs them. */
#ifndef THAW_TESTS_TEST_H
#define THAW_TESTS_TEST_H

#include <CUnit/CUnit.h>
#include <stddef.h>

#define SUITE(name) void suite_##name(void);
#include "suite_list.h"
#undef SUITE

typedef struct test_entry {
    const char *name;
    void (*run)(void);
} test_entry;

/* Registers the suite with its tests. */
void test_add_suite(const char *name, const test_entry *tests, size_t count);
#define TEST_SUITE(name, tests) test_add_suite((name), (tests), sizeof(tests) / sizeof((tests)[0]))

/* Says that something was skipped, and why; counted in the summary. */
void test_skip(const char *format, ...);
/* A path under the shared material (THAW_SHARED_DIR, else ../shared beside the source tree), or NULL where that does
 * not exist. */
const char *test_shared(const char *part);
/* A fresh folder for this run's files, removed at exit. */
const char *test_folder(void);
/* Writes `size` bytes to test_folder()/name and gives the path, valid until the next call. */
const char *write_test_file(const char *name, const void *data, size_t size);
/* Calls `end` after the last test. Devices are closed there, not in an exit handler: drivers keep thread-local data, and
 * by then that is gone. */
void test_at_end(void (*end)(void));

#endif
