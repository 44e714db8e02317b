/* The base: contexts, memory, hashes, random numbers, text, files. */
#include "op_harness.h"
#include "test.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include <thaw/thaw.h>

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_statuses(void)
{
    static const struct {
        thaw_status status;
        int exit_status;
    } cases[] = {{THAW_OK, 0},         {THAW_ERR_USAGE, 2},  {THAW_ERR_DATA, 3}, {THAW_ERR_MODEL, 4},
                 {THAW_ERR_DEVICE, 5}, {THAW_ERR_MEMORY, 5}, {THAW_ERR_IO, 1},   {THAW_ERR_INTERRUPTED, 130},
                 {(thaw_status)99, 1}, {(thaw_status)-1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(thaw_status_exit(cases[i].status), cases[i].exit_status);
        CU_ASSERT(strlen(thaw_status_text(cases[i].status)) > 0);
    }
    CU_ASSERT_STRING_EQUAL(thaw_status_text(THAW_ERR_MODEL), "bad model file");
    CU_ASSERT(strlen(thaw_version()) >= 5);
}

static void test_messages(void)
{
    thaw_context *context;
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&context), THAW_OK);
    CU_ASSERT_STRING_EQUAL(thaw_error_message(context), "");
    CU_ASSERT_EQUAL(thaw_fail(context, THAW_ERR_SHAPE, "%d is\nnot\t%s", 7, "\033[2Jeight"), THAW_ERR_SHAPE);
    CU_ASSERT_STRING_EQUAL(thaw_error_message(context), "7 is not  [2Jeight");
    CU_ASSERT_EQUAL(thaw_fail_within(context, THAW_ERR_IO, "%s", "file"), THAW_ERR_IO);
    CU_ASSERT_STRING_EQUAL(thaw_error_message(context), "file: 7 is not  [2Jeight");

    char *text;
    CU_ASSERT_EQUAL_FATAL(thaw_allocate(context, 100001, 1, &text), THAW_OK);
    memset(text, 'x', 100000);
    CU_ASSERT_EQUAL(thaw_fail(context, THAW_ERR_IO, "%s", text), THAW_ERR_IO);
    const size_t length = strlen(thaw_error_message(context));
    CU_ASSERT(length > 1000 && length < 100000);
    CU_ASSERT_STRING_EQUAL(thaw_error_message(context) + length - 3, "...");
    free(text);
    CU_ASSERT_EQUAL(thaw_fail(NULL, THAW_ERR_IO, "nobody listens"), THAW_ERR_IO);
    CU_ASSERT_STRING_EQUAL(thaw_error_message(NULL), "");

    thaw_context_destroy(&context);
    CU_ASSERT_PTR_NULL(context);
    thaw_context_destroy(&context);
    thaw_context_destroy(NULL);
}

/* Every thread fails with a line of one letter; a reader must never see two letters mixed. */
static void *fail_often(void *argument)
{
    thaw_context *context = argument;
    static const char letters[] = "abcdefgh";
    size_t mixed = 0;
    for (int i = 0; i < 500; i++) {
        char line[200];
        memset(line, letters[i % 8], sizeof line - 1);
        line[sizeof line - 1] = '\0';
        (void)!thaw_fail(context, THAW_ERR_IO, "%s", line);
        const char *read = thaw_error_message(context);
        mixed += strspn(read, (char[]){read[0], '\0'}) != sizeof line - 1;
    }
    return (void *)(uintptr_t)mixed;
}

static void test_threads(void)
{
    thaw_context *context;
    pthread_t threads[4];
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&context), THAW_OK);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, fail_often, context), 0);
    for (size_t i = 0; i < 4; i++) {
        void *mixed;
        CU_ASSERT_EQUAL(pthread_join(threads[i], &mixed), 0);
        CU_ASSERT_PTR_NULL(mixed);
    }
    thaw_context_destroy(&context);
}

static char logged[64];

static void keep_line(void *user, thaw_log_level level, const char *line)
{
    *(thaw_log_level *)user = level;
    snprintf(logged, sizeof logged, "%s", line);
}

typedef struct told {
    const char *phase;
    size_t calls, done, total;
} told;

static void on_prepare(void *user, const char *phase, size_t done, size_t total, double seconds)
{
    told *t = user;
    CU_ASSERT(seconds > 0 && done <= total);
    t->phase = phase;
    t->calls++;
    t->done = done;
    t->total = total;
}

