/* Listing, choosing, opening and checking devices. */
#include "device_trial.h"

#include <stdio.h>
#include <string.h>

static thaw_device_info *list;
static size_t count;

static void list_devices(const char *selector)
{
    CU_ASSERT_EQUAL_FATAL(thaw_devices_list(test_context(), selector, &list, &count), THAW_OK);
}

static size_t find_selected(void)
{
    size_t found = count;
    for (size_t i = 0; i < count; i++)
        if (list[i].selected) {
            CU_ASSERT_EQUAL(found, count);
            found = i;
        }
    return found;
}

static void list_is_sound(void)
{
    list_devices("0");
    CU_ASSERT_FATAL(count > 0);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(list[i].index, i);
        CU_ASSERT(list[i].name[0] != '\0' && list[i].platform[0] != '\0' && list[i].version[0] != '\0');
        CU_ASSERT_EQUAL(list[i].score > 0, list[i].reason[0] == '\0');
        CU_ASSERT(list[i].global_bytes >= list[i].max_alloc_bytes && list[i].max_alloc_bytes > 0);
        CU_ASSERT(list[i].compute_units > 0 && list[i].max_work_group > 0);
    }
    CU_ASSERT_EQUAL(find_selected(), 0);
    thaw_devices_free(&list);
    CU_ASSERT_PTR_NULL(list);
    thaw_devices_free(&list);
    thaw_devices_free(NULL);
}

static void without_selector_the_environment_or_the_score_chooses(void)
{
    environment_set("THAW_DEVICE", NULL);
    list_devices(NULL);
    const size_t best = find_selected();
    CU_ASSERT_FATAL(best < count);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT(list[i].score <= list[best].score);
    thaw_devices_free(&list);
    environment_set("THAW_DEVICE", "no such device");
    list_devices(NULL);
    CU_ASSERT_EQUAL(find_selected(), count);
    thaw_devices_free(&list);
    list_devices("0");
    CU_ASSERT_EQUAL(find_selected(), 0);
    thaw_devices_free(&list);
    environment_restore();
}

static void selectors_find_by_index_type_and_name(void)
{
    const thaw_device_info *mine = thaw_device_describe(test_device());
    char part[8] = "", index[24];
    for (size_t i = 0; i < sizeof part - 1 && mine->name[i]; i++) /* the other case */
        part[i] = (char)(mine->name[i] >= 'a' && mine->name[i] <= 'z' ? mine->name[i] - 32 : mine->name[i]);
    snprintf(index, sizeof index, "%zu", mine->index);
    const char *const finding[] = {index, part, mine->platform};
    for (size_t i = 0; i < sizeof finding / sizeof finding[0]; i++) {
        list_devices(finding[i]);
        const size_t found = find_selected();
        CU_ASSERT_FATAL(found < count);
        CU_ASSERT(i > 0 || found == mine->index);
        thaw_devices_free(&list);
    }
    list_devices(strcmp(mine->type, "gpu") == 0 ? "GPU" : "CPU");
    const size_t found = find_selected();
    CU_ASSERT_FATAL(found < count);
    CU_ASSERT_STRING_EQUAL(list[found].type, mine->type);
    thaw_devices_free(&list);
}

static void selectors_that_match_nothing_name_what_there_is(void)
{
    static const char *const wrong[] = {"no such device", "99999", "-1", "0x0", "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        thaw_device *device;
        CU_ASSERT_EQUAL(thaw_device_open(test_context(), wrong[i], &device), THAW_ERR_DEVICE);
        CU_ASSERT_PTR_NULL(device);
        const char *message = thaw_error_message(test_context());
        CU_ASSERT_PTR_NOT_NULL(strstr(message, wrong[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(message, thaw_device_describe(test_device())->name));
    }
}

static void devices_open_check_and_close(void)
{
    thaw_device *first, *second;
    CU_ASSERT_EQUAL_FATAL(thaw_device_open(test_context(), NULL, &first), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(thaw_device_open(test_context(), NULL, &second), THAW_OK);
    CU_ASSERT_PTR_EQUAL(thaw_device_context(first), test_context());
    CU_ASSERT(thaw_device_describe(first)->selected);
    CU_ASSERT_EQUAL(thaw_device_check(second), THAW_OK);
    CU_ASSERT_EQUAL(thaw_device_live_bytes(second), 0);
    CU_ASSERT(thaw_device_peak_bytes(second) > 0);
    CU_ASSERT_EQUAL(thaw_device_peak_bytes(first), 0);
    thaw_device_close(&first);
    CU_ASSERT_PTR_NULL(first);
    CU_ASSERT_EQUAL(thaw_device_check(second), THAW_OK);
    thaw_device_close(&second);
    thaw_device_close(&second);
    thaw_device_close(NULL);
}

/* The loader looks for drivers once in a process: this runs in a fresh one. */
static void in_child_no_device_says_what_to_install(void)
{
    thaw_device *device;
    list_devices(NULL);
    CU_ASSERT_EQUAL(count, 0);
    thaw_devices_free(&list);
    CU_ASSERT_EQUAL(thaw_device_open(test_context(), NULL, &device), THAW_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "pocl-opencl-icd"));
    CU_ASSERT_EQUAL(thaw_device_open(test_context(), "cpu", &device), THAW_ERR_DEVICE);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "pocl-opencl-icd"));
}

static void no_device_says_what_to_install(void)
{
    if (strstr(thaw_device_describe(test_device())->platform, "Oclgrind")) {
        test_skip("Oclgrind takes the loader's place");
        return;
    }
    environment_set("OCL_ICD_VENDORS", "/nonexistent");
    environment_set("THAW_DEVICE", NULL);
    CU_ASSERT_EQUAL(children_run("device", 1), 0);
    environment_restore();
}

static const test_entry tests[] = {
    {"the list is sound", list_is_sound},
    {"without a selector the environment or the score chooses", without_selector_the_environment_or_the_score_chooses},
    {"selectors find by index, type and name", selectors_find_by_index_type_and_name},
    {"selectors that match nothing name what there is", selectors_that_match_nothing_name_what_there_is},
    {"devices open, check and close", devices_open_check_and_close},
    {"no device: says what to install", no_device_says_what_to_install},
};

static const test_entry child_tests[] = {
    {"no device: says what to install", in_child_no_device_says_what_to_install},
};

void suite_device(void)
{
    if (is_child())
        TEST_SUITE("device", child_tests);
    else
        TEST_SUITE("device", tests);
}
