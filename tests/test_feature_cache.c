/* Rows on disk between runs: found when whole, never trusted when not, out of each other's way, within their limit. */
#include "device_trial.h"

#include "data/feature_cache.h"
#include "data/feature_segment.h"

#include <thaw/cache.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROW = 1000, STRIDE = 1088, HEADER = 64 }; /* bytes */

static const thaw_hash set_a = {1, 2}, set_b = {1, 3};

/* A context whose warnings are counted. */
typedef struct trial {
    thaw_context *context;
    int warnings;
} trial;

static void count_warning(void *user, thaw_log_level level, const char *line)
{
    (void)line;
    ((trial *)user)->warnings += level == THAW_LOG_WARNING;
}

static void trial_open(trial *t, const char *folder)
{
    t->warnings = 0;
    if (folder)
        environment_set("THAW_CACHE_DIR", folder_make(folder));
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&t->context), THAW_OK);
    thaw_context_set_log(t->context, count_warning, t);
}

static void trial_close(trial *t)
{
    thaw_context_destroy(&t->context);
    environment_restore();
}

static thaw_hash key_of(size_t number)
{
    return thaw_hash_bytes(&number, sizeof number, 5);
}

static const uint8_t *row_of(size_t number)
{
    static uint8_t row[ROW];
    for (size_t i = 0; i < ROW; i++)
        row[i] = (uint8_t)(number * 31 + i);
    return row;
}

static thaw_feature_cache *open_cache(const trial *t, thaw_hash set, uint64_t limit)
{
    thaw_feature_cache *cache;
    CU_ASSERT_EQUAL_FATAL(thaw_feature_cache_open(t->context, set, ROW, limit, &cache), THAW_OK);
    return cache;
}

/* Puts rows [from .. to) in a run of its own; how many were taken. */
static size_t put_rows(const trial *t, thaw_hash set, uint64_t limit, size_t from, size_t to)
{
    thaw_feature_cache *cache = open_cache(t, set, limit);
    size_t taken = 0;
    for (size_t i = from; i < to; i++)
        taken += thaw_feature_cache_put(cache, key_of(i), (float)i, row_of(i));
    thaw_feature_cache_close(&cache);
    return taken;
}

static bool is_there(thaw_feature_cache *cache, size_t number)
{
    float error;
    const void *row = thaw_feature_cache_find(cache, key_of(number), &error);
    if (row) {
        CU_ASSERT(memcmp(row, row_of(number), ROW) == 0);
        CU_ASSERT_EQUAL(error, (float)number);
    }
    return row != NULL;
}

/* How many of the rows [from .. to) a new run finds. */
static size_t count_rows(const trial *t, thaw_hash set, size_t from, size_t to)
{
    thaw_feature_cache *cache = open_cache(t, set, 0);
    size_t count = 0;
    for (size_t i = from; i < to; i++)
        count += is_there(cache, i);
    thaw_feature_cache_close(&cache);
    return count;
}

static thaw_feature_files list_files(const trial *t)
{
    char folder[1024];
    thaw_feature_files files;
    snprintf(folder, sizeof folder, "%s/features", getenv("THAW_CACHE_DIR"));
    CU_ASSERT_EQUAL_FATAL(thaw_feature_files_list(t->context, folder, &files), THAW_OK);
    return files;
}

static size_t count_files(const trial *t)
{
    thaw_feature_files files = list_files(t);
    const size_t count = files.count;
    thaw_feature_files_free(&files);
    return count;
}

static void hits_and_misses(void)
{
    trial t;
    trial_open(&t, "rows_hits");
    CU_ASSERT_EQUAL(count_rows(&t, set_a, 0, 10), 0);
    CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 10), 10);
    CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 10, 15), 5);
    CU_ASSERT_EQUAL(count_rows(&t, set_a, 0, 15), 15);
    CU_ASSERT_EQUAL(count_rows(&t, set_a, 15, 20), 0);
    CU_ASSERT_EQUAL(count_rows(&t, set_b, 0, 15), 0);
    thaw_feature_cache *other;
    float error;
    CU_ASSERT_EQUAL_FATAL(thaw_feature_cache_open(t.context, set_a, ROW + 1, 0, &other), THAW_OK);
    CU_ASSERT_PTR_NULL(thaw_feature_cache_find(other, key_of(0), &error));
    thaw_feature_cache_close(&other);
    CU_ASSERT_EQUAL(count_files(&t), 2);
    CU_ASSERT_EQUAL(t.warnings, 0);
    trial_close(&t);
}

