/* Building and running kernels of the test's own. */
#include "device_trial.h"
#include "device/build_log.h"
#include "device/kernel_sources.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 1024

static const char source[] =
    "/* mark: every work-item adds 1 to its place */\n"
    "kernel void mark(global int *out)\n"
    "{\n"
    "    out[(get_global_id(2) * get_global_size(1) + get_global_id(1)) * get_global_size(0) "
    "+ get_global_id(0)] += 1;\n"
    "}\n"
    "#ifndef FACTOR\n#define FACTOR 1\n#endif\n"
    "kernel void receive(global float *out, global const float *absent, int i, long l, float f)\n"
    "{\n"
    "    out[0] = absent ? -1.0f : 1.0f;\n"
    "    out[1] = i * FACTOR;\n"
    "    out[2] = l == 5000000000L ? 1.0f : 0.0f;\n"
    "    out[3] = f;\n"
    "}\n";

/* Its mistake lies in its third line, whatever is put before it. */
static const char broken_source[] = "kernel void broken(global float *out)\n{\n    out[0] = no_such_name;\n}\n";

static void use_own_kernels(void)
{
    const char *folder = folder_make("kernels");
    file_put(folder, "trial.cl", source, sizeof source - 1);
    file_put(folder, "broken.cl", broken_source, sizeof broken_source - 1);
    environment_set("THAW_KERNEL_DIR", folder);
}

/* Runs `mark` over the range; every one of `count` places must have been met once, and none behind them. */
static void check_range(thaw_kernel *mark, thaw_range range, size_t count)
{
    int32_t out[MOST];
    thaw_buffer *buffer;
    CU_ASSERT_FATAL(count < MOST);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), sizeof out, &buffer), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_fill(buffer, 0, 0, sizeof out), THAW_OK);
    CU_ASSERT_EQUAL(thaw_kernel_launch(mark, range, THAW_BUFFER(buffer)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, out, sizeof out), THAW_OK);
    for (size_t i = 0; i < MOST; i++)
        CU_ASSERT_EQUAL(out[i], i < count ? 1 : 0);
    thaw_buffer_destroy(&buffer);
}

static void every_work_item_runs_once(void)
{
    static const struct {
        thaw_range range;
        size_t count;
    } rows[] = {
        {{{1, 1, 1}, {0, 0, 0}}, 1},     {{{7, 1, 1}, {0, 0, 0}}, 7},    {{{64, 1, 1}, {0, 0, 0}}, 64},
        {{{997, 1, 1}, {0, 0, 0}}, 997}, {{{96, 3, 1}, {0, 0, 0}}, 288}, {{{5, 7, 11}, {0, 0, 0}}, 385},
        {{{0, 7, 11}, {0, 0, 0}}, 0},    {{{9, 0, 0}, {0, 0, 0}}, 9},    {{{8, 6, 4}, {4, 2, 1}}, 192},
        {{{8, 6, 1}, {1, 0, 0}}, 48},
    };
    thaw_kernel *mark;
    use_own_kernels();
    CU_ASSERT_EQUAL_FATAL(thaw_kernel_get(test_device(), "trial", "mark", "", &mark), THAW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_range(mark, rows[i].range, rows[i].count);
    environment_restore();
}

static void arguments_and_options_arrive(void)
{
    float out[4];
    thaw_kernel *plain, *twice, *again;
    thaw_buffer *buffer;
    use_own_kernels();
    CU_ASSERT_EQUAL_FATAL(thaw_kernel_get(test_device(), "trial", "receive", "", &plain), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_kernel_get(test_device(), "trial", "receive", "-DFACTOR=2", &twice), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_kernel_get(test_device(), "trial", "receive", "-DFACTOR=2", &again), THAW_OK);
    CU_ASSERT_PTR_EQUAL(twice, again);
    CU_ASSERT_PTR_NOT_EQUAL(twice, plain);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), sizeof out, &buffer), THAW_OK);
    CU_ASSERT_EQUAL(thaw_kernel_launch(twice, THAW_RANGE_1(1), THAW_BUFFER(buffer), THAW_BUFFER(NULL), THAW_INT(-21),
                                       THAW_LONG(5000000000), THAW_FLOAT(NAN)),
                    THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, out, sizeof out), THAW_OK);
    CU_ASSERT(out[0] == 1 && out[1] == -42 && out[2] == 1 && isnan(out[3]));
    CU_ASSERT_EQUAL(thaw_kernel_launch(plain, THAW_RANGE_1(1), THAW_BUFFER(buffer), THAW_BUFFER(buffer), THAW_INT(3),
                                       THAW_LONG(0), THAW_FLOAT(-INFINITY)),
                    THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, out, sizeof out), THAW_OK);
    CU_ASSERT(out[0] == -1 && out[1] == 3 && out[2] == 0 && isinf(out[3]) && out[3] < 0);
    thaw_buffer_destroy(&buffer);
    environment_restore();
}

