/* hub_serve FOLDER [PAUSE]: plays a hub that hands out FOLDER/OWNER/NAME/FILE as /OWNER/NAME/resolve/main/FILE, for
 * scripts: prints its address, and when standard input ends, how many requests there were. PAUSE: waits ten seconds
 * after so many bytes of a file. Safetensors lie at another address, as with the usual hub.
 *
 * hub_serve --weights FILE: writes a small model of an architecture that Thaw knows. */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "hub_server.h"
#include "weights_subject.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hub/digest.h"

#define MOST_PAGES 64

static thaw_context *context;
static hub_page pages[MOST_PAGES], stored[MOST_PAGES];
static size_t page_count, stored_count;
static const char *root, *store_base;
static int pause_at;

static void must(thaw_status status)
{
    if (status == THAW_OK)
        return;
    fprintf(stderr, "hub_serve: %s\n", thaw_error_message(context));
    exit(1);
}

static char *format(const char *pattern, const char *a, const char *b, const char *c)
{
    const size_t size = strlen(pattern) + strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = malloc(size);
    if (!text)
        exit(1);
    snprintf(text, size, pattern, a, b, c);
    return text;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The page in `pages` sends to one in `stored`. */
static void store(hub_page *page, const char *file)
{
    char digest[THAW_DIGEST_TEXT], size[32];
    const int descriptor = open(file, O_RDONLY);
    must(thaw_digest_file(context, descriptor, THAW_HUB_CHECK_SHA256, digest));
    close(descriptor);
    snprintf(size, sizeof size, "%zu", page->size);
    stored[stored_count] = *page;
    stored[stored_count].path = format("/store/%s%s%s", digest, "", "");
    char *location = format("Location: %s/store/%s?key=1%s\r\n", store_base, digest, "");
    page->headers = format("X-Linked-ETag: \"%s\"\r\nX-Linked-Size: %s\r\n%s", digest, size, location);
    page->status = 302;
    page->size = 0;
    page->etag = NULL;
    free(location);
    stored_count++;
}

static int add(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    uint8_t *bytes;
    size_t size;
    (void)facts;
    const char *inside = path + strlen(root) + 1;
    if (kind != FTW_F || page_count == MOST_PAGES)
        return 0;
    must(thaw_file_read(context, path, 1 << 28, &bytes, &size));
    char *model = strndup(inside, (size_t)(path + place->base - inside - 1));
    pages[page_count] = (hub_page){.path = format("/%s/resolve/main/%s%s", model, path + place->base, ""),
                                   .body = bytes,
                                   .size = size,
                                   .etag = format("\"%s%s%s\"", inside, "", ""),
                                   .pause_at = pause_at,
                                   .pause_milliseconds = pause_at ? 10000 : 0};
    free(model);
    if (ends_with(path, ".safetensors"))
        store(&pages[page_count], path);
    page_count++;
    return 0;
}

static void serve(void)
{
    char line[64];
    hub_server *other = hub_server_start("127.0.0.2", stored, MOST_PAGES, false);
    store_base = hub_server_base(other);
    if (nftw(root, add, 8, FTW_PHYS) != 0)
        exit(1);
    hub_server *server = hub_server_start("127.0.0.1", pages, page_count, false);
    puts(hub_server_base(server));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
    }
    printf("%zu requests\n", hub_server_count(server, " HTTP/1.1\r\n") + hub_server_count(other, " HTTP/1.1\r\n"));
    printf("%zu tokens elsewhere\n", hub_server_count(other, "Authorization"));
    hub_server_stop(&server);
    hub_server_stop(&other);
}

static void write_weights(const char *path)
{
    static weights_subject subject;
    weights_subject_make(&subject);
    must(thaw_safetensors_write(context, path, subject.tensors, subject.count, NULL, 0));
}

static void free_pages(hub_page *list, size_t count, bool bodies)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)(uintptr_t)list[i].path);
        free((char *)(uintptr_t)list[i].etag);
        free((char *)(uintptr_t)list[i].headers);
        if (bodies)
            free((void *)(uintptr_t)list[i].body);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3 || thaw_context_create(&context) != THAW_OK)
        return 2;
    if (argc == 3 && strcmp(argv[1], "--weights") == 0) {
        write_weights(argv[2]);
    } else {
        root = argv[1];
        pause_at = argc == 3 ? atoi(argv[2]) : 0;
        serve();
        free_pages(pages, page_count, true);
        free_pages(stored, stored_count, false);
    }
    thaw_context_destroy(&context);
    return 0;
}
