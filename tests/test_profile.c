/* What `thaw profile` tells: times that add up, percentages of measured peaks, bytes. */
#include "op_harness.h"
#include "test.h"

#include <math.h>
#include <string.h>
#include <thaw/thaw.h>

#include "device/peak.h"

static thaw_model *load_demo(void)
{
    thaw_model *model = NULL;
    CU_ASSERT_EQUAL_FATAL(thaw_model_load(test_context(), THAW_SOURCE_DIR "/tools/demo/base.onnx", &model), THAW_OK);
    return model;
}

static void check_layer(const thaw_profile *profile, const thaw_profile_layer *layer)
{
    CU_ASSERT(layer->name[0] != '\0');
    CU_ASSERT(layer->op[0] != '\0');
    CU_ASSERT(layer->algorithm[0] != '\0');
    CU_ASSERT(layer->seconds > 0);
    CU_ASSERT(layer->bytes > 0);
    CU_ASSERT_DOUBLE_EQUAL(layer->flops_per_second * layer->seconds, layer->flops, 1e-6 * layer->flops);
    CU_ASSERT_DOUBLE_EQUAL(layer->percent_of_peak, 100 * layer->flops / layer->seconds / profile->peak_flops_per_second,
                           1e-6 * 100);
    CU_ASSERT_DOUBLE_EQUAL(layer->percent_of_copy,
                           100 * layer->bytes / layer->seconds / profile->peak_copy_bytes_per_second,
                           1e-6 * layer->percent_of_copy);
    if (strcmp(layer->op, "Conv") == 0 || strcmp(layer->op, "Gemm") == 0)
        CU_ASSERT(layer->percent_of_peak > 0);
}

static void layers_and_totals_agree(void)
{
    thaw_model *model = load_demo();
    thaw_profile_options options = thaw_profile_defaults();
    thaw_profile profile;
    options.batch = 3;
    options.repeats = 3;
    CU_ASSERT_EQUAL_FATAL(thaw_model_profile(model, test_device(), &options, &profile), THAW_OK);
    CU_ASSERT_EQUAL(profile.batch, 3);
    CU_ASSERT(profile.layer_count > 3);
    double sum = 0, flops = 0;
    for (size_t i = 0; i < profile.layer_count; i++) {
        check_layer(&profile, &profile.layers[i]);
        sum += profile.layers[i].seconds;
        flops += profile.layers[i].flops;
    }
    CU_ASSERT_DOUBLE_EQUAL(sum, profile.layer_seconds, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(profile.images_per_second * profile.median_seconds, 3, 1e-6);
    CU_ASSERT(profile.median_seconds < 1000 * sum && sum < 1000 * profile.median_seconds);
    CU_ASSERT(flops > 0);
    CU_ASSERT(profile.weight_bytes > 0);
    /* The input is needed at the first step; all of it lies in buffers. */
    CU_ASSERT(profile.live_activation_bytes > 3 * 3 * sizeof(float));
    CU_ASSERT(profile.peak_device_bytes >= profile.live_activation_bytes);
    thaw_profile_free(&profile);
    CU_ASSERT_EQUAL(profile.layer_count, 0);
    thaw_profile_free(&profile);
    thaw_profile_free(NULL);
    thaw_model_close(&model);
}

static void bytes_grow_with_the_batch(void)
{
    thaw_model *model = load_demo();
    thaw_profile_options options = thaw_profile_defaults();
    thaw_profile one, four;
    options.repeats = 1;
    options.whole_only = true;
    CU_ASSERT_EQUAL_FATAL(thaw_model_profile(model, test_device(), &options, &one), THAW_OK);
    options.batch = 4;
    CU_ASSERT_EQUAL_FATAL(thaw_model_profile(model, test_device(), &options, &four), THAW_OK);
    CU_ASSERT_EQUAL(four.live_activation_bytes, 4 * one.live_activation_bytes);
    CU_ASSERT_EQUAL(four.weight_bytes, one.weight_bytes);
    CU_ASSERT(four.median_seconds > 0);
    CU_ASSERT_EQUAL(four.layer_count, 0);
    CU_ASSERT_EQUAL(four.peak_flops_per_second, 0);
    thaw_profile_free(&one);
    thaw_profile_free(&four);
    thaw_model_close(&model);
}

static void halves_differ_a_little(void)
{
    thaw_model *model = load_demo();
    thaw_profile_options options = thaw_profile_defaults();
    thaw_profile profile;
    options.repeats = 1;
    options.whole_only = true;
    CU_ASSERT_EQUAL_FATAL(thaw_model_profile(model, test_device(), &options, &profile), THAW_OK);
    CU_ASSERT_EQUAL(profile.largest_difference, 0);
    thaw_profile_free(&profile);
    options.frozen_precision = THAW_PRECISION_FP16;
    CU_ASSERT_EQUAL_FATAL(thaw_model_profile(model, test_device(), &options, &profile), THAW_OK);
    CU_ASSERT(profile.largest_difference < 1e-2);
    CU_ASSERT(profile.largest_difference > 0 || thaw_device_width(test_device()) == 1);
    thaw_profile_free(&profile);
    thaw_model_close(&model);
}

static void options_out_of_range_are_refused(void)
{
    static const struct {
        int64_t batch;
        int32_t repeats;
    } rows[] = {{0, 1}, {-1, 1}, {INT64_C(1) << 40, 1}, {1, 0}, {1, -1}, {1, 10001}};
    thaw_model *model = load_demo();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        thaw_profile_options options = thaw_profile_defaults();
        thaw_profile profile;
        options.batch = rows[i].batch;
        options.repeats = rows[i].repeats;
        CU_ASSERT_EQUAL(thaw_model_profile(model, test_device(), &options, &profile), THAW_ERR_USAGE);
        thaw_profile_free(&profile);
    }
    thaw_model_close(&model);
}

static void an_interrupt_ends_it(void)
{
    thaw_model *model = load_demo();
    const thaw_profile_options options = thaw_profile_defaults();
    thaw_profile profile;
    thaw_context_interrupt(test_context());
    CU_ASSERT_EQUAL(thaw_model_profile(model, test_device(), &options, &profile), THAW_ERR_INTERRUPTED);
    thaw_context_resume(test_context());
    thaw_profile_free(&profile);
    thaw_model_close(&model);
}

static void peaks_only_rise(void)
{
    thaw_peak peak = {0};
    CU_ASSERT_EQUAL_FATAL(thaw_peak_measure(test_device(), &peak), THAW_OK);
    CU_ASSERT(peak.flops_per_second > 1e8);
    CU_ASSERT(peak.copy_bytes_per_second > 1e8);
    thaw_peak fast = {.flops_per_second = 1e18, .copy_bytes_per_second = 1e18};
    CU_ASSERT_EQUAL(thaw_peak_measure(test_device(), &fast), THAW_OK);
    CU_ASSERT_EQUAL(fast.flops_per_second, 1e18);
    CU_ASSERT_EQUAL(fast.copy_bytes_per_second, 1e18);
}

static const test_entry tests[] = {
    {"layers and totals agree", layers_and_totals_agree},
    {"bytes grow with the batch", bytes_grow_with_the_batch},
    {"halves differ a little", halves_differ_a_little},
    {"options out of range are refused", options_out_of_range_are_refused},
    {"an interrupt ends it", an_interrupt_ends_it},
    {"peaks only rise", peaks_only_rise},
};

void suite_profile(void)
{
    TEST_SUITE("profile", tests);
}
