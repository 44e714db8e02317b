/* What pulling refuses: files that are not what the hub says, answers that are none, indices that reach out, wishes
 * that can't be. */
#include "hub_trial.h"
#include "test.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One file that should not be taken, or one answer that is none. */
static void test_refusals(void)
{
    static const struct {
        const char *what, *headers, *says;
        thaw_status expected;
        hub_page page;
    } cases[] = {
        {"no digest fits",
         "X-Linked-ETag: \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\r\n",
         "its sha256 is",
         THAW_ERR_CHECK,
         {0}},
        {"nor a git digest",
         "X-Linked-ETag: \"3b18e512dba79e4c8300dd08aeb37f8e728b8dad\"\r\n",
         "its git-sha1 is",
         THAW_ERR_CHECK,
         {0}},
        {"another length than the hub says",
         "X-Linked-Size: 1000\r\n",
         "should have 1000 bytes, and 300000",
         THAW_ERR_CHECK,
         {0}},
        {"a length that is never reached", NULL, HUB_WEIGHTS_PATH, THAW_ERR_IO, {.announced = HUB_MODEL_BYTES + 5}},
        {"no length, no digest", NULL, "neither how long it is", THAW_ERR_IO, {.no_length = true}},
        {"larger than can be read", "X-Linked-Size: 99999999999\r\n", "more than the", THAW_ERR_SIZE, {0}},
        {"a length beyond numbers", "X-Linked-Size: 99999999999999999999\r\n", NULL, THAW_OK, {0}},
        {"a length below zero", "X-Linked-Size: -1\r\n", NULL, THAW_OK, {0}},
        {"401", NULL, "it needs a token (THAW_HUB_TOKEN)", THAW_ERR_IO, {.status = 401}},
        {"403", NULL, "refuses (403)", THAW_ERR_IO, {.status = 403}},
        {"a gated model", "X-Error-Code: GatedRepo\r\n", "terms", THAW_ERR_MODEL, {.status = 403}},
        {"no such model", "X-Error-Code: RepoNotFound\r\n", "no such model", THAW_ERR_MODEL, {.status = 401}},
        {"no such revision", "X-Error-Code: RevisionNotFound\r\n", "no such revision", THAW_ERR_MODEL, {.status = 404}},
        {"404", NULL, "no such model", THAW_ERR_MODEL, {.status = 404}},
        {"404 of a file", "X-Error-Code: EntryNotFound\r\n", "no such model", THAW_ERR_MODEL, {.status = 404}},
        {"418", NULL, "status 418", THAW_ERR_IO, {.status = 418}},
        {"500", NULL, "status 500", THAW_ERR_IO, {.status = 500}},
        {"429", NULL, "status 429", THAW_ERR_IO, {.status = 429}},
        {"204", NULL, "status 204", THAW_ERR_IO, {.status = 204}},
        {"a redirect to nowhere", NULL, "status 302", THAW_ERR_IO, {.status = 302}},
        {"redirects in a circle", "Location: " HUB_WEIGHTS_PATH "\r\n", "more than 10", THAW_ERR_IO, {.status = 302}},
        {"plain http elsewhere", "Location: http://192.0.2.1/x\r\n", "must be https", THAW_ERR_IO, {.status = 301}},
        {"a file of this machine", "Location: file:///etc/passwd\r\n", "not followed", THAW_ERR_IO, {.status = 302}},
        {"another protocol", "Location: ftp://127.0.0.1/x\r\n", "neither https nor http", THAW_ERR_IO, {.status = 302}},
        {"a password", "Location: http://u:p@127.0.0.1/x\r\n", "password", THAW_ERR_IO, {.status = 302}},
        {"headers without end", NULL, "headers", THAW_ERR_IO, {.flood = true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hub_set_up();
        hub_page page = cases[i].page;
        page.path = HUB_WEIGHTS_PATH;
        page.body = hub_weights;
        page.size = page.status ? 0 : sizeof hub_weights;
        page.headers = cases[i].headers;
        hub_server *server = hub_server_start("127.0.0.1", &page, 1, false);
        const thaw_status status = hub_pull(server);
        if (status != cases[i].expected)
            printf("  %s: %s, not %s (%s)\n", cases[i].what, thaw_status_text(status),
                   thaw_status_text(cases[i].expected), thaw_error_message(hub_context));
        CU_ASSERT_EQUAL(status, cases[i].expected);
        CU_ASSERT_EQUAL(hub_exists("a/b/model.safetensors"), cases[i].expected == THAW_OK);
        if (cases[i].says)
            CU_ASSERT_TRUE(hub_says(cases[i].says));
        if (cases[i].expected == THAW_ERR_CHECK)
            CU_ASSERT_EQUAL(hub_part_bytes(), -1);
        hub_server_stop(&server);
        hub_tear_down();
    }
}

static void test_hostile_indices(void)
{
    static const struct {
        const char *index, *says;
    } cases[] = {
        {"{\"weight_map\": {\"x\": \"../../x.safetensors\"}}", "beside the index"},
        {"{\"weight_map\": {\"x\": \"/etc/x.safetensors\"}}", "beside the index"},
        {"{\"weight_map\": {\"x\": \"y/x.safetensors\"}}", "beside the index"},
        {"{\"weight_map\": {\"x\": \".x.safetensors\"}}", "beside the index"},
        {"{\"weight_map\": {\"x\": \"pulled.json\"}}", "beside the index"},
        {"{\"weight_map\": {\"x\": 7}}", "beside the index"},
        {"{\"weight_map\": {\"x\": \"none.safetensors\"}}", "the hub does not have"},
        {"{\"weight_map\": {}}", "empty"},
        {"[]", "no weight_map"},
        {"{\"weight_map\": {\"x\": \"a\", \"x\": \"b\"}}", "no JSON"},
        {"no JSON", "no JSON"},
        {"", "no JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hub_set_up();
        hub_page page = {.path = "/a/b/resolve/main/model.safetensors.index.json",
                         .body = cases[i].index,
                         .size = strlen(cases[i].index)};
        hub_server *server = hub_server_start("127.0.0.1", &page, 1, false);
        CU_ASSERT_EQUAL(hub_pull(server), THAW_ERR_MODEL);
        CU_ASSERT_TRUE(hub_says(cases[i].says));
        CU_ASSERT_EQUAL(hub_server_count(server, "GET "), page.size > 0);
        CU_ASSERT_FALSE(hub_exists("a/b/model.safetensors.index.json"));
        hub_server_stop(&server);
        hub_tear_down();
    }
}

static void test_wrong_wishes(void)
{
    static const struct {
        const char *name, *hub, *revision, *file;
    } cases[] = {
        {"b", NULL, NULL, NULL},
        {"a/../b", NULL, NULL, NULL},
        {"a/b", NULL, "../x", NULL},
        {"a/b", NULL, NULL, "../x"},
        {"a/b", NULL, NULL, "pulled.json"},
        {"a/b", "http://192.0.2.1", NULL, NULL},
        {"a/b", "ftp://127.0.0.1", NULL, NULL},
        {"a/b", "127.0.0.1", NULL, NULL},
        {"a/b", "https://hub.example/?x", NULL, NULL},
        {"a/b", "https://hub.example/#x", NULL, NULL},
        {"a/b", "https://user:secret@hub.example/", NULL, NULL},
        {"a/b", "https://", NULL, NULL},
    };
    hub_set_up();
    setenv("THAW_HUB", "http://127.0.0.1:1", 1); /* nobody is there: whoever is asked does not answer */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_hub_options options = thaw_hub_defaults();
        options.hub = cases[i].hub;
        options.revision = cases[i].revision;
        options.file = cases[i].file;
        CU_ASSERT_EQUAL(hub_pull_with(cases[i].name, &options), THAW_ERR_USAGE);
    }
    const thaw_hub_options options = thaw_hub_defaults();
    const double start = thaw_clock_seconds();
    CU_ASSERT_EQUAL(hub_pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT(thaw_clock_seconds() - start < options.retry_seconds); /* not tried again: it has never answered */
    setenv("THAW_MODEL_DIR", "/dev/null/x", 1);
    CU_ASSERT_EQUAL(hub_pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT_TRUE(hub_says("/dev/null"));
    hub_tear_down();
}

void suite_hub_refused(void)
{
    static const test_entry tests[] = {
        {"refusals", test_refusals},
        {"hostile indices", test_hostile_indices},
        {"wrong wishes", test_wrong_wishes},
    };
    TEST_SUITE("hub_refused", tests);
}