static void found_in_the_same_run(void)
{
    trial t;
    trial_open(&t, "rows_published");
    CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 3), 3);
    thaw_feature_cache *cache = open_cache(&t, set_a, 0);
    CU_ASSERT(thaw_feature_cache_has_room(cache, 1000));
    for (size_t round = 0; round < 3; round++) {
        CU_ASSERT(thaw_feature_cache_put(cache, key_of(10 + round), (float)(10 + round), row_of(10 + round)));
        CU_ASSERT_FALSE(is_there(cache, 10 + round));
        CU_ASSERT_EQUAL(thaw_feature_cache_publish(cache), THAW_OK);
        for (size_t i = 0; i <= round; i++)
            CU_ASSERT(is_there(cache, 10 + i));
        CU_ASSERT(is_there(cache, 2));
    }
    thaw_feature_cache_close(&cache);
    thaw_feature_cache_close(&cache);
    trial_close(&t);
}

/* Writes over the only file. */
static void damage(const trial *t, long offset, const void *bytes, size_t size, long length)
{
    thaw_feature_files files = list_files(t);
    CU_ASSERT_EQUAL_FATAL(files.count, 1);
    FILE *file = fopen(files.files[0].path, "r+b");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fseek(file, offset, SEEK_SET), 0);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    fclose(file);
    if (length >= 0)
        CU_ASSERT_EQUAL(truncate(files.files[0].path, length), 0);
    thaw_feature_files_free(&files);
}

/* Ten rows, a change to their file, and how many are still found: never one with other bytes in it. */
static void damage_is_noticed(void)
{
    static const uint8_t junk[] = {0xa5, 0x5a, 0xa5, 0x5a, 1, 2, 3, 4};
    static const struct {
        long offset;
        size_t size;
        long length;
        size_t left;
    } cases[] = {
        {0, 0, -1, 10},                                 /* nothing */
        {HEADER + 64 + 500, 1, -1, 9},                  /* a row */
        {HEADER + STRIDE * 3 + 64 + ROW - 1, 1, -1, 9}, /* its last byte */
        {HEADER + STRIDE * 9 + 2, 4, -1, 9},            /* a key */
        {HEADER + STRIDE * 4 + 20, 8, -1, 9},           /* a hash */
        {HEADER + STRIDE * 4 + 32, 1, -1, 9},           /* the number that it carries */
        {HEADER + STRIDE * 4 + 60, 4, -1, 10},          /* what has no meaning */
        {3, 2, -1, 0},                                  /* the file's header */
        {10, 1, -1, 0},                                 /* its set */
        {26, 1, -1, 0},                                 /* the rows' size there */
        {0, 0, HEADER + STRIDE * 6 + 100, 6},           /* cut off within a row */
        {0, 0, HEADER + STRIDE * 6, 6},                 /* between rows */
        {0, 0, HEADER, 0},
        {0, 0, HEADER - 1, 0},
        {0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[32];
        trial t;
        snprintf(folder, sizeof folder, "rows_damaged_%zu", i);
        trial_open(&t, folder);
        CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 10), 10);
        damage(&t, cases[i].offset, junk, cases[i].size, cases[i].length);
        CU_ASSERT_EQUAL(count_rows(&t, set_a, 0, 10), cases[i].left);
        CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 10), 10); /* computed again, and good again */
        CU_ASSERT_EQUAL(count_rows(&t, set_a, 0, 10), 10);
        CU_ASSERT_EQUAL(t.warnings, 0);
        trial_close(&t);
    }
}

/* Sets the time of the last use of a set's files, in seconds. */
static void set_time(const trial *t, thaw_hash set, long seconds)
{
    char name[THAW_HASH_TEXT];
    thaw_hash_text(set, name);
    thaw_feature_files files = list_files(t);
    for (size_t i = 0; i < files.count; i++) {
        const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
        if (strstr(files.files[i].path, name))
            CU_ASSERT_EQUAL(utimensat(AT_FDCWD, files.files[i].path, times, 0), 0);
    }
    thaw_feature_files_free(&files);
}

