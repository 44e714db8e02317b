/* Checkpoints as files: what is saved comes back, what is damaged does not. */
#include "device_trial.h"
#include "op_harness.h"
#include "test.h"

#include "base/file.h"
#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLOATS = 5, COUNTERS = 3 };

/* A state of one array on the device and one in memory. */
typedef struct subject {
    thaw_checkpoint *checkpoint;
    thaw_buffer *buffer;
    uint64_t counters[COUNTERS];
} subject;

static thaw_status open_subject(subject *s, const char *folder, const char *note, int64_t floats)
{
    *s = (subject){0};
    CU_ASSERT_EQUAL_FATAL(thaw_buffer_create(test_device(), FLOATS * sizeof(float), &s->buffer), THAW_OK);
    const thaw_status status = thaw_checkpoint_open(test_context(), folder, &s->checkpoint);
    if (status != THAW_OK)
        return status;
    CU_ASSERT_EQUAL(thaw_checkpoint_note(s->checkpoint, "model", "%s", note), THAW_OK);
    CU_ASSERT_EQUAL(thaw_checkpoint_note(s->checkpoint, "lr", "%.17g", 1e-3), THAW_OK);
    CU_ASSERT_EQUAL(thaw_checkpoint_add_buffer(s->checkpoint, "parameter", "w", s->buffer, floats), THAW_OK);
    CU_ASSERT_EQUAL(thaw_checkpoint_add_memory(s->checkpoint, "run", "counters", THAW_UINT64, s->counters, COUNTERS),
                    THAW_OK);
    return THAW_OK;
}

static void close_subject(subject *s)
{
    thaw_checkpoint_close(&s->checkpoint);
    thaw_buffer_destroy(&s->buffer);
}

/* Saves a state that is made of the step's number. */
static thaw_status save(subject *s, uint64_t step)
{
    float numbers[FLOATS];
    for (int i = 0; i < FLOATS; i++)
        numbers[i] = (float)step + (float)i / 8;
    for (int i = 0; i < COUNTERS; i++)
        s->counters[i] = step << (20 * i);
    CU_ASSERT_EQUAL(thaw_buffer_write(s->buffer, 0, numbers, sizeof numbers), THAW_OK);
    return thaw_checkpoint_save(s->checkpoint, step);
}

static void spoil(subject *s)
{
    CU_ASSERT_EQUAL(thaw_buffer_fill(s->buffer, 0, 0, FLOATS * sizeof(float)), THAW_OK);
    memset(s->counters, 0, sizeof s->counters);
}

/* Loads, and says which step's state came back: 0 for none. */
static uint64_t load(subject *s, thaw_status wanted)
{
    float numbers[FLOATS];
    bool found;
    spoil(s);
    CU_ASSERT_EQUAL(thaw_checkpoint_load(s->checkpoint, &found), wanted);
    CU_ASSERT_EQUAL(thaw_buffer_read(s->buffer, 0, numbers, sizeof numbers), THAW_OK);
    const uint64_t step = s->counters[0];
    CU_ASSERT_EQUAL(found && wanted == THAW_OK, step > 0);
    for (int i = 0; i < FLOATS && step; i++)
        CU_ASSERT_EQUAL(numbers[i], (float)step + (float)i / 8);
    for (int i = 0; i < COUNTERS; i++)
        CU_ASSERT_EQUAL(s->counters[i], step << (20 * i));
    return step;
}

static char *path_of(const char *folder, uint64_t step)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/checkpoint-%012llu.safetensors", folder, (unsigned long long)step);
    return path;
}

