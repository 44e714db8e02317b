/* Compiled programs on disk: used when good, made anew when not, never in the way. */
#include "device_trial.h"
#include "base/file.h"
#include "base/hash.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char source[] = "kernel void twice(global float *x)\n{\n    x[get_global_id(0)] *= 2.0f;\n}\n";

#define HEADER_BYTES 48 /* magic 8, key 16, content's hash 16, its size 8 */

typedef enum origin { BUILT, CACHED } origin;

/* A cache folder of the test's own, empty, and the kernel above. */
static void begin(const char *cache)
{
    const char *folder = folder_make("cached_kernels");
    file_put(folder, "twice.cl", source, sizeof source - 1);
    environment_set("THAW_KERNEL_DIR", folder);
    environment_set("THAW_CACHE_DIR", folder_make(cache));
    environment_set("THAW_PROGRAM_CACHE", "1");
}

/* Gets the kernel on a fresh device, checks that it works and where it came from. */
static void check_kernel(const char *options, origin wanted)
{
    device_trial trial;
    thaw_kernel *kernel;
    thaw_buffer *buffer;
    float value = 21;
    device_trial_open(&trial);
    CU_ASSERT_EQUAL_FATAL(thaw_kernel_get(trial.device, "twice", "twice", options, &kernel), THAW_OK);
    CU_ASSERT_EQUAL(trial.cached, wanted == CACHED ? 1 : 0);
    CU_ASSERT_EQUAL(trial.built, wanted == BUILT ? 1 : 0);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(trial.device, sizeof value, &buffer), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_write(buffer, 0, &value, sizeof value), THAW_OK);
    CU_ASSERT_EQUAL(thaw_kernel_launch(kernel, THAW_RANGE_1(1), THAW_BUFFER(buffer)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, &value, sizeof value), THAW_OK);
    CU_ASSERT_EQUAL(value, 42);
    thaw_buffer_destroy(&buffer);
    device_trial_close(&trial);
}

/* The paths of the entries, up to two; how many files there are. */
static int find_entries(char paths[2][1024])
{
    char folder[512];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/programs", getenv("THAW_CACHE_DIR"));
    DIR *listing = opendir(folder);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.') {
            if (count < 2)
                snprintf(paths[count], sizeof paths[count], "%s/%s", folder, entry->d_name);
            count++;
        }
    closedir(listing);
    return count;
}

static void read_entry(const char *path, uint8_t **bytes, size_t *size)
{
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), path, 1u << 30, bytes, size), THAW_OK);
}

static void write_entry(const char *path, const uint8_t *bytes, size_t size)
{
    CU_ASSERT_EQUAL_FATAL(thaw_file_write(test_context(), path, bytes, size), THAW_OK);
}

static void the_second_request_comes_from_the_cache(void)
{
    char paths[2][1024];
    begin("cache_second");
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL(find_entries(paths), 1);
    check_kernel("", CACHED);
    check_kernel("-DOTHER", BUILT); /* options are part of the key */
    check_kernel("-DOTHER", CACHED);
    CU_ASSERT_EQUAL(find_entries(paths), 2);
    file_put(getenv("THAW_KERNEL_DIR"), "common.clh", "/* another */\n", 14); /* and so is the text */
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL(find_entries(paths), 3);
    char common[600];
    snprintf(common, sizeof common, "%s/common.clh", getenv("THAW_KERNEL_DIR"));
    CU_ASSERT_EQUAL(remove(common), 0);
    check_kernel("", CACHED);
    setenv("THAW_PROGRAM_CACHE", "0", 1);
    check_kernel("", BUILT);
    environment_restore();
}

/* Whatever lies there instead of the entry: the kernel works and the entry is good again. */
static void check_replaced(const char *path, const uint8_t *bytes, size_t size)
{
    write_entry(path, bytes, size);
    check_kernel("", BUILT);
    check_kernel("", CACHED);
}