/* What was not used for the longest time goes; what this run has in hand does not. */
static void eviction(void)
{
    const thaw_hash sets[] = {{1, 10}, {1, 11}, {1, 12}, {1, 13}};
    const uint64_t of_ten = HEADER + 10 * STRIDE;
    trial t;
    trial_open(&t, "rows_evicted");
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(put_rows(&t, sets[i], 0, 0, 10), 10);
        set_time(&t, sets[i], 1000 + (long)i);
    }
    set_time(&t, sets[0], 5000); /* as if it was used after the others */
    CU_ASSERT_EQUAL(put_rows(&t, sets[3], 3 * of_ten + 200, 0, 10), 10);
    CU_ASSERT_EQUAL(count_rows(&t, sets[1], 0, 10), 0);
    CU_ASSERT_EQUAL(count_rows(&t, sets[0], 0, 10), 10); /* which is a use of it */
    CU_ASSERT_EQUAL(count_rows(&t, sets[3], 0, 10), 10);
    CU_ASSERT_EQUAL(put_rows(&t, sets[1], 3 * of_ten + 200, 0, 10), 10);
    CU_ASSERT_EQUAL(count_rows(&t, sets[2], 0, 10), 0);
    CU_ASSERT_EQUAL(count_rows(&t, sets[0], 0, 10), 10);

    thaw_feature_cache *cache = open_cache(&t, sets[0], 2 * of_ten);
    CU_ASSERT(is_there(cache, 3));
    size_t taken = 0;
    for (size_t i = 20; i < 60; i++)
        taken += thaw_feature_cache_put(cache, key_of(i), (float)i, row_of(i));
    CU_ASSERT_EQUAL(taken, 10); /* beside the file in use there is room for so many, header counted */
    CU_ASSERT_FALSE(thaw_feature_cache_has_room(cache, 30));
    CU_ASSERT(is_there(cache, 4));
    thaw_feature_cache_close(&cache);
    CU_ASSERT_EQUAL(count_rows(&t, sets[1], 0, 10) + count_rows(&t, sets[3], 0, 10), 0);
    CU_ASSERT_EQUAL(count_rows(&t, sets[0], 0, 60), 20);
    CU_ASSERT_EQUAL(t.warnings, 0);
    trial_close(&t);
}

/* A process that puts rows, and perhaps never ends by itself. */
static pid_t start_writer(thaw_hash set, size_t from, size_t to, bool forever)
{
    const pid_t child = fork();
    if (child != 0)
        return child;
    trial t = {0};
    if (thaw_context_create(&t.context) != THAW_OK)
        _exit(1);
    do {
        if (put_rows(&t, set, 0, from, to) != to - from)
            _exit(2);
    } while (forever);
    _exit(0);
}

