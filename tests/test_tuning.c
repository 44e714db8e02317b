/* What was measured is kept: between starts, beside other processes, whatever happens to the file. */
#include "device_trial.h"
#include "base/file.h"
#include "device/tuning.h"
#include "model/program.h"
#include "ops/shared/conv_variants.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <thaw/thaw.h>

/* An empty cache folder of the test's own. */
static void begin(const char *cache)
{
    environment_set("THAW_CACHE_DIR", folder_make(cache));
    environment_set("THAW_TUNING", "on");
    environment_set("THAW_ALGORITHM", NULL);
}

/* The one file there; false if there is none. */
static bool find_file(char path[1024])
{
    char folder[512];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/tuning", getenv("THAW_CACHE_DIR"));
    DIR *listing = opendir(folder);
    if (!listing)
        return false;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.') {
            snprintf(path, 1024, "%s/%s", folder, entry->d_name);
            count++;
        }
    closedir(listing);
    CU_ASSERT(count <= 1);
    return count == 1;
}

static void put(const char *key, const char *winner)
{
    device_trial trial;
    device_trial_open(&trial);
    CU_ASSERT_EQUAL(thaw_tuning_put(trial.device, key, winner), THAW_OK);
    CU_ASSERT_EQUAL(thaw_tuning_measured(trial.device), 1);
    device_trial_close(&trial); /* saves */
}

/* A fresh start knows `winner` under `key` (NULL: nothing), without having measured. */
static void check_known(const char *key, const char *winner)
{
    device_trial trial;
    device_trial_open(&trial);
    const char *found = thaw_tuning_find(trial.device, key);
    if (winner && found)
        CU_ASSERT_STRING_EQUAL(found, winner);
    CU_ASSERT_EQUAL(found == NULL, winner == NULL);
    CU_ASSERT_EQUAL(thaw_tuning_measured(trial.device), 0);
    device_trial_close(&trial);
}

static void choices_are_kept(void)
{
    char path[1024];
    begin("tuning_kept");
    check_known("a b c", NULL);
    CU_ASSERT_FALSE(find_file(path)); /* nothing to keep, nothing written */
    put("a b c", "fast");
    put("a b", "slow"); /* a start that knew "a b c" */
    check_known("a b c", "fast");
    check_known("a b", "slow");
    check_known("a", NULL);
    put("a b", "other");
    check_known("a b", "other");
    environment_restore();
}

static void two_at_once_are_merged(void)
{
    device_trial one, two;
    begin("tuning_merged");
    device_trial_open(&one);
    device_trial_open(&two);
    CU_ASSERT_EQUAL(thaw_tuning_put(one.device, "first", "1"), THAW_OK);
    CU_ASSERT_EQUAL(thaw_tuning_put(two.device, "second", "2"), THAW_OK);
    CU_ASSERT_EQUAL(thaw_tuning_put(two.device, "first", "3"), THAW_OK);
    device_trial_close(&one);
    device_trial_close(&two);
    check_known("first", "3");
    check_known("second", "2");
    environment_restore();
}

static void check_ignored(const char *path, const uint8_t *bytes, size_t size)
{
    CU_ASSERT_EQUAL_FATAL(thaw_file_write(test_context(), path, bytes, size), THAW_OK);
    check_known("key", NULL);
    put("key", "winner"); /* rebuilt */
    check_known("key", "winner");
}

static void damaged_files_are_made_anew(void)
{
    char path[1024];
    uint8_t *bytes;
    size_t size;
    begin("tuning_damaged");
    put("key", "winner");
    CU_ASSERT_TRUE_FATAL(find_file(path));
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), path, 1 << 20, &bytes, &size), THAW_OK);
    for (size_t length = 0; length < size; length += length < 8 || length + 8 > size ? 1 : 7)
        check_ignored(path, bytes, length);
    for (size_t at = 0; at < size; at += 5) {
        bytes[at] ^= 4;
        check_ignored(path, bytes, size);
        bytes[at] ^= 4;
    }
    CU_ASSERT_EQUAL(thaw_file_write(test_context(), path, bytes, size), THAW_OK);
    check_known("key", "winner");
    free(bytes);
    environment_restore();
}

