/* Pulling models from a hub: a server on this machine plays it. */
#include "hub_trial.h"
#include "test.h"

#include "hub/address.h"
#include "hub/name.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- names, addresses, digests ------------------------------------------------------------------------------------ */

static void test_names(void)
{
    static const struct {
        const char *text, *revision, *model, *escaped; /* model NULL: no name */
    } cases[] = {
        {"timm/resnet18.a1_in1k", NULL, "timm/resnet18.a1_in1k", "main"},
        {"a/b@v1.0", NULL, "a/b", "v1.0"},
        {"a/b", "refs/pr/1", "a/b", "refs%2Fpr%2F1"},
        {"a/b@x", "x", "a/b", "x"},
        {"_a/b--c", NULL, "_a/b--c", "main"},
        {"a/b@x", "y", NULL, NULL},
        {"a", NULL, NULL, NULL},
        {"a/b/c", NULL, NULL, NULL},
        {"/a/b", NULL, NULL, NULL},
        {"a/", NULL, NULL, NULL},
        {"/b", NULL, NULL, NULL},
        {"a//b", NULL, NULL, NULL},
        {"../b", NULL, NULL, NULL},
        {"a/..", NULL, NULL, NULL},
        {"a/.b", NULL, NULL, NULL},
        {"a/-b", NULL, NULL, NULL},
        {"a/b c", NULL, NULL, NULL},
        {"a/b%2e", NULL, NULL, NULL},
        {"a/b?x", NULL, NULL, NULL},
        {"a/b#x", NULL, NULL, NULL},
        {"a\\b/c", NULL, NULL, NULL},
        {"a/b\n", NULL, NULL, NULL},
        {"a/\xc3\xa4", NULL, NULL, NULL},
        {"a/b@", NULL, NULL, NULL},
        {"a/b", "", NULL, NULL},
        {"a/b", "..", NULL, NULL},
        {"a/b", "x/../y", NULL, NULL},
        {"a/b", "/x", NULL, NULL},
        {"a/b", "x@y", NULL, NULL},
        {"", NULL, NULL, NULL},
    };
    thaw_hub_name name;
    const char *why;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bool good = thaw_hub_name_parse(cases[i].text, cases[i].revision, &name, &why);
        CU_ASSERT_EQUAL(good, cases[i].model != NULL);
        if (good && cases[i].model) {
            CU_ASSERT_STRING_EQUAL(name.model, cases[i].model);
            CU_ASSERT_STRING_EQUAL(name.escaped, cases[i].escaped);
        }
    }
    char text[400];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CU_ASSERT_FALSE(thaw_hub_name_parse(text, NULL, &name, &why));
    CU_ASSERT_FALSE(thaw_hub_name_parse("a/b", text, &name, &why));
    text[THAW_HUB_NAME_MOST] = '/';
    text[2 * THAW_HUB_NAME_MOST + 1] = '\0';
    CU_ASSERT_TRUE(thaw_hub_name_parse(text, NULL, &name, &why));
}