static void compile_errors_say_what_and_where(void)
{
    device_trial trial;
    thaw_kernel *kernel;
    use_own_kernels();
    device_trial_open(&trial);
    CU_ASSERT_EQUAL(thaw_kernel_get(trial.device, "broken", "broken", "-DWIDTH=3", &kernel), THAW_ERR_COMPILE);
    CU_ASSERT_PTR_NULL(kernel);
    const char *message = thaw_error_message(trial.context);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "broken.cl"));
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "-DWIDTH=3"));
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "no_such_name"));
    /* Oclgrind counts lines in a file of its own. */
    CU_ASSERT(strstr(message, "broken.cl:3:") || strstr(thaw_device_describe(trial.device)->platform, "Oclgrind"));
    CU_ASSERT_PTR_NULL(strchr(message, '\n'));
    CU_ASSERT(trial.lines > 1);
    CU_ASSERT_EQUAL(thaw_kernel_get(trial.device, "trial", "no_such_kernel", "", &kernel), THAW_ERR_COMPILE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(trial.context), "no_such_kernel"));
    CU_ASSERT_EQUAL(thaw_kernel_get(trial.device, "no_such_file", "mark", "", &kernel), THAW_ERR_COMPILE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(trial.context), "no_such_file.cl"));
    /* None of it harms the device. */
    CU_ASSERT_EQUAL(thaw_kernel_get(trial.device, "trial", "mark", "", &kernel), THAW_OK);
    device_trial_close(&trial);
    environment_restore();
}

/* For drivers that ignore #line: whatever they say of the whole program's lines. */
static void lines_of_the_whole_program_become_a_files(void)
{
    static const thaw_program_parts parts = {
        {"b1\nb2\n", "c1\nc2\nc3\n", "\n#line 1 \"own.cl\"\n", "o1\no2\no3\n"},
        {"builtins.clh", "common.clh", "own.cl", "own.cl"},
    };
    static const thaw_program_parts without = {
        {"", "c1\nc2\nc3", "\n#line 1 \"own.cl\"\n", "o1\no2"},
        {"builtins.clh", "common.clh", "own.cl", "own.cl"},
    };
    static const struct {
        const thaw_program_parts *parts;
        const char *log, *placed;
    } rows[] = {
        {&parts, "<kernel>:10:12: error: no_such_name", "own.cl:3:12: error: no_such_name"},
        {&parts, "<kernel>:8:1: error", "own.cl:1:1: error"},
        {&parts, "<kernel>:1: a\n<kernel>:2: b\n<kernel>:3: c\n<kernel>:5: d\n",
         "builtins.clh:1: a\nbuiltins.clh:2: b\ncommon.clh:1: c\ncommon.clh:3: d\n"},
        {&without, "<kernel>:1: a, <kernel>:2: b", "common.clh:1: a, common.clh:2: b"},
        {&without, "at <kernel>:5:7: error", "at own.cl:1:7: error"},
        {&without, "<kernel>:99:1: error", "own.cl:95:1: error"},
        {&without, "<kernel>: <kernel> <kernel>:x", "<kernel>: <kernel> <kernel>:x"},
        {&without, "own.cl:3:12: error: no_such_name\n", "own.cl:3:12: error: no_such_name\n"},
        {&without, "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        thaw_text placed = {0};
        thaw_build_log_place(rows[i].parts, rows[i].log, &placed);
        CU_ASSERT_STRING_EQUAL(placed.data, rows[i].placed);
        thaw_text_free(&placed);
    }
}

static void wrong_launches_fail_with_the_kernels_name(void)
{
    thaw_kernel *mark;
    device_trial trial;
    use_own_kernels();
    device_trial_open(&trial);
    CU_ASSERT_EQUAL_FATAL(thaw_kernel_get(trial.device, "trial", "mark", "", &mark), THAW_OK);
    CU_ASSERT_EQUAL(thaw_kernel_launch(mark, THAW_RANGE_1(1), THAW_BUFFER(NULL), THAW_INT(1)), THAW_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(trial.context), "mark"));
    device_trial_close(&trial);
    environment_restore();
}