static void cut_entries_are_built_anew(void)
{
    char paths[2][1024];
    uint8_t *bytes;
    size_t size;
    begin("cache_cut");
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL_FATAL(find_entries(paths), 1);
    read_entry(paths[0], &bytes, &size);
    const size_t lengths[] = {0,        1,        7,       8, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1,
                              size / 2, size - 1, size + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        check_replaced(paths[0], bytes, lengths[i]);
    free(bytes);
    environment_restore();
}

static void changed_entries_are_built_anew(void)
{
    char paths[2][1024];
    uint8_t *bytes;
    size_t size;
    begin("cache_changed");
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL_FATAL(find_entries(paths), 1);
    read_entry(paths[0], &bytes, &size);
    const size_t places[] = {0, 8, 20, 24, 39, 40, 47, 48, size / 2, size - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        bytes[places[i]] ^= (uint8_t)(1u << i % 8);
        check_replaced(paths[0], bytes, size);
        bytes[places[i]] ^= (uint8_t)(1u << i % 8);
    }
    free(bytes);
    environment_restore();
}

/* A whole entry of another program (or driver: that has another key too) under this one's name. */
static void foreign_entries_are_built_anew(void)
{
    char paths[2][1024], own[1024];
    uint8_t *bytes;
    size_t size;
    begin("cache_foreign");
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL_FATAL(find_entries(paths), 1);
    memcpy(own, paths[0], sizeof own);
    check_kernel("-DOTHER", BUILT);
    CU_ASSERT_EQUAL_FATAL(find_entries(paths), 2);
    read_entry(strcmp(paths[0], own) == 0 ? paths[1] : paths[0], &bytes, &size);
    check_replaced(own, bytes, size);
    free(bytes);
    environment_restore();
}

/* An entry whose sums are right, but whose content is no binary. */
static void entries_that_the_driver_refuses_are_built_anew(void)
{
    if (strcmp(thaw_device_describe(test_device())->platform, "rusticl") == 0) {
        test_skip("rusticl of Mesa 22 aborts over a binary that it does not know");
        return;
    }
    static const char binary[] = "no binary";
    const uint64_t binary_size = sizeof binary;
    const thaw_hash content = thaw_hash_bytes(binary, sizeof binary, 0);
    char paths[2][1024];
    uint8_t *bytes;
    size_t size;
    begin("cache_refused");
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL_FATAL(find_entries(paths), 1);
    read_entry(paths[0], &bytes, &size);
    CU_ASSERT_FATAL(size > HEADER_BYTES + sizeof binary);
    memcpy(bytes + 24, &content, sizeof content);
    memcpy(bytes + 40, &binary_size, sizeof binary_size);
    memcpy(bytes + HEADER_BYTES, binary, sizeof binary);
    check_replaced(paths[0], bytes, HEADER_BYTES + sizeof binary);
    free(bytes);
    environment_restore();
}

static void folders_that_cant_be_written_do_not_matter(void)
{
    begin("cache_unwritable");
    setenv("THAW_CACHE_DIR", "/dev/null/cache", 1);
    check_kernel("", BUILT);
    check_kernel("", BUILT);
    /* A folder in the entry's place can neither be read nor replaced. */
    char paths[2][1024];
    setenv("THAW_CACHE_DIR", folder_make("cache_unwritable"), 1);
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL_FATAL(find_entries(paths), 1);
    CU_ASSERT_EQUAL(remove(paths[0]), 0);
    CU_ASSERT_EQUAL(mkdir(paths[0], 0700), 0);
    check_kernel("", BUILT);
    CU_ASSERT_EQUAL(rmdir(paths[0]), 0);
    check_kernel("", BUILT);
    check_kernel("", CACHED);
    environment_restore();
}

/* In a process of its own, beside another: asks for the same kernels again and again, and takes entries away. */
static void in_child_ask_again_and_again(void)
{
    char paths[2][1024];
    for (int i = 0; i < 12; i++) {
        device_trial trial;
        thaw_kernel *kernel;
        device_trial_open(&trial);
        CU_ASSERT_EQUAL(thaw_kernel_get(trial.device, "twice", "twice", i % 2 ? "-DOTHER" : "", &kernel), THAW_OK);
        device_trial_close(&trial);
        if (i % 3 == 0 && find_entries(paths) > 0)
            remove(paths[0]);
    }
}

static void processes_at_once_are_safe(void)
{
    char paths[2][1024];
    begin("cache_shared");
    CU_ASSERT_EQUAL(children_run("program_cache", 2), 0);
    device_trial trial;
    thaw_kernel *kernel;
    device_trial_open(&trial);
    CU_ASSERT_EQUAL(thaw_kernel_get(trial.device, "twice", "twice", "", &kernel), THAW_OK);
    device_trial_close(&trial);
    check_kernel("", CACHED);
    CU_ASSERT(find_entries(paths) <= 2);
    environment_restore();
}

static const test_entry tests[] = {
    {"the second request comes from the cache", the_second_request_comes_from_the_cache},
    {"cut entries are built anew", cut_entries_are_built_anew},
    {"changed entries are built anew", changed_entries_are_built_anew},
    {"foreign entries are built anew", foreign_entries_are_built_anew},
    {"entries that the driver refuses are built anew", entries_that_the_driver_refuses_are_built_anew},
    {"folders that can't be written do not matter", folders_that_cant_be_written_do_not_matter},
    {"processes at once are safe", processes_at_once_are_safe},
};

static const test_entry child_tests[] = {
    {"asks again and again", in_child_ask_again_and_again},
};

void suite_program_cache(void)
{
    if (is_child())
        TEST_SUITE("program_cache", child_tests);
    else
        TEST_SUITE("program_cache", tests);
}