static void test_file_names(void)
{
    static const struct {
        const char *path;
        bool allowed, plain;
    } cases[] = {
        {"model.safetensors", true, true},
        {"model-00001-of-00002.safetensors", true, true},
        {"onnx/model.onnx", true, false},
        {"..", false, false},
        {"../x", false, false},
        {"x/../y", false, false},
        {"/x", false, false},
        {"x/", false, false},
        {".hidden", false, false},
        {"x/.y", false, false},
        {"x\\y", false, false},
        {"x?y", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(thaw_hub_file_allowed(cases[i].path, false), cases[i].allowed);
        CU_ASSERT_EQUAL(thaw_hub_file_allowed(cases[i].path, true), cases[i].plain);
    }
}

static void test_addresses(void)
{
    static const struct {
        const char *address;
        bool allowed, from_https, same; /* same: as https://hub.example */
    } cases[] = {
        {"https://hub.example/x", true, true, true},         {"HTTPS://HUB.EXAMPLE:443/x", true, true, true},
        {"https://hub.example:444/x", true, true, false},    {"https://hub.example.other/x", true, true, false},
        {"https://user@hub.example/x", false, false, true},  {"https://u:p@hub.example/x", false, false, true},
        {"http://hub.example/x", false, false, false},       {"http://127.0.0.1:8/x", true, false, false},
        {"http://127.1.2.3/x", true, false, false},          {"http://[::1]:8/x", true, false, false},
        {"http://localhost/x", true, false, false},          {"http://localhost.example/x", false, false, false},
        {"http://127.0.0.1.example/x", false, false, false}, {"http://128.0.0.1/x", false, false, false},
        {"http://0.0.0.0/x", false, false, false},           {"http://[::]/x", false, false, false},
        {"ftp://127.0.0.1/x", false, false, false},          {"file:///etc/passwd", false, false, false},
    };
    CURLU *hub = curl_url(), *address = curl_url();
    CU_ASSERT_FATAL(hub && address && curl_url_set(hub, CURLUPART_URL, "https://hub.example", 0) == CURLUE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *why;
        CU_ASSERT_EQUAL_FATAL(curl_url_set(address, CURLUPART_URL, cases[i].address, 0), CURLUE_OK);
        CU_ASSERT_EQUAL(thaw_address_allowed(address, &why), cases[i].allowed);
        CU_ASSERT_EQUAL(thaw_address_may_follow(hub, address, &why), cases[i].from_https);
        CU_ASSERT_EQUAL(thaw_address_same_origin(hub, address), cases[i].same);
    }
    curl_url_cleanup(hub);
    curl_url_cleanup(address);
}

static void test_digests(void)
{
    char text[THAW_DIGEST_TEXT];
    hub_set_up();
    /* FIPS 180-2, appendix B.1; and `git hash-object` of "hello world\n" */
    hub_digest("abc", 3, THAW_HUB_CHECK_SHA256, text);
    CU_ASSERT_STRING_EQUAL(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hub_digest("hello world\n", 12, THAW_HUB_CHECK_GIT_SHA1, text);
    CU_ASSERT_STRING_EQUAL(text, "3b18e512dba79e4c8300dd08aeb37f8e728b8dad");
    CU_ASSERT_EQUAL(thaw_digest_kind("3b18e512dba79e4c8300dd08aeb37f8e728b8daX"), THAW_HUB_CHECK_SIZE);
    CU_ASSERT_EQUAL(thaw_digest_kind(""), THAW_HUB_CHECK_SIZE);
    hub_tear_down();
}

/* --- what should work --------------------------------------------------------------------------------------------- */

static void test_plain(void)
{
    hub_set_up();
    hub_page pages[] = {HUB_CONFIG_PAGE, HUB_WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, false);
    thaw_hub_model model;
    thaw_hub_options options = hub_options_for(server);
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(hub_context, "a/b", &options, &model), THAW_OK);
    CU_ASSERT_STRING_EQUAL(model.name, "a/b");
    CU_ASSERT_STRING_EQUAL(model.folder, hub_path("a/b"));
    CU_ASSERT_EQUAL_FATAL(model.file_count, 2);
    CU_ASSERT_EQUAL(model.bytes, sizeof hub_weights + sizeof HUB_CONFIG - 1);
    CU_ASSERT_TRUE(model.files[0].downloaded && model.files[1].downloaded);
    CU_ASSERT_EQUAL(model.files[1].check, THAW_HUB_CHECK_SIZE);
    thaw_hub_model_free(&model);
    CU_ASSERT_TRUE(hub_holds("a/b/config.json", HUB_CONFIG, sizeof HUB_CONFIG - 1));
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", hub_weights, sizeof hub_weights));
    CU_ASSERT_EQUAL(hub_part_bytes(), -1);

    /* The same ETags: nothing comes again. Another one: only that file. */
    hub_server_forget(server);
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(hub_context, "a/b", &options, &model), THAW_OK);
    CU_ASSERT_TRUE(!model.files[0].downloaded && !model.files[1].downloaded);
    thaw_hub_model_free(&model);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 0);
    pages[0].etag = "\"c2\"";
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 1);
    hub_server_stop(&server);
    hub_tear_down();
}