/* Builds all of a file of cl/: a kernel that does not exist is asked for. False where the options do not suit it. */
static bool build_all_of(device_trial *trial, const char *file, const char *options)
{
    char name[256];
    thaw_kernel *none;
    const int before = trial->built;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "."), file);
    CU_ASSERT_EQUAL(thaw_kernel_get(trial->device, name, "no_such_kernel", options, &none), THAW_ERR_COMPILE);
    return trial->built > before;
}

/* cl/builtins.clh declares what our kernels call, and a driver's slow header is read for those of others only. */
static void functions_are_declared_by_us_or_by_the_driver(void)
{
    static const char other[] =
        "kernel void other(global float *x)\n{\n    x[0] = trunc(x[0]) + nextafter(x[1], x[2]);\n}\n";
    static const char options[] = "-DBLOCK=4 -DKERNEL_W=3 -DSTRIDE_W=2 -DDILATION_W=1 -DACTIVATION=1";
    float numbers[] = {2.5f, 1, 1};
    thaw_kernel *kernel;
    thaw_buffer *buffer;
    device_trial trial;
    device_trial_open(&trial);
    for (size_t i = 0; i < thaw_kernel_source_count && !test_tiny(); i++) {
        const char *file = thaw_kernel_sources[i].file;
        if (!strstr(file, ".clh") && !(build_all_of(&trial, file, options) && trial.again == 0)) {
            printf("\n%s: ", file);
            CU_FAIL_FATAL("not built at once: does cl/builtins.clh lack a function?");
        }
    }
    use_own_kernels();
    file_put(getenv("THAW_KERNEL_DIR"), "other.cl", other, sizeof other - 1);
    CU_ASSERT_EQUAL_FATAL(thaw_kernel_get(trial.device, "other", "other", "", &kernel), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(trial.device, sizeof numbers, &buffer), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_write(buffer, 0, numbers, sizeof numbers), THAW_OK);
    CU_ASSERT_EQUAL(thaw_kernel_launch(kernel, THAW_RANGE_1(1), THAW_BUFFER(buffer)), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_read(buffer, 0, numbers, sizeof numbers), THAW_OK);
    CU_ASSERT_EQUAL(numbers[0], 3); /* 2 + 1 */
    thaw_buffer_destroy(&buffer);
    device_trial_close(&trial);
    environment_restore();
}

static const test_entry tests[] = {
    {"every work-item runs once", every_work_item_runs_once},
    {"arguments and options arrive", arguments_and_options_arrive},
    {"functions are declared by us or by the driver", functions_are_declared_by_us_or_by_the_driver},
    {"compile errors say what and where", compile_errors_say_what_and_where},
    {"lines of the whole program become a file's", lines_of_the_whole_program_become_a_files},
    {"wrong launches fail with the kernel's name", wrong_launches_fail_with_the_kernels_name},
};

void suite_kernel(void)
{
    TEST_SUITE("kernel", tests);
}
