#include "device_trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_VARIABLES 8
#define CHILD_MARK     "THAW_TEST_CHILD"

static struct {
    const char *name;
    char *value;
} saved[MOST_VARIABLES];
static size_t saved_count;

static void put(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

void environment_set(const char *name, const char *value)
{
    CU_ASSERT_FATAL(saved_count < MOST_VARIABLES);
    const char *old = getenv(name);
    saved[saved_count].name = name;
    saved[saved_count++].value = old ? strdup(old) : NULL;
    put(name, value);
}

void environment_restore(void)
{
    while (saved_count > 0) {
        saved_count--;
        put(saved[saved_count].name, saved[saved_count].value);
        free(saved[saved_count].value);
    }
}

bool is_child(void)
{
    return getenv(CHILD_MARK) != NULL;
}

int children_run(const char *suite, int copies)
{
    char program[1024], command[1200];
    FILE *children[4];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    CU_ASSERT_FATAL(length > 0 && (size_t)copies <= sizeof children / sizeof children[0]);
    program[length] = '\0';
    snprintf(command, sizeof command, CHILD_MARK "=1 '%s' %s", program, suite);
    for (int i = 0; i < copies; i++)
        children[i] = popen(command, "r");
    int failed = 0;
    for (int i = 0; i < copies; i++) {
        char output[8192] = "";
        CU_ASSERT_PTR_NOT_NULL_FATAL(children[i]);
        const size_t got = fread(output, 1, sizeof output - 1, children[i]);
        const int status = pclose(children[i]);
        if (status != 0) {
            printf("%.*s\n", (int)got, output);
            failed = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        }
    }
    return failed;
}

const char *folder_make(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    CU_ASSERT_FATAL(mkdir(path, 0700) == 0 || errno == EEXIST);
    return path;
}

void file_put(const char *folder, const char *file, const void *bytes, size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, stream), size);
    CU_ASSERT_EQUAL(fclose(stream), 0);
}

static void count_line(void *user, thaw_log_level level, const char *line)
{
    device_trial *trial = user;
    (void)level;
    trial->lines++;
    trial->built += strstr(line, "built in") != NULL;
    trial->again += strstr(line, "once more") != NULL;
    trial->cached += strstr(line, "from the cache") != NULL;
}

void device_trial_open(device_trial *trial)
{
    *trial = (device_trial){0};
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&trial->context), THAW_OK);
    thaw_context_set_log(trial->context, count_line, trial);
    CU_ASSERT_EQUAL_FATAL(thaw_device_open(trial->context, NULL, &trial->device), THAW_OK);
}

void device_trial_close(device_trial *trial)
{
    thaw_device_close(&trial->device);
    thaw_context_destroy(&trial->context);
}