/* Quick phases are not told of; long ones are, a few times, and their end is. */
static void test_prepare(void)
{
    thaw_context *context;
    told t = {0};
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&context), THAW_OK);
    thaw_prepare_begin(context, "nobody", 1);
    thaw_prepare_step(context);
    thaw_prepare_end(context);
    thaw_context_set_prepare(context, on_prepare, &t);
    thaw_prepare_begin(context, "quick", 3);
    for (int i = 0; i < 3; i++)
        thaw_prepare_step(context);
    thaw_prepare_end(context);
    CU_ASSERT_EQUAL(t.calls, 0);
    thaw_prepare_begin(context, "long", 3);
    usleep(550000);
    for (int i = 0; i < 5; i++) /* more than announced */
        thaw_prepare_step(context);
    CU_ASSERT(t.calls >= 1 && t.calls < 5);
    CU_ASSERT(t.done >= 1 && t.done < 3);
    thaw_prepare_end(context);
    CU_ASSERT_STRING_EQUAL(t.phase, "long");
    CU_ASSERT(t.done == 3 && t.total == 3);
    thaw_context_destroy(&context);
}

static void test_log_and_interrupt(void)
{
    thaw_context *context;
    thaw_log_level level = THAW_LOG_WARNING;
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&context), THAW_OK);
    thaw_log(context, THAW_LOG_INFO, "dropped");
    thaw_context_set_log(context, keep_line, &level);
    thaw_log(context, THAW_LOG_DEBUG, "%d\nlines", 2);
    CU_ASSERT_EQUAL(level, THAW_LOG_DEBUG);
    CU_ASSERT_STRING_EQUAL(logged, "2 lines");
    CU_ASSERT_FALSE(thaw_context_interrupted(context));
    thaw_context_interrupt(context);
    CU_ASSERT_TRUE(thaw_context_interrupted(context));
    thaw_context_resume(context);
    CU_ASSERT_FALSE(thaw_context_interrupted(context));
    thaw_context_destroy(&context);
}

static void test_memory(void)
{
    thaw_context *context = test_context();
    void *block = &block;
    CU_ASSERT_EQUAL(thaw_allocate(context, SIZE_MAX / 2, 3, &block), THAW_ERR_SIZE);
    CU_ASSERT_PTR_NULL(block);
    CU_ASSERT_EQUAL(thaw_allocate(context, (size_t)1 << 50, 1, &block), THAW_ERR_SIZE);
    CU_ASSERT_EQUAL(thaw_allocate(context, 0, 8, &block), THAW_OK);
    CU_ASSERT_PTR_NOT_NULL(block);
    free(block);

    int *numbers = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL_FATAL(thaw_reserve(context, &numbers, &capacity, i + 1, sizeof *numbers), THAW_OK);
        CU_ASSERT(capacity > i && numbers[i] == 0);
        numbers[i] = (int)i;
    }
    CU_ASSERT(numbers[0] == 0 && numbers[50] == 50 && numbers[99] == 99);
    CU_ASSERT_EQUAL(thaw_reserve(context, &numbers, &capacity, SIZE_MAX / 2, sizeof *numbers), THAW_ERR_SIZE);
    CU_ASSERT_EQUAL(numbers[99], 99);
    free(numbers);

    static const struct {
        int64_t a, b, product;
        bool fits;
    } cases[] = {{3, 4, 12, true},
                 {0, INT64_MAX, 0, true},
                 {INT64_MAX, 0, 0, true},
                 {INT64_MAX, 1, INT64_MAX, true},
                 {INT64_MAX / 2, 3, 0, false},
                 {(int64_t)1 << 32, (int64_t)1 << 31, 0, false},
                 {-1, 1, 0, false},
                 {1, -1, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t product = 0;
        CU_ASSERT_EQUAL(thaw_multiply(cases[i].a, cases[i].b, &product), cases[i].fits);
        CU_ASSERT_EQUAL(product, cases[i].product);
    }
}

static void test_hashes(void)
{
    char text[THAW_HASH_TEXT];
    thaw_hash_text(thaw_hash_bytes(NULL, 0, 0), text);
    CU_ASSERT_STRING_EQUAL(text, "99aa06d3014798d86001c324468d497f"); /* XXH3's own test vector */
    const thaw_hash start = thaw_hash_bytes("x", 1, 0);
    CU_ASSERT_FALSE(thaw_hash_equal(start, thaw_hash_bytes("x", 1, 1)));
    const thaw_hash ab_c = thaw_hash_extend(thaw_hash_extend(start, "ab", 2), "c", 1);
    const thaw_hash a_bc = thaw_hash_extend(thaw_hash_extend(start, "a", 1), "bc", 2);
    CU_ASSERT_FALSE(thaw_hash_equal(ab_c, a_bc));
    CU_ASSERT_TRUE(thaw_hash_equal(ab_c, thaw_hash_extend(thaw_hash_extend(start, "ab", 2), "c", 1)));
    CU_ASSERT_FALSE(thaw_hash_equal(start, thaw_hash_extend(start, NULL, 0)));
}

