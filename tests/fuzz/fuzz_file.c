#include "fuzz_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/thaw_fuzz_XXXXXX", path[sizeof folder + 16];
static thaw_context *context;

static void clean_up(void)
{
    thaw_context_destroy(&context);
    unlink(path);
    rmdir(folder);
}

thaw_context *fuzz_context(void)
{
    if (context)
        return context;
    if (!mkdtemp(folder) || thaw_context_create(&context) != THAW_OK)
        abort();
    snprintf(path, sizeof path, "%s/input", folder);
    atexit(clean_up);
    return context;
}

const char *fuzz_file(const uint8_t *bytes, size_t size)
{
    fuzz_context();
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
    return path;
}