/* As the usual hub has it: small files beside their git digest, large ones elsewhere, all of one commit. */
static void test_linked(void)
{
    hub_set_up();
    static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
    char linked[512], small[256], etag[80], first[128], second[128], third[128], fourth[128];
    snprintf(first, sizeof first, "/hub/a/b/resolve/v1/config.json");
    snprintf(second, sizeof second, "/hub/a/b/resolve/%s/config.json", commit);
    snprintf(third, sizeof third, "/hub/a/b/resolve/v1/model.safetensors");
    snprintf(fourth, sizeof fourth, "/hub/a/b/resolve/%s/model.safetensors", commit);
    hub_page stored[] = {{.path = "/store/w",
                          .body = hub_weights,
                          .size = sizeof hub_weights,
                          .etag = "\"another\"",
                          .headers = "X-Linked-ETag: \"0000\"\r\nX-Linked-Size: 1\r\nX-Repo-Commit: 1\r\n"}};
    hub_server *store = hub_server_start("127.0.0.2", stored, 1, false);
    snprintf(etag, sizeof etag, "W/\"%s\"", hub_config_sha1);
    snprintf(small, sizeof small, "X-Repo-Commit: %s\r\n", commit);
    snprintf(linked, sizeof linked,
             "x-repo-commit: %s\r\nX-LINKED-ETAG: \"%s\"\r\nx-linked-size: %zu\r\nLocation: %s/store/w?key=1\r\n",
             commit, hub_weights_sha256, sizeof hub_weights, hub_server_base(store));
    hub_page pages[] = {{.path = first, HUB_TEXT(HUB_CONFIG), .etag = etag, .headers = small},
                        {.path = second, HUB_TEXT(HUB_CONFIG), .etag = etag, .headers = small},
                        {.path = third, .status = 302, .headers = linked},
                        {.path = fourth, .status = 302, .headers = linked}};
    hub_server *server = hub_server_start("127.0.0.1", pages, 4, false);
    char hub[128];
    snprintf(hub, sizeof hub, "%s/hub//", hub_server_base(server));
    setenv("THAW_HUB", hub, 1);
    setenv("THAW_HUB_TOKEN", "secret", 1);
    const thaw_hub_options options = thaw_hub_defaults();
    thaw_hub_model model;
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(hub_context, "a/b@v1", &options, &model), THAW_OK);
    CU_ASSERT_STRING_EQUAL(model.name, "a/b@v1");
    CU_ASSERT_STRING_EQUAL(model.commit, commit);
    CU_ASSERT_EQUAL(model.files[0].check, THAW_HUB_CHECK_GIT_SHA1);
    CU_ASSERT_EQUAL(model.files[1].check, THAW_HUB_CHECK_SHA256);
    thaw_hub_model_free(&model);
    CU_ASSERT_TRUE(hub_holds("a/b@v1/model.safetensors", hub_weights, sizeof hub_weights));

    /* Only the first question names the branch; the token stays with the hub. */
    CU_ASSERT_EQUAL(hub_server_count(server, "/resolve/v1/"), 1);
    CU_ASSERT_EQUAL(hub_server_count(server, "Authorization: Bearer secret\r\n"), 4);
    CU_ASSERT_EQUAL(hub_server_count(store, "GET /store/w?key=1 "), 1);
    CU_ASSERT_EQUAL(hub_server_count(store, "HEAD "), 0);
    CU_ASSERT_EQUAL(hub_server_count(store, "uthorization"), 0);
    CU_ASSERT_EQUAL(hub_server_count(store, "secret"), 0);

    /* Known by digest: neither file comes again. */
    hub_server_forget(server);
    CU_ASSERT_EQUAL(hub_pull_with("a/b@v1", &options), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 0);
    hub_server_stop(&server);
    hub_server_stop(&store);
    hub_tear_down();
}