static void test_random_numbers(void)
{
    thaw_random random = {1234567}; /* the generator's published test vector */
    CU_ASSERT_EQUAL(thaw_random_next(&random), 6457827717110365317u);
    CU_ASSERT_EQUAL(thaw_random_next(&random), 3203168211198807973u);
    double sum = 0;
    size_t counts[3] = {0};
    for (int i = 0; i < 3000; i++) {
        const double uniform = thaw_random_uniform(&random);
        CU_ASSERT(uniform >= 0 && uniform < 1);
        sum += uniform;
        counts[thaw_random_below(&random, 3)]++;
    }
    CU_ASSERT(sum > 1400 && sum < 1600);
    CU_ASSERT(counts[0] > 900 && counts[1] > 900 && counts[2] > 900);
    CU_ASSERT_EQUAL(thaw_random_below(&random, 1), 0);
    CU_ASSERT(thaw_random_below(&random, UINT64_MAX) < UINT64_MAX);

    size_t items[17], seen = 0;
    for (size_t i = 0; i < 17; i++)
        items[i] = i;
    thaw_random_shuffle(&random, items, 17);
    for (size_t i = 0; i < 17; i++)
        seen |= (size_t)1 << items[i];
    CU_ASSERT_EQUAL(seen, (1u << 17) - 1);
    thaw_random_shuffle(&random, NULL, 0);
}