static void a_folder_that_takes_nothing_is_fine(void)
{
    device_trial trial;
    const char *folder = folder_make("tuning_unwritable");
    file_put(folder, "tuning", "a file where the folder should be", 33);
    environment_set("THAW_CACHE_DIR", folder);
    device_trial_open(&trial);
    CU_ASSERT_PTR_NULL(thaw_tuning_find(trial.device, "key"));
    CU_ASSERT_EQUAL(thaw_tuning_put(trial.device, "key", "winner"), THAW_OK);
    CU_ASSERT_STRING_EQUAL(thaw_tuning_find(trial.device, "key"), "winner");
    device_trial_close(&trial);
    environment_restore();
}

static void unknown_kernels_leave_no_file(void)
{
    char path[1024];
    begin("tuning_kernels");
    environment_set("THAW_KERNEL_DIR", folder_make("tuning_kernel_dir"));
    put("key", "winner");
    check_known("key", NULL);
    CU_ASSERT_FALSE(find_file(path));
    environment_restore();
}

static void wishes_are_obeyed(void)
{
    environment_set("THAW_ALGORITHM", NULL);
    environment_set("THAW_TUNING", "off");
    CU_ASSERT_FALSE(thaw_tuning_wanted());
    setenv("THAW_TUNING", "on", 1);
    CU_ASSERT_TRUE(thaw_tuning_wanted());
    setenv("THAW_ALGORITHM", "tiled", 1);
    CU_ASSERT_FALSE(thaw_tuning_wanted());
    environment_restore();
}

#define WRITERS 4

/* In a process of its own: writes again and again while others do. */
static void write_for_a_while(void)
{
    for (int i = 0; i < 10; i++) {
        char key[32];
        snprintf(key, sizeof key, "writer %d", i);
        put(key, "winner");
        check_known("not there", NULL);
    }
}

static void many_writers_leave_a_whole_file(void)
{
    begin("tuning_writers");
    CU_ASSERT_EQUAL(children_run("tuning", WRITERS), 0);
    check_known("writer 9", "winner"); /* the last one written survives any order */
    environment_restore();
}

/* --- the choice itself --- */

static thaw_status run_demo(thaw_device *device, thaw_tensor **output)
{
    thaw_model *model;
    thaw_tensor *input;
    const thaw_shape shape = {4, {2, 3, 64, 64}};
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(thaw_device_context(device), THAW_SOURCE_DIR "/tools/demo/base.onnx", &model),
                          THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_tensor_create(thaw_device_context(device), THAW_FLOAT32, &shape, &input), THAW_OK);
    for (int64_t i = 0; i < input->count; i++)
        ((float *)input->data)[i] = (float)(i % 101) / 50 - 1;
    const thaw_status status = thaw_model_run(model, device, &input, 1, output, 1);
    thaw_tensor_release(&input);
    thaw_model_close(&model);
    return status;
}

/* Runs the demo on a fresh device; how many choices it measured. */
static size_t measured_by_a_start(thaw_tensor **output)
{
    device_trial trial;
    device_trial_open(&trial);
    CU_ASSERT_EQUAL_FATAL(run_demo(trial.device, output), THAW_OK);
    const size_t measured = thaw_tuning_measured(trial.device);
    device_trial_close(&trial);
    return measured;
}

static void the_second_start_measures_nothing(void)
{
    thaw_tensor *first = NULL, *second = NULL, *untuned = NULL;
    begin("tuning_start");
    const size_t measured = measured_by_a_start(&first);
    CU_ASSERT_EQUAL(measured_by_a_start(&second), 0);
    CU_ASSERT_EQUAL_FATAL(first->bytes, second->bytes);
    CU_ASSERT_EQUAL(memcmp(first->data, second->data, first->bytes), 0);
    setenv("THAW_TUNING", "off", 1);
    CU_ASSERT_EQUAL(measured_by_a_start(&untuned), 0);
    if (measured == 0)
        test_skip("no layer had two algorithms to choose from");
    thaw_tensor_release(&first);
    thaw_tensor_release(&second);
    thaw_tensor_release(&untuned);
    environment_restore();
}