static void put(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void kept(void)
{
    char folder[512], path[700];
    subject s;
    bool exists;
    snprintf(folder, sizeof folder, "%s", folder_make("kept"));
    snprintf(path, sizeof path, "%s.0123.tmp", path_of(folder, 7));
    put(path, (const uint8_t *)"x", 1); /* half of a file, from a run that was killed */
    snprintf(path, sizeof path, "%s/notes.txt", folder);
    put(path, (const uint8_t *)"x", 1); /* somebody else's */
    CU_ASSERT_EQUAL(open_subject(&s, folder, "m", FLOATS), THAW_OK);
    CU_ASSERT_EQUAL(thaw_checkpoint_exists(s.checkpoint, &exists), THAW_OK);
    CU_ASSERT(!exists);
    CU_ASSERT_EQUAL(load(&s, THAW_OK), 0);
    for (uint64_t step = 9; step <= 12; step++)
        CU_ASSERT_EQUAL(save(&s, step), THAW_OK);
    CU_ASSERT_EQUAL(load(&s, THAW_OK), 12);
    CU_ASSERT(access(path_of(folder, 12), F_OK) == 0 && access(path_of(folder, 11), F_OK) == 0);
    CU_ASSERT(access(path_of(folder, 10), F_OK) != 0 && access(path_of(folder, 9), F_OK) != 0);
    CU_ASSERT(access(path, F_OK) == 0);
    snprintf(path, sizeof path, "%s.0123.tmp", path_of(folder, 7));
    CU_ASSERT(access(path, F_OK) != 0);
    close_subject(&s);
}

static void count_warning(void *user, thaw_log_level level, const char *line)
{
    *(int *)user += level == THAW_LOG_WARNING && strstr(line, "damaged") != NULL;
}

/* Every byte of the newest one changed, one after the other, and the file cut off anywhere: the one before is taken,
 * and that is said; only where nothing of the content changes (a blank in the header) it may stay. */
static void damaged(void)
{
    char folder[512], newest[600];
    subject s;
    uint8_t *bytes;
    size_t size, harmless = 0;
    int warnings = 0, expected = 0;
    snprintf(folder, sizeof folder, "%s", folder_make("damaged"));
    CU_ASSERT_EQUAL(open_subject(&s, folder, "m", FLOATS), THAW_OK);
    CU_ASSERT_EQUAL(save(&s, 1), THAW_OK);
    CU_ASSERT_EQUAL(save(&s, 2), THAW_OK);
    snprintf(newest, sizeof newest, "%s", path_of(folder, 2));
    CU_ASSERT_EQUAL_FATAL(thaw_file_read(test_context(), newest, 1 << 20, &bytes, &size), THAW_OK);
    thaw_context_set_log(test_context(), count_warning, &warnings);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (uint8_t)(1 << i % 8);
        put(newest, bytes, size);
        bytes[i] ^= (uint8_t)(1 << i % 8);
        const uint64_t step = load(&s, THAW_OK);
        CU_ASSERT(step == 1 || step == 2);
        harmless += step == 2;
        expected += step == 1;
    }
    CU_ASSERT(harmless <= 8);
    for (size_t length = 0; length < size; length++) {
        put(newest, bytes, length);
        CU_ASSERT_EQUAL(load(&s, THAW_OK), 1);
        expected++;
    }
    CU_ASSERT_EQUAL(warnings, expected);
    put(path_of(folder, 1), bytes, size - 1);
    CU_ASSERT_EQUAL(load(&s, THAW_ERR_IO), 0);
    thaw_context_set_log(test_context(), NULL, NULL);
    free(bytes);
    close_subject(&s);
}

static void others(void)
{
    char folder[512];
    subject s;
    snprintf(folder, sizeof folder, "%s", folder_make("others"));
    CU_ASSERT_EQUAL(open_subject(&s, folder, "m", FLOATS), THAW_OK);
    CU_ASSERT_EQUAL(save(&s, 3), THAW_OK);
    close_subject(&s);
    CU_ASSERT_EQUAL(open_subject(&s, folder, "n", FLOATS), THAW_OK);
    CU_ASSERT_EQUAL(load(&s, THAW_ERR_USAGE), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(thaw_error_message(test_context()), "model is m there, n here"));
    close_subject(&s);
    CU_ASSERT_EQUAL(open_subject(&s, folder, "m", FLOATS - 1), THAW_OK);
    CU_ASSERT_EQUAL(load(&s, THAW_ERR_USAGE), 0);
    close_subject(&s);
    CU_ASSERT_EQUAL(open_subject(&s, folder, "m", FLOATS), THAW_OK);
    CU_ASSERT_EQUAL(thaw_checkpoint_note(s.checkpoint, "device", "another one"), THAW_OK);
    CU_ASSERT_EQUAL(load(&s, THAW_OK), 3); /* is only told */
    close_subject(&s);
}

/* Weights that are no numbers don't replace ones that are. */
static void not_numbers(void)
{
    const float bad[FLOATS] = {1, 2, NAN};
    char folder[512];
    subject s;
    snprintf(folder, sizeof folder, "%s", folder_make("not_numbers"));
    CU_ASSERT_EQUAL(open_subject(&s, folder, "m", FLOATS), THAW_OK);
    CU_ASSERT_EQUAL(save(&s, 3), THAW_OK);
    CU_ASSERT_EQUAL(thaw_buffer_write(s.buffer, 0, bad, sizeof bad), THAW_OK);
    CU_ASSERT_EQUAL(thaw_checkpoint_save(s.checkpoint, 4), THAW_ERR_DIVERGED);
    CU_ASSERT_EQUAL(load(&s, THAW_OK), 3);
    close_subject(&s);
}

void suite_checkpoint(void)
{
    static const test_entry tests[] = {
        {"kept", kept}, {"damaged", damaged}, {"other runs", others}, {"not numbers", not_numbers}};
    TEST_SUITE("checkpoint", tests);
}