static void test_text(void)
{
    static const char *const names[] = {"conv1", "Relu_12", "fire9/concat_1", "softmax", "conv10"};
    static const struct {
        const char *wanted, *near;
    } cases[] = {{"conv", "conv1, conv10"}, {"relu_12", "Relu_12"}, {"concat", "fire9/concat_1"},
                 {"sofmax", "softmax"},     {"zzzzzzzz", ""},       {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_text text = {0};
        thaw_text_append(&text, "%s", "");
        thaw_text_append_near(&text, cases[i].wanted, names, sizeof names / sizeof names[0]);
        CU_ASSERT_STRING_EQUAL(text.data, cases[i].near);
        thaw_text_free(&text);
        CU_ASSERT_PTR_NULL(text.data);
    }
    thaw_text text = {0};
    for (int i = 0; i < 1000; i++)
        thaw_text_append(&text, "%d,", i % 10);
    CU_ASSERT_EQUAL(text.length, 2000);
    CU_ASSERT_EQUAL(strlen(text.data), 2000);
    thaw_text_free(&text);
}

static void test_clock(void)
{
    const double before = thaw_clock_seconds();
    CU_ASSERT(thaw_clock_seconds() >= before);
}

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

static size_t count_entries(const char *path)
{
    size_t count = 0;
    DIR *folder = opendir(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static bool file_holds(const char *path, const char *text)
{
    uint8_t *bytes;
    size_t size;
    const bool same = thaw_file_read(test_context(), path, 1 << 20, &bytes, &size) == THAW_OK && size == strlen(text) &&
                      strcmp((char *)bytes, text) == 0;
    free(bytes);
    return same;
}

static void test_file_reading(void)
{
    thaw_context *context = test_context();
    const char *path = in_folder("read");
    CU_ASSERT_EQUAL_FATAL(thaw_file_write(context, path, "0123456789", 10), THAW_OK);
    static const struct {
        const char *path;
        uint64_t limit_bytes;
        thaw_status status;
    } cases[] = {{NULL, 10, THAW_OK},
                 {NULL, 11, THAW_OK},
                 {NULL, 9, THAW_ERR_SIZE},
                 {NULL, 0, THAW_ERR_SIZE},
                 {"/", 100, THAW_ERR_IO},
                 {"/no/such/file", 100, THAW_ERR_IO},
                 {"/dev/zero", 100, THAW_ERR_SIZE},
                 {"/dev/null", 0, THAW_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *asked = cases[i].path ? cases[i].path : path;
        uint8_t *bytes;
        size_t size;
        CU_ASSERT_EQUAL(thaw_file_read(context, asked, cases[i].limit_bytes, &bytes, &size), cases[i].status);
        CU_ASSERT_EQUAL(bytes == NULL, cases[i].status != THAW_OK);
        if (bytes) {
            CU_ASSERT_EQUAL(bytes[size], 0);
        } else {
            CU_ASSERT_EQUAL(strncmp(thaw_error_message(context), asked, strlen(asked)), 0);
        }
        free(bytes);
    }
}

static void test_file_writing(void)
{
    thaw_context *context = test_context();
    char path[256], link_path[300];
    snprintf(path, sizeof path, "%s", in_folder("written"));
    CU_ASSERT_EQUAL(thaw_file_write(context, path, "old", 3), THAW_OK);
    CU_ASSERT_EQUAL(chmod(path, 0640), 0);
    CU_ASSERT_EQUAL(thaw_file_write(context, path, "new", 3), THAW_OK);
    struct stat facts;
    CU_ASSERT_EQUAL(stat(path, &facts), 0);
    CU_ASSERT_EQUAL(facts.st_mode & 0777, 0640);
    CU_ASSERT_TRUE(file_holds(path, "new"));

    snprintf(link_path, sizeof link_path, "%s.link", path);
    CU_ASSERT_EQUAL(symlink(path, link_path), 0);
    CU_ASSERT_EQUAL(thaw_file_write(context, link_path, "through", 7), THAW_OK);
    CU_ASSERT_TRUE(file_holds(path, "through"));
    CU_ASSERT_EQUAL(lstat(link_path, &facts), 0);
    CU_ASSERT(S_ISLNK(facts.st_mode));

    const size_t entries = count_entries(test_folder());
    thaw_new_file *file;
    CU_ASSERT_EQUAL_FATAL(thaw_new_file_open(context, path, &file), THAW_OK);
    CU_ASSERT_EQUAL(thaw_new_file_write(file, "half", 4), THAW_OK);
    CU_ASSERT_TRUE(file_holds(path, "through"));
    thaw_new_file_abandon(&file);
    CU_ASSERT_PTR_NULL(file);
    thaw_new_file_abandon(&file);
    CU_ASSERT_EQUAL(count_entries(test_folder()), entries);
    CU_ASSERT_TRUE(file_holds(path, "through"));
}

static void test_unwritable(void)
{
    static const struct {
        const char *path, *reason;
    } cases[] = {{"/", "folder"}, {"/no/such/folder/file", "No such file"}, {"/dev/full", "No space left"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(thaw_file_write(test_context(), cases[i].path, "x", 1), THAW_ERR_IO);
        const char *message = thaw_error_message(test_context());
        CU_ASSERT_EQUAL(strncmp(message, cases[i].path, strlen(cases[i].path)), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(message, cases[i].reason));
    }
    CU_ASSERT_EQUAL(thaw_file_write(test_context(), "/dev/null", "x", 1), THAW_OK);
}

/* A limit on file sizes stands for the full disk. */
static void test_full_disk(void)
{
    const char *path = in_folder("kept");
    CU_ASSERT_EQUAL(thaw_file_write(test_context(), path, "precious", 8), THAW_OK);
    const size_t entries = count_entries(test_folder());
    static const char block[100000];
    struct rlimit before;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit small = {4096, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    const thaw_status status = thaw_file_write(test_context(), path, block, sizeof block);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    CU_ASSERT_EQUAL(status, THAW_ERR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), path));
    CU_ASSERT_TRUE(file_holds(path, "precious"));
    CU_ASSERT_EQUAL(count_entries(test_folder()), entries);
}

static void test_cache_folder(void)
{
    const char *before = getenv("THAW_CACHE_DIR");
    char *kept = before ? strdup(before) : NULL;
    char path[512], expected[300];
    snprintf(expected, sizeof expected, "%s/cache/deep/part", test_folder());
    setenv("THAW_CACHE_DIR", in_folder("cache/deep"), 1);
    CU_ASSERT_EQUAL(thaw_cache_folder(test_context(), "part", path, sizeof path), THAW_OK);
    CU_ASSERT_STRING_EQUAL(path, expected);
    CU_ASSERT_EQUAL(access(path, W_OK), 0);
    CU_ASSERT_EQUAL(thaw_cache_folder(test_context(), "part", path, sizeof path), THAW_OK);
    CU_ASSERT_EQUAL(thaw_cache_folder(test_context(), "part", path, 8), THAW_ERR_IO);
    setenv("THAW_CACHE_DIR", "/dev/null/x", 1);
    CU_ASSERT_EQUAL(thaw_cache_folder(test_context(), "part", path, sizeof path), THAW_ERR_IO);
    if (kept)
        setenv("THAW_CACHE_DIR", kept, 1);
    else
        unsetenv("THAW_CACHE_DIR");
    free(kept);
}

void suite_base(void)
{
    static const test_entry tests[] = {{"statuses", test_statuses},
                                       {"messages are one line", test_messages},
                                       {"messages and threads", test_threads},
                                       {"log and interrupt", test_log_and_interrupt},
                                       {"preparing is told of", test_prepare},
                                       {"memory", test_memory},
                                       {"hashes", test_hashes},
                                       {"random numbers", test_random_numbers},
                                       {"text and near names", test_text},
                                       {"clock", test_clock},
                                       {"reading files", test_file_reading},
                                       {"writing files", test_file_writing},
                                       {"unwritable targets", test_unwritable},
                                       {"a full disk leaves the old file", test_full_disk},
                                       {"cache folder", test_cache_folder}};
    TEST_SUITE("base", tests);
}