static int wait_for(pid_t child)
{
    int state;
    CU_ASSERT_EQUAL(waitpid(child, &state, 0), child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 100 + WTERMSIG(state);
}

static void processes_at_once(void)
{
    trial t;
    trial_open(&t, "rows_processes");
    pid_t children[4];
    for (size_t i = 0; i < 4; i++)
        children[i] = start_writer(set_a, i * 50, i * 50 + 100, false); /* half of each is the next one's too */
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(wait_for(children[i]), 0);
    CU_ASSERT_EQUAL(count_rows(&t, set_a, 0, 250), 250);
    CU_ASSERT_EQUAL(t.warnings, 0);
    trial_close(&t);
}

/* Killed again and again wherever it is: the others find nothing but whole rows, and go on. */
static void killed_processes(void)
{
    trial t;
    trial_open(&t, "rows_killed");
    for (int i = 0; i < 20; i++) {
        const pid_t child = start_writer(set_a, 0, 400, true);
        usleep((useconds_t)(1000 + i * 700));
        CU_ASSERT_EQUAL(put_rows(&t, set_b, 0, (size_t)i * 10, (size_t)i * 10 + 10), 10);
        kill(child, SIGKILL);
        CU_ASSERT_EQUAL(wait_for(child), 100 + SIGKILL);
        count_rows(&t, set_a, 0, 400); /* checks what it finds */
    }
    CU_ASSERT_EQUAL(count_rows(&t, set_b, 0, 200), 200);
    CU_ASSERT_EQUAL(t.warnings, 0);
    trial_close(&t);
}

/* Somebody clears the cache under a run that reads and writes. */
static void cleared_meanwhile(void)
{
    trial t;
    size_t files;
    uint64_t bytes;
    trial_open(&t, "rows_cleared");
    CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 10), 10);
    thaw_feature_cache *cache = open_cache(&t, set_a, 0);
    CU_ASSERT(thaw_feature_cache_put(cache, key_of(20), 20, row_of(20)));
    CU_ASSERT_EQUAL(thaw_cache_clear(t.context, THAW_CACHE_OF_FEATURES, &files, &bytes), THAW_OK);
    CU_ASSERT_EQUAL(files, 2);
    CU_ASSERT_EQUAL(bytes, 2 * HEADER + 11 * STRIDE);
    CU_ASSERT(is_there(cache, 5));
    CU_ASSERT(thaw_feature_cache_put(cache, key_of(21), 21, row_of(21)));
    CU_ASSERT_EQUAL(thaw_feature_cache_publish(cache), THAW_OK);
    CU_ASSERT(is_there(cache, 21));
    thaw_feature_cache_close(&cache);
    CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 10), 10); /* the folder is made again */
    CU_ASSERT_EQUAL(count_rows(&t, set_a, 0, 10), 10);
    CU_ASSERT_EQUAL(t.warnings, 0);
    trial_close(&t);
}

/* One warning, and nothing else. */
static void folders_that_do_not_work(void)
{
    trial t;
    environment_set("THAW_CACHE_DIR", "/dev/null/x");
    trial_open(&t, NULL);
    thaw_feature_cache *cache = open_cache(&t, set_a, 0);
    for (size_t i = 0; i < 5; i++)
        CU_ASSERT_FALSE(thaw_feature_cache_put(cache, key_of(i), 0, row_of(i)));
    CU_ASSERT_FALSE(is_there(cache, 0));
    CU_ASSERT_FALSE(thaw_feature_cache_has_room(cache, 1));
    CU_ASSERT_EQUAL(thaw_feature_cache_publish(cache), THAW_OK);
    thaw_feature_cache_close(&cache);
    CU_ASSERT_EQUAL(t.warnings, 1);
    trial_close(&t);

    char name[THAW_HASH_TEXT], path[THAW_HASH_TEXT + 16];
    trial_open(&t, "rows_in_the_way"); /* a file where the set's folder should be */
    thaw_hash_text(set_a, name);
    snprintf(path, sizeof path, "features/%s", name);
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/features", getenv("THAW_CACHE_DIR"));
    CU_ASSERT_EQUAL(mkdir(folder, 0700), 0);
    file_put(getenv("THAW_CACHE_DIR"), path, "x", 1);
    CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 10), 0);
    CU_ASSERT_EQUAL(t.warnings, 1);
    trial_close(&t);
}

/* A file that can't grow stands for a full disk. */
static void full_disk(void)
{
    trial t;
    struct rlimit before, tight;
    trial_open(&t, "rows_full_disk");
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    tight = before;
    tight.rlim_cur = HEADER + 4 * STRIDE + 300;
    fflush(NULL);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const size_t taken = put_rows(&t, set_a, 0, 0, 10);
    tight.rlim_cur = HEADER - 1;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const size_t taken_of_none = put_rows(&t, set_b, 0, 0, 10);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    CU_ASSERT_EQUAL(taken, 4);
    CU_ASSERT_EQUAL(taken_of_none, 0);
    CU_ASSERT_EQUAL(t.warnings, 2);
    CU_ASSERT_EQUAL(count_rows(&t, set_a, 0, 10), 4);
    thaw_feature_files files = list_files(&t);
    CU_ASSERT_EQUAL(files.count, 1);
    CU_ASSERT_EQUAL(files.bytes, HEADER + 4 * STRIDE); /* what did not fit is cut off again */
    thaw_feature_files_free(&files);
    trial_close(&t);
}

