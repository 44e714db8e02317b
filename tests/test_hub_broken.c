/* Pulling over connections that break, stall or are given up, onto disks that are full: what is kept, and gone on with.
 */
#include "hub_trial.h"
#include "test.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void test_cut_and_resumed(void)
{
    hub_set_up();
    hub_page pages[] = {HUB_WEIGHTS_PAGE};
    pages[0].cut_at = 100000;
    pages[0].cuts = 2;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", hub_weights, sizeof hub_weights));
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=100000-\r\n"), 1);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=200000-\r\n"), 1);
    CU_ASSERT_EQUAL(hub_server_count(server, "If-Range: \"w1\"\r\n"), 2);
    hub_server_stop(&server);
    hub_tear_down();
}

static void test_failures_that_pass(void)
{
    hub_set_up();
    hub_page pages[] = {HUB_WEIGHTS_PAGE};
    pages[0].failures = 2;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    pages[0].failures = 100;
    CU_ASSERT_EQUAL(hub_pull(server), THAW_ERR_IO);
    CU_ASSERT_TRUE(hub_says("503"));
    hub_server_stop(&server);
    hub_tear_down();
}

/* Starts a pull whose connection is cut for good after 100000 bytes, and leaves a part. */
static hub_server *leave_part(hub_page *page)
{
    *page = (hub_page)HUB_WEIGHTS_PAGE;
    page->cut_at = 100000;
    page->cuts = 1;
    hub_server *server = hub_server_start("127.0.0.1", page, 1, false);
    thaw_hub_options options = hub_options_for(server);
    options.retries = 0;
    CU_ASSERT_EQUAL(hub_pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT_EQUAL(hub_part_bytes(), 100000);
    CU_ASSERT_FALSE(hub_exists("a/b/model.safetensors"));
    hub_server_forget(server);
    return server;
}

static void test_next_run_goes_on(void)
{
    hub_page page;
    hub_set_up();
    hub_server *server = leave_part(&page);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=100000-\r\n"), 1);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", hub_weights, sizeof hub_weights));
    hub_server_stop(&server);
    hub_tear_down();
}

/* A server that sends all of it is taken at its word; one that sends other bytes is not. */
static void test_ranges_ignored(void)
{
    hub_page page;
    hub_set_up();
    hub_server *server = leave_part(&page);
    page.ignores_ranges = true;
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", hub_weights, sizeof hub_weights));
    hub_server_stop(&server);
    hub_tear_down();

    hub_set_up();
    server = leave_part(&page);
    page.wrong_ranges = true;
    CU_ASSERT_EQUAL(hub_pull(server), THAW_ERR_IO);
    CU_ASSERT_TRUE(hub_says("other bytes"));
    hub_server_stop(&server);
    hub_tear_down();
}

/* What is left of another file is of no use, and goes. */
static void test_changed_meanwhile(void)
{
    static char other[HUB_MODEL_BYTES];
    hub_page page;
    hub_set_up();
    hub_server *server = leave_part(&page);
    page.etag = "\"w2\"";
    page.body = other;
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range:"), 0);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", other, sizeof other));
    CU_ASSERT_EQUAL(hub_part_bytes(), -1);
    hub_server_stop(&server);
    hub_tear_down();
}

/* A part that something else has spoilt is found by the digest, and brought again from the beginning. */
static void test_spoilt_part(void)
{
    char headers[256];
    hub_set_up();
    snprintf(headers, sizeof headers, "X-Linked-ETag: \"%s\"\r\n", hub_weights_sha256);
    hub_page page = HUB_WEIGHTS_PAGE;
    page.headers = headers;
    page.cut_at = 100000;
    page.cuts = 1;
    hub_server *server = hub_server_start("127.0.0.1", &page, 1, false);
    thaw_hub_options options = hub_options_for(server);
    options.retries = 0;
    CU_ASSERT_EQUAL(hub_pull_with("a/b", &options), THAW_ERR_IO);
    char command[600];
    snprintf(command, sizeof command,
             "for f in '%s'/a/b/.model.*.part; do printf XXXX | dd of=\"$f\" conv=notrunc bs=1 "
             "status=none; done",
             hub_path(""));
    CU_ASSERT_EQUAL(system(command), 0);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", hub_weights, sizeof hub_weights));
    hub_server_stop(&server);
    hub_tear_down();
}

/* A connection on which nothing comes any more is given up, and the next goes on from there. */
static void test_stalled(void)
{
    hub_set_up();
    hub_page pages[] = {HUB_WEIGHTS_PAGE};
    pages[0].pause_at = 100000;
    pages[0].pause_milliseconds = 10000;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    thaw_hub_options options = hub_options_for(server);
    options.stall_seconds = 0.3;
    options.retries = 0;
    const double start = thaw_clock_seconds();
    CU_ASSERT_EQUAL(hub_pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT(thaw_clock_seconds() - start < 8);
    CU_ASSERT_TRUE(hub_says("nothing has come"));
    CU_ASSERT_EQUAL(hub_part_bytes(), 100000);
    hub_server_stop(&server);
    hub_tear_down();
}

static void *interrupt_soon(void *unused)
{
    for (int i = 0; i < 500 && hub_part_bytes() < 100000; i++)
        usleep(10000);
    thaw_context_interrupt(hub_context);
    return unused;
}

static void test_interrupted(void)
{
    pthread_t thread;
    hub_set_up();
    hub_page pages[] = {HUB_WEIGHTS_PAGE};
    pages[0].pause_at = 100000;
    pages[0].pause_milliseconds = 10000;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_ERR_INTERRUPTED);
    CU_ASSERT_TRUE(hub_says("a/b: interrupted; what has come is kept"));
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(hub_part_bytes(), 100000);
    thaw_context_resume(hub_context);
    pages[0].pause_milliseconds = 0;
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=100000-\r\n"), 1);
    hub_server_stop(&server);
    hub_tear_down();
}

/* A file that can't grow stands for a full disk. */
static void test_full_disk(void)
{
    struct rlimit before, small;
    hub_set_up();
    hub_page pages[] = {HUB_WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 150000;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    const thaw_status status = hub_pull(server);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    CU_ASSERT_EQUAL(status, THAW_ERR_IO);
    CU_ASSERT_TRUE(hub_says("no room on the disk"));
    CU_ASSERT_EQUAL(hub_part_bytes(), 150000);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=150000-\r\n"), 1);
    hub_server_stop(&server);
    hub_tear_down();
}

void suite_hub_broken(void)
{
    static const test_entry tests[] = {
        {"cut and resumed", test_cut_and_resumed},
        {"failures that pass", test_failures_that_pass},
        {"the next run goes on", test_next_run_goes_on},
        {"ranges ignored", test_ranges_ignored},
        {"changed meanwhile", test_changed_meanwhile},
        {"a spoilt part", test_spoilt_part},
        {"stalled", test_stalled},
        {"interrupted", test_interrupted},
        {"a full disk", test_full_disk},
    };
    TEST_SUITE("hub_broken", tests);
}
