/* Device memory: transfers, the pool, its counts and its limits. */
#include "device_trial.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define COUNT 259

static void bytes_go_there_and_back(void)
{
    uint8_t sent[COUNT], got[COUNT + 2];
    thaw_buffer *buffer, *other;
    for (int i = 0; i < COUNT; i++)
        sent[i] = (uint8_t)(i * 7);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), COUNT, &buffer), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), COUNT, &other), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_bytes(buffer), COUNT);
    CU_ASSERT_EQUAL(thaw_buffer_write(buffer, 0, sent, COUNT), THAW_OK);
    memset(got, 0xee, sizeof got);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, got + 1, COUNT), THAW_OK);
    CU_ASSERT(memcmp(got + 1, sent, COUNT) == 0 && got[0] == 0xee && got[COUNT + 1] == 0xee);
    /* Parts, at odd places. */
    CU_ASSERT_EQUAL(thaw_buffer_write(buffer, 5, sent, 3), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_copy(buffer, 4, other, 8, 5), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(other, 8, got, 5), THAW_OK);
    const uint8_t wanted[5] = {sent[4], sent[0], sent[1], sent[2], sent[8]};
    CU_ASSERT(memcmp(got, wanted, 5) == 0);
    /* Nothing is fine everywhere. */
    CU_ASSERT_EQUAL(thaw_buffer_write(buffer, COUNT, NULL, 0), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, NULL, 0), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_copy(buffer, 0, other, COUNT, 0), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_fill(buffer, 256, 0, 0), THAW_OK);
    thaw_buffer_destroy(&buffer);
    thaw_buffer_destroy(&other);
}

static void fill_repeats_the_pattern(void)
{
    uint32_t got[33];
    thaw_buffer *buffer;
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), sizeof got, &buffer), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_fill(buffer, 0, 0x01020304, sizeof got), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_fill(buffer, 12, 0x7fc00000, 20), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, got, sizeof got), THAW_OK);
    for (size_t i = 0; i < 33; i++)
        CU_ASSERT_EQUAL(got[i], i >= 3 && i < 8 ? 0x7fc00000 : 0x01020304);
    thaw_buffer_destroy(&buffer);
}

static void live_and_peak_bytes_are_counted(void)
{
    static const size_t sizes[] = {0, 1, 255, 256, 257, 1000, 4096, 65537, 1000000};
    enum { COUNT_OF_SIZES = sizeof sizes / sizeof sizes[0] };
    thaw_buffer *buffers[COUNT_OF_SIZES];
    device_trial trial;
    device_trial_open(&trial);
    uint64_t live = 0;
    for (size_t i = 0; i < COUNT_OF_SIZES; i++) {
        CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(trial.device, sizes[i], &buffers[i]), THAW_OK);
        CU_ASSERT_EQUAL(thaw_buffer_bytes(buffers[i]), sizes[i]);
        const uint64_t grown = thaw_device_live_bytes(trial.device) - live;
        CU_ASSERT(grown >= sizes[i] && grown <= sizes[i] + sizes[i] / 8 + 256);
        live += grown;
        CU_ASSERT_EQUAL(thaw_device_peak_bytes(trial.device), live);
    }
    for (size_t i = 0; i < COUNT_OF_SIZES; i++) {
        thaw_buffer_destroy(&buffers[i]);
        CU_ASSERT_PTR_NULL(buffers[i]);
        thaw_buffer_destroy(&buffers[i]);
    }
    thaw_buffer_destroy(NULL);
    CU_ASSERT_EQUAL(thaw_device_live_bytes(trial.device), 0);
    CU_ASSERT_EQUAL(thaw_device_peak_bytes(trial.device), live);
    /* From the pool: the peak does not move. */
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(trial.device, 999999, &buffers[0]), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_bytes(buffers[0]), 999999);
    CU_ASSERT_EQUAL(thaw_device_peak_bytes(trial.device), live);
    thaw_buffer_pool_trim(trial.device);
    CU_ASSERT_EQUAL(thaw_buffer_fill(buffers[0], 0, 0, 4), THAW_OK);
    thaw_buffer_destroy(&buffers[0]);
    device_trial_close(&trial);
}

static void impossible_sizes_are_refused_with_numbers(void)
{
    const uint64_t most = thaw_device_describe(test_device())->max_alloc_bytes;
    const uint64_t sizes[] = {most + 1, most * 2, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};
    const uint64_t live = thaw_device_live_bytes(test_device());
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char asked[24], limit[24];
        thaw_buffer *buffer;
        snprintf(asked, sizeof asked, "%" PRIu64, sizes[i]);
        snprintf(limit, sizeof limit, "%" PRIu64, most);
        CU_ASSERT_EQUAL(thaw_buffer_create(test_device(), sizes[i], &buffer), THAW_ERR_DEVICE_MEMORY);
        CU_ASSERT_PTR_NULL(buffer);
        CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), asked));
        CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), limit));
    }
    CU_ASSERT_EQUAL(thaw_device_live_bytes(test_device()), live);
}

static void the_pool_gives_way_before_memory_runs_out(void)
{
    thaw_buffer *small, *large;
    device_trial trial;
    environment_set("THAW_DEVICE_MEMORY", "1048576");
    device_trial_open(&trial);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(trial.device, 524288, &small), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_create(trial.device, 786432, &large), THAW_ERR_DEVICE_MEMORY);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(trial.context), "786432"));
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(trial.context), "524288"));
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(trial.context), "1048576"));
    thaw_buffer_destroy(&small);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(trial.device, 786432, &large), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_fill(large, 0, 0, 786432), THAW_OK);
    CU_ASSERT_EQUAL(thaw_device_finish(trial.device), THAW_OK);
    thaw_buffer_destroy(&large);
    device_trial_close(&trial);
    environment_restore();
}

static const test_entry tests[] = {
    {"bytes go there and back", bytes_go_there_and_back},
    {"fill repeats the pattern", fill_repeats_the_pattern},
    {"live and peak bytes are counted", live_and_peak_bytes_are_counted},
    {"impossible sizes are refused with numbers", impossible_sizes_are_refused_with_numbers},
    {"the pool gives way before memory runs out", the_pool_gives_way_before_memory_runs_out},
};

void suite_buffer(void)
{
    TEST_SUITE("buffer", tests);
}