/* The token is for the hub's host and port alone, and that of the usual hub for nobody else. */
static void test_token(void)
{
    hub_set_up();
    hub_page far[] = {HUB_WEIGHTS_PAGE};
    hub_server *other = hub_server_start("127.0.0.1", far, 1, false);
    char location[256];
    snprintf(location, sizeof location, "Location: %s" HUB_WEIGHTS_PATH "\r\n", hub_server_base(other));
    hub_page pages[] = {HUB_CONFIG_PAGE, {.path = HUB_WEIGHTS_PATH, .status = 307, .headers = location}};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, false);
    setenv("HF_TOKEN", "usual", 1);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "uthorization"), 0);
    setenv("THAW_HUB_TOKEN", "secret", 1);
    far[0].etag = "\"w2\"";
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT(hub_server_count(server, "Bearer secret") >= 3);
    CU_ASSERT(hub_server_count(other, "GET ") >= 2);
    CU_ASSERT_EQUAL(hub_server_count(other, "uthorization"), 0);
    setenv("THAW_HUB_TOKEN", "x\r\nX-Other: y", 1);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_ERR_USAGE);
    CU_ASSERT_TRUE(hub_says("token"));
    hub_server_stop(&server);
    hub_server_stop(&other);
    hub_tear_down();
}

static const char shards_index[] = "{\"metadata\": {}, \"weight_map\": {\"x\": \"model-1.safetensors\", \"y\": "
                                   "\"model-2.safetensors\", \"z\": \"model-1.safetensors\"}}";

static void test_shards_and_stale_files(void)
{
    hub_set_up();
    hub_page pages[] = {
        {.path = "/a/b/resolve/main/model.safetensors.index.json", HUB_TEXT(shards_index)},
        {.path = "/a/b/resolve/main/model-1.safetensors", HUB_TEXT("one")},
        {.path = "/a/b/resolve/main/model-2.safetensors", HUB_TEXT("two")},
        {.path = "/a/b/resolve/main/onnx/model.onnx", HUB_TEXT("inner")},
    };
    hub_server *server = hub_server_start("127.0.0.1", pages, 4, false);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors.index.json", shards_index, sizeof shards_index - 1));
    CU_ASSERT_TRUE(hub_holds("a/b/model-1.safetensors", "one", 3));
    CU_ASSERT_TRUE(hub_holds("a/b/model-2.safetensors", "two", 3));
    CU_ASSERT_FALSE(hub_exists("a/b/config.json"));

    /* One file more lies beside the others, and is found by its name. */
    thaw_hub_options options = hub_options_for(server);
    thaw_hub_model model;
    char *path;
    options.file = "onnx/model.onnx";
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(hub_context, "a/b", &options, &model), THAW_OK);
    CU_ASSERT_EQUAL(model.file_count, 4);
    thaw_hub_model_free(&model);
    CU_ASSERT_TRUE(hub_holds("a/b/onnx/model.onnx", "inner", 5));
    CU_ASSERT_EQUAL_FATAL(thaw_hub_find(hub_context, "a/b/onnx/model.onnx", &path), THAW_OK);
    CU_ASSERT_STRING_EQUAL(path, hub_path("a/b/onnx/model.onnx"));
    free(path);

    /* The hub's model is one ONNX file now: what was there before goes, lest it be taken for the model. */
    pages[0].path = "/a/b/resolve/main/model.onnx";
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_TRUE(hub_exists("a/b/model.onnx"));
    CU_ASSERT_FALSE(hub_exists("a/b/model.safetensors.index.json"));
    CU_ASSERT_FALSE(hub_exists("a/b/model-1.safetensors"));
    CU_ASSERT_FALSE(hub_exists("a/b/onnx/model.onnx"));
    hub_server_stop(&server);
    hub_tear_down();
}