static void limits(void)
{
    trial t;
    trial_open(&t, "rows_limits");
    CU_ASSERT_EQUAL(put_rows(&t, set_a, HEADER, 0, 10), 0);
    CU_ASSERT_EQUAL(put_rows(&t, set_a, HEADER + 3 * STRIDE, 0, 10), 3);
    environment_set("THAW_CACHE_LIMIT", "0");
    CU_ASSERT_EQUAL(put_rows(&t, set_b, 0, 0, 10), 0);
    CU_ASSERT_EQUAL(thaw_feature_cache_limit("/", 0), 0);
    environment_set("THAW_CACHE_LIMIT", "1.5");
    CU_ASSERT_EQUAL(thaw_feature_cache_limit("/", 0), 3 << 19);
    environment_set("THAW_CACHE_LIMIT", "much");
    CU_ASSERT(thaw_feature_cache_limit("/", 0) > 3 << 19);
    CU_ASSERT_EQUAL(t.warnings, 0);
    trial_close(&t);
}

static void what_there_is(void)
{
    trial t;
    thaw_cache_facts facts;
    size_t files;
    uint64_t bytes;
    trial_open(&t, "rows_info");
    CU_ASSERT_EQUAL(thaw_cache_info(t.context, THAW_CACHE_OF_FEATURES, &facts), THAW_OK);
    CU_ASSERT_EQUAL(facts.files + facts.entries + facts.bytes, 0);
    thaw_cache_facts_free(&facts);
    CU_ASSERT_EQUAL(put_rows(&t, set_a, 0, 0, 10), 10);
    CU_ASSERT_EQUAL(put_rows(&t, set_b, 0, 0, 7), 7);
    CU_ASSERT_EQUAL(thaw_cache_info(t.context, THAW_CACHE_OF_FEATURES, &facts), THAW_OK);
    CU_ASSERT_EQUAL(facts.files, 2);
    CU_ASSERT_EQUAL(facts.entries, 17);
    CU_ASSERT_EQUAL(facts.bytes, 2 * HEADER + 17 * STRIDE);
    CU_ASSERT(facts.limit_bytes > 0);
    CU_ASSERT_STRING_EQUAL(facts.name, "features");
    thaw_cache_facts_free(&facts);
    char folder[1024];
    snprintf(folder, sizeof folder, "%s/tuning", getenv("THAW_CACHE_DIR"));
    CU_ASSERT_EQUAL(mkdir(folder, 0700), 0);
    file_put(folder, "x.txt", "header\na\tb\nc\td\n", 15);
    CU_ASSERT_EQUAL(thaw_cache_info(t.context, THAW_CACHE_OF_TUNING, &facts), THAW_OK);
    CU_ASSERT_EQUAL(facts.entries, 2);
    CU_ASSERT_EQUAL(facts.limit_bytes, 0);
    thaw_cache_facts_free(&facts);
    CU_ASSERT_EQUAL(thaw_cache_clear(t.context, THAW_CACHE_OF_PROGRAMS, &files, &bytes), THAW_OK);
    CU_ASSERT_EQUAL(files, 0);
    CU_ASSERT_EQUAL(thaw_cache_clear(t.context, THAW_CACHE_OF_TUNING, &files, &bytes), THAW_OK);
    CU_ASSERT_EQUAL(files, 3); /* the features that such choices made go too */
    CU_ASSERT_EQUAL(count_files(&t), 0);
    trial_close(&t);
}

static const test_entry tests[] = {
    {"hits and misses", hits_and_misses},
    {"found in the same run", found_in_the_same_run},
    {"damage is noticed", damage_is_noticed},
    {"eviction", eviction},
    {"processes at once", processes_at_once},
    {"killed processes", killed_processes},
    {"cleared meanwhile", cleared_meanwhile},
    {"folders that do not work", folders_that_do_not_work},
    {"full disk", full_disk},
    {"limits", limits},
    {"what there is", what_there_is},
};

void suite_feature_cache(void)
{
    TEST_SUITE("feature_cache", tests);
}