/* How many choices a start measures for the demo with weights stored so. */
static size_t measured_in(thaw_precision precision)
{
    device_trial trial;
    thaw_model *model;
    thaw_profile profile;
    thaw_profile_options options = thaw_profile_defaults();
    options.repeats = 1;
    options.whole_only = true;
    options.frozen_precision = precision;
    device_trial_open(&trial);
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(trial.context, THAW_SOURCE_DIR "/tools/demo/base.onnx", &model), THAW_OK);
    CU_ASSERT_EQUAL(thaw_model_profile(model, trial.device, &options, &profile), THAW_OK);
    const size_t measured = thaw_tuning_measured(trial.device);
    thaw_profile_free(&profile);
    thaw_model_close(&model);
    device_trial_close(&trial);
    return measured;
}

static void each_precision_has_choices_of_its_own(void)
{
    begin("tuning_precision");
    environment_set("THAW_CHAINS", "off"); /* what is built of them is kept in the same file */
    const size_t floats = measured_in(THAW_PRECISION_FP32), halves = measured_in(THAW_PRECISION_FP16);
    const int32_t block = thaw_device_block(test_device());
    if (block > 1 && block != THAW_BLOCK_ALL)
        CU_ASSERT((halves > 0) == (floats > 0));
    CU_ASSERT_EQUAL(measured_in(THAW_PRECISION_FP16), 0);
    CU_ASSERT_EQUAL(measured_in(THAW_PRECISION_FP32), 0);
    if (floats == 0)
        test_skip("no layer had two algorithms to choose from");
    environment_restore();
}

/* A folder of kernels in which Winograd's results are a hundredth too large. */
static const char *break_winograd(void)
{
    static const char fault[] = "#undef store_aligned\n"
                                "#define store_aligned(x, at, to) (((global floatb *)(to))[at] = (x) * 1.01f)\n";
    const char *folder = folder_make("tuning_broken");
    uint8_t *source;
    size_t size;
    CU_ASSERT_EQUAL_FATAL(
        thaw_file_read(test_context(), THAW_SOURCE_DIR "/cl/conv_winograd.cl", 1 << 20, &source, &size), THAW_OK);
    char *broken = malloc(sizeof fault + size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(broken);
    memcpy(broken, fault, sizeof fault - 1);
    memcpy(broken + sizeof fault - 1, source, size);
    file_put(folder, "conv_winograd.cl", broken, sizeof fault - 1 + size);
    free(broken);
    free(source);
    return folder;
}

static void wrong_algorithms_are_not_chosen(void)
{
    thaw_tensor *chosen = NULL, *right = NULL;
    begin("tuning_wrong");
    environment_set("THAW_KERNEL_DIR", break_winograd());
    measured_by_a_start(&chosen);
    setenv("THAW_ALGORITHM", "tiled", 1);
    CU_ASSERT_EQUAL(measured_by_a_start(&right), 0);
    CU_ASSERT_EQUAL_FATAL(chosen->bytes, right->bytes);
    CU_ASSERT_EQUAL(memcmp(chosen->data, right->data, right->bytes), 0);
    thaw_tensor_release(&chosen);
    thaw_tensor_release(&right);
    environment_restore();
}

static const test_entry tests[] = {
    {"choices are kept", choices_are_kept},
    {"two at once are merged", two_at_once_are_merged},
    {"damaged files are made anew", damaged_files_are_made_anew},
    {"a folder that takes nothing is fine", a_folder_that_takes_nothing_is_fine},
    {"unknown kernels leave no file", unknown_kernels_leave_no_file},
    {"wishes are obeyed", wishes_are_obeyed},
    {"many writers leave a whole file", many_writers_leave_a_whole_file},
    {"the second start measures nothing", the_second_start_measures_nothing},
    {"each precision has choices of its own", each_precision_has_choices_of_its_own},
    {"wrong algorithms are not chosen", wrong_algorithms_are_not_chosen},
};

static const test_entry child_tests[] = {{"write for a while", write_for_a_while}};

void suite_tuning(void)
{
    if (is_child())
        TEST_SUITE("tuning", child_tests);
    else
        TEST_SUITE("tuning", tests);
}