static void test_find_and_list(void)
{
    hub_set_up();
    hub_page pages[] = {
        HUB_WEIGHTS_PAGE,
        {.path = "/a/b/resolve/refs%2Fpr%2F1/model.onnx", HUB_TEXT("x")},
        {.path = "/a/b/resolve/refs%2fpr%2f1/model.onnx", HUB_TEXT("x")}, /* as some libcurls write it */
        {.path = "/a/a/resolve/main/model.onnx", HUB_TEXT("x")}};
    hub_server *server = hub_server_start("127.0.0.1", pages, 4, false);
    const thaw_hub_options options = hub_options_for(server);
    thaw_hub_list list;
    char *path;
    CU_ASSERT_EQUAL_FATAL(thaw_hub_list_open(hub_context, &list), THAW_OK);
    CU_ASSERT_EQUAL(list.count, 0);
    thaw_hub_list_free(&list);
    CU_ASSERT_EQUAL(thaw_hub_find(hub_context, "a/b", &path), THAW_ERR_MODEL);
    CU_ASSERT_TRUE(hub_says("`thaw pull a/b` would get it"));
    CU_ASSERT_EQUAL(hub_pull_with("a/b@refs/pr/1", &options), THAW_OK);
    CU_ASSERT_EQUAL(hub_pull_with("a/b", &options), THAW_OK);
    CU_ASSERT_EQUAL(hub_pull_with("a/a", &options), THAW_OK);
    hub_server_forget(server);

    static const struct {
        const char *name, *path; /* path NULL: itself; else below the model folder */
    } found[] = {{"a/b", "a/b"},
                 {"a/b@refs/pr/1", "a/b@refs%2Fpr%2F1"},
                 {"a/b/model.safetensors", "a/b/model.safetensors"},
                 {"a/b/none", NULL},
                 {"a/model.onnx", NULL},
                 {"/tmp", NULL},
                 {"./a/b", NULL},
                 {"../a/b", NULL},
                 {"a/../a/b", NULL},
                 {"none.onnx", NULL}};
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        CU_ASSERT_EQUAL_FATAL(thaw_hub_find(hub_context, found[i].name, &path), THAW_OK);
        CU_ASSERT_STRING_EQUAL(path, found[i].path ? hub_path(found[i].path) : found[i].name);
        free(path);
    }
    CU_ASSERT_EQUAL_FATAL(thaw_hub_list_open(hub_context, &list), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(list.count, 3);
    CU_ASSERT_STRING_EQUAL(list.models[0].name, "a/a");
    CU_ASSERT_STRING_EQUAL(list.models[1].name, "a/b");
    CU_ASSERT_STRING_EQUAL(list.models[2].name, "a/b@refs/pr/1");
    CU_ASSERT_EQUAL(list.models[1].bytes, sizeof hub_weights);
    thaw_hub_list_free(&list);
    CU_ASSERT_EQUAL(hub_server_count(server, "HTTP"), 0); /* no network for any of it */

    /* A record that is damaged is named and left out. */
    FILE *record = fopen(hub_path("a/a/pulled.json"), "w");
    CU_ASSERT_FATAL(record && fputs("{\"name\": \"../x\", \"revision\": \"main\", \"commit\": \"\"}", record) >= 0);
    fclose(record);
    CU_ASSERT_EQUAL_FATAL(thaw_hub_list_open(hub_context, &list), THAW_OK);
    CU_ASSERT_EQUAL(list.count, 2);
    thaw_hub_list_free(&list);
    hub_server_stop(&server);
    hub_tear_down();
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static void test_secure(void)
{
    hub_set_up();
    hub_page pages[] = {HUB_CONFIG_PAGE, HUB_WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, true);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_ERR_IO); /* nobody knows who signed that certificate */
    CU_ASSERT_TRUE(hub_says("certificate"));
    CU_ASSERT_EQUAL(hub_server_count(server, "HTTP"), 0);

    hub_server_write_certificate(server, hub_path("authority.pem"));
    setenv("SSL_CERT_FILE", hub_path("authority.pem"), 1);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", hub_weights, sizeof hub_weights));

    /* From https there is no way down to http, not even to this machine. */
    hub_page open_pages[] = {HUB_WEIGHTS_PAGE};
    hub_server *plain = hub_server_start("127.0.0.1", open_pages, 1, false);
    char location[256];
    snprintf(location, sizeof location, "Location: %s" HUB_WEIGHTS_PATH "\r\n", hub_server_base(plain));
    pages[1].status = 302;
    pages[1].headers = location;
    CU_ASSERT_EQUAL(hub_pull(server), THAW_ERR_IO);
    CU_ASSERT_TRUE(hub_says("from https to plain http"));
    CU_ASSERT_EQUAL(hub_server_count(plain, "HTTP"), 0);
    unsetenv("SSL_CERT_FILE");
    hub_server_stop(&plain);
    hub_server_stop(&server);
    hub_tear_down();
}

/* --- others, and how far it is ------------------------------------------------------------------------------------ */

static void *pull_too(void *server)
{
    return (void *)(uintptr_t)hub_pull(server);
}

/* The second waits for the first, and then has nothing to do. */
static void test_two_at_once(void)
{
    pthread_t thread;
    void *other;
    hub_set_up();
    hub_page pages[] = {HUB_WEIGHTS_PAGE};
    pages[0].pause_at = 100000;
    pages[0].pause_milliseconds = 300;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, pull_too, server), 0);
    CU_ASSERT_EQUAL(hub_pull(server), THAW_OK);
    pthread_join(thread, &other);
    CU_ASSERT_EQUAL((thaw_status)(uintptr_t)other, THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 1);
    CU_ASSERT_TRUE(hub_holds("a/b/model.safetensors", hub_weights, sizeof hub_weights));
    hub_server_stop(&server);
    hub_tear_down();
}

/* What is told grows, and ends at the sum of both files. */
typedef struct told {
    uint64_t last, total;
    bool fell;
} told;

static void on_progress(void *user, const thaw_hub_progress *progress)
{
    told *so_far = user;
    so_far->fell |= progress->done_bytes < so_far->last;
    so_far->last = progress->done_bytes;
    so_far->total = progress->total_bytes;
}

static void test_progress(void)
{
    told so_far = {0};
    hub_set_up();
    hub_page pages[] = {HUB_CONFIG_PAGE, HUB_WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, false);
    thaw_hub_options options = hub_options_for(server);
    options.on_progress = on_progress;
    options.user = &so_far;
    CU_ASSERT_EQUAL(hub_pull_with("a/b", &options), THAW_OK);
    CU_ASSERT_FALSE(so_far.fell);
    CU_ASSERT_EQUAL(so_far.last, sizeof hub_weights + sizeof HUB_CONFIG - 1);
    CU_ASSERT_EQUAL(so_far.total, so_far.last);
    hub_server_stop(&server);
    hub_tear_down();
}

void suite_hub(void)
{
    static const test_entry tests[] = {
        {"names", test_names},
        {"names of files", test_file_names},
        {"addresses", test_addresses},
        {"digests", test_digests},
        {"a plain server", test_plain},
        {"files that lie elsewhere", test_linked},
        {"the token", test_token},
        {"shards, and files of before", test_shards_and_stale_files},
        {"found and listed", test_find_and_list},
        {"TLS", test_secure},
        {"two at once", test_two_at_once},
        {"progress", test_progress},
    };
    TEST_SUITE("hub", tests);
}
