/* Pulling models from a hub: a server on this machine plays it, and whatever stands between it and the disk. */
#include "hub_server.h"
#include "test.h"

#include "base/clock.h"
#include "hub/address.h"
#include "hub/digest.h"
#include "hub/name.h"
#include <thaw/thaw.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_BYTES 300000
#define TEXT(text)  .body = (text), .size = sizeof(text) - 1

static const char config[] = "{\"architecture\": \"resnet18\"}\n";
static char weights[MODEL_BYTES];
static char weights_sha256[THAW_DIGEST_TEXT], config_sha1[THAW_DIGEST_TEXT];

/* --- what every test has ------------------------------------------------------------------------------------------ */

static thaw_context *context;
static char models[256];

static const char *path_of(const char *name)
{
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", models, name);
    return paths[next];
}

static bool exists(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static void digest_of(const void *bytes, size_t size, thaw_hub_check kind, char text[THAW_DIGEST_TEXT])
{
    const int descriptor = open(path_of("digest"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    CU_ASSERT_FATAL(descriptor >= 0 && write(descriptor, bytes, size) == (ssize_t)size);
    CU_ASSERT_EQUAL(thaw_digest_file(context, descriptor, kind, text), THAW_OK);
    close(descriptor);
    unlink(path_of("digest"));
}

static void set_up(void)
{
    static int number;
    snprintf(models, sizeof models, "%s/models-%d", test_folder(), number++);
    mkdir(models, 0777);
    setenv("THAW_MODEL_DIR", models, 1);
    unsetenv("THAW_HUB");
    unsetenv("THAW_HUB_TOKEN");
    unsetenv("HF_TOKEN");
    CU_ASSERT_EQUAL_FATAL(thaw_context_create(&context), THAW_OK);
    for (size_t i = 0; i < sizeof weights; i++)
        weights[i] = (char)(i * i / 7 + i);
    digest_of(weights, sizeof weights, THAW_HUB_CHECK_SHA256, weights_sha256);
    digest_of(config, sizeof config - 1, THAW_HUB_CHECK_GIT_SHA1, config_sha1);
}

static void tear_down(void)
{
    thaw_context_destroy(&context);
    unsetenv("THAW_MODEL_DIR");
}

static thaw_hub_options options_for(const hub_server *server)
{
    thaw_hub_options options = thaw_hub_defaults();
    options.hub = hub_server_base(server);
    options.retries = 2;
    options.retry_seconds = 0.01;
    return options;
}

static thaw_status pull_with(const char *name, const thaw_hub_options *options)
{
    thaw_hub_model model;
    const thaw_status status = thaw_hub_pull(context, name, options, &model);
    thaw_hub_model_free(&model);
    return status;
}

static thaw_status pull(const hub_server *server)
{
    const thaw_hub_options options = options_for(server);
    return pull_with("a/b", &options);
}

/* Does the file in the model folder hold just these bytes? */
static bool holds(const char *name, const void *bytes, size_t size)
{
    char *read = malloc(size + 1);
    FILE *file = fopen(path_of(name), "rb");
    const bool same = file && read && fread(read, 1, size + 1, file) == size && memcmp(read, bytes, size) == 0;
    if (file)
        fclose(file);
    free(read);
    return same;
}

/* Bytes in the part of a/b/model.safetensors; -1: there is none. */
static long part_bytes(void)
{
    char command[600];
    long bytes = -1;
    snprintf(command, sizeof command, "find '%s' -name '.model.safetensors.*.part' -printf '%%s\\n'", models);
    FILE *found = popen(command, "r");
    CU_ASSERT_FATAL(found != NULL);
    if (fscanf(found, "%ld", &bytes) != 1)
        bytes = -1;
    pclose(found);
    return bytes;
}

static bool says(const char *text)
{
    const bool said = strstr(thaw_error_message(context), text) != NULL;
    if (!said)
        printf("  '%s' is not in '%s'\n", text, thaw_error_message(context));
    return said;
}

/* A model of one file, as a plain server has it. */
#define CONFIG_PAGE                                                                                                    \
    {                                                                                                                  \
        .path = "/a/b/resolve/main/config.json", TEXT(config), .etag = "\"c1\""                                        \
    }
#define WEIGHTS_PATH "/a/b/resolve/main/model.safetensors"
#define WEIGHTS_PAGE                                                                                                   \
    {                                                                                                                  \
        .path = WEIGHTS_PATH, .body = weights, .size = sizeof weights, .etag = "\"w1\""                                \
    }

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
    set_up();
    /* FIPS 180-2, appendix B.1; and `git hash-object` of "hello world\n" */
    digest_of("abc", 3, THAW_HUB_CHECK_SHA256, text);
    CU_ASSERT_STRING_EQUAL(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_of("hello world\n", 12, THAW_HUB_CHECK_GIT_SHA1, text);
    CU_ASSERT_STRING_EQUAL(text, "3b18e512dba79e4c8300dd08aeb37f8e728b8dad");
    CU_ASSERT_EQUAL(thaw_digest_kind("3b18e512dba79e4c8300dd08aeb37f8e728b8daX"), THAW_HUB_CHECK_SIZE);
    CU_ASSERT_EQUAL(thaw_digest_kind(""), THAW_HUB_CHECK_SIZE);
    tear_down();
}

/* --- what should work --------------------------------------------------------------------------------------------- */

static void test_plain(void)
{
    set_up();
    hub_page pages[] = {CONFIG_PAGE, WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, false);
    thaw_hub_model model;
    thaw_hub_options options = options_for(server);
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(context, "a/b", &options, &model), THAW_OK);
    CU_ASSERT_STRING_EQUAL(model.name, "a/b");
    CU_ASSERT_STRING_EQUAL(model.folder, path_of("a/b"));
    CU_ASSERT_EQUAL_FATAL(model.file_count, 2);
    CU_ASSERT_EQUAL(model.bytes, sizeof weights + sizeof config - 1);
    CU_ASSERT_TRUE(model.files[0].downloaded && model.files[1].downloaded);
    CU_ASSERT_EQUAL(model.files[1].check, THAW_HUB_CHECK_SIZE);
    thaw_hub_model_free(&model);
    CU_ASSERT_TRUE(holds("a/b/config.json", config, sizeof config - 1));
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", weights, sizeof weights));
    CU_ASSERT_EQUAL(part_bytes(), -1);

    /* The same ETags: nothing comes again. Another one: only that file. */
    hub_server_forget(server);
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(context, "a/b", &options, &model), THAW_OK);
    CU_ASSERT_TRUE(!model.files[0].downloaded && !model.files[1].downloaded);
    thaw_hub_model_free(&model);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 0);
    pages[0].etag = "\"c2\"";
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 1);
    hub_server_stop(&server);
    tear_down();
}

/* As the usual hub has it: small files beside their git digest, large ones elsewhere, all of one commit. */
static void test_linked(void)
{
    set_up();
    static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
    char linked[512], small[256], etag[80], first[128], second[128], third[128], fourth[128];
    snprintf(first, sizeof first, "/hub/a/b/resolve/v1/config.json");
    snprintf(second, sizeof second, "/hub/a/b/resolve/%s/config.json", commit);
    snprintf(third, sizeof third, "/hub/a/b/resolve/v1/model.safetensors");
    snprintf(fourth, sizeof fourth, "/hub/a/b/resolve/%s/model.safetensors", commit);
    hub_page stored[] = {{.path = "/store/w",
                          .body = weights,
                          .size = sizeof weights,
                          .etag = "\"another\"",
                          .headers = "X-Linked-ETag: \"0000\"\r\nX-Linked-Size: 1\r\nX-Repo-Commit: 1\r\n"}};
    hub_server *store = hub_server_start("127.0.0.2", stored, 1, false);
    snprintf(etag, sizeof etag, "W/\"%s\"", config_sha1);
    snprintf(small, sizeof small, "X-Repo-Commit: %s\r\n", commit);
    snprintf(linked, sizeof linked,
             "x-repo-commit: %s\r\nX-LINKED-ETAG: \"%s\"\r\nx-linked-size: %zu\r\nLocation: %s/store/w?key=1\r\n",
             commit, weights_sha256, sizeof weights, hub_server_base(store));
    hub_page pages[] = {{.path = first, TEXT(config), .etag = etag, .headers = small},
                        {.path = second, TEXT(config), .etag = etag, .headers = small},
                        {.path = third, .status = 302, .headers = linked},
                        {.path = fourth, .status = 302, .headers = linked}};
    hub_server *server = hub_server_start("127.0.0.1", pages, 4, false);
    char hub[128];
    snprintf(hub, sizeof hub, "%s/hub//", hub_server_base(server));
    setenv("THAW_HUB", hub, 1);
    setenv("THAW_HUB_TOKEN", "secret", 1);
    const thaw_hub_options options = thaw_hub_defaults();
    thaw_hub_model model;
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(context, "a/b@v1", &options, &model), THAW_OK);
    CU_ASSERT_STRING_EQUAL(model.name, "a/b@v1");
    CU_ASSERT_STRING_EQUAL(model.commit, commit);
    CU_ASSERT_EQUAL(model.files[0].check, THAW_HUB_CHECK_GIT_SHA1);
    CU_ASSERT_EQUAL(model.files[1].check, THAW_HUB_CHECK_SHA256);
    thaw_hub_model_free(&model);
    CU_ASSERT_TRUE(holds("a/b@v1/model.safetensors", weights, sizeof weights));

    /* Only the first question names the branch; the token stays with the hub. */
    CU_ASSERT_EQUAL(hub_server_count(server, "/resolve/v1/"), 1);
    CU_ASSERT_EQUAL(hub_server_count(server, "Authorization: Bearer secret\r\n"), 4);
    CU_ASSERT_EQUAL(hub_server_count(store, "GET /store/w?key=1 "), 1);
    CU_ASSERT_EQUAL(hub_server_count(store, "HEAD "), 0);
    CU_ASSERT_EQUAL(hub_server_count(store, "uthorization"), 0);
    CU_ASSERT_EQUAL(hub_server_count(store, "secret"), 0);

    /* Known by digest: neither file comes again. */
    hub_server_forget(server);
    CU_ASSERT_EQUAL(pull_with("a/b@v1", &options), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 0);
    hub_server_stop(&server);
    hub_server_stop(&store);
    tear_down();
}

/* The token is for the hub's host and port alone, and that of the usual hub for nobody else. */
static void test_token(void)
{
    set_up();
    hub_page far[] = {WEIGHTS_PAGE};
    hub_server *other = hub_server_start("127.0.0.1", far, 1, false);
    char location[256];
    snprintf(location, sizeof location, "Location: %s" WEIGHTS_PATH "\r\n", hub_server_base(other));
    hub_page pages[] = {CONFIG_PAGE, {.path = WEIGHTS_PATH, .status = 307, .headers = location}};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, false);
    setenv("HF_TOKEN", "usual", 1);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "uthorization"), 0);
    setenv("THAW_HUB_TOKEN", "secret", 1);
    far[0].etag = "\"w2\"";
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT(hub_server_count(server, "Bearer secret") >= 3);
    CU_ASSERT(hub_server_count(other, "GET ") >= 2);
    CU_ASSERT_EQUAL(hub_server_count(other, "uthorization"), 0);
    setenv("THAW_HUB_TOKEN", "x\r\nX-Other: y", 1);
    CU_ASSERT_EQUAL(pull(server), THAW_ERR_USAGE);
    CU_ASSERT_TRUE(says("token"));
    hub_server_stop(&server);
    hub_server_stop(&other);
    tear_down();
}

static const char shards_index[] = "{\"metadata\": {}, \"weight_map\": {\"x\": \"model-1.safetensors\", \"y\": "
                                   "\"model-2.safetensors\", \"z\": \"model-1.safetensors\"}}";

static void test_shards_and_stale_files(void)
{
    set_up();
    hub_page pages[] = {
        {.path = "/a/b/resolve/main/model.safetensors.index.json", TEXT(shards_index)},
        {.path = "/a/b/resolve/main/model-1.safetensors", TEXT("one")},
        {.path = "/a/b/resolve/main/model-2.safetensors", TEXT("two")},
        {.path = "/a/b/resolve/main/onnx/model.onnx", TEXT("inner")},
    };
    hub_server *server = hub_server_start("127.0.0.1", pages, 4, false);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors.index.json", shards_index, sizeof shards_index - 1));
    CU_ASSERT_TRUE(holds("a/b/model-1.safetensors", "one", 3));
    CU_ASSERT_TRUE(holds("a/b/model-2.safetensors", "two", 3));
    CU_ASSERT_FALSE(exists("a/b/config.json"));

    /* One file more lies beside the others, and is found by its name. */
    thaw_hub_options options = options_for(server);
    thaw_hub_model model;
    char *path;
    options.file = "onnx/model.onnx";
    CU_ASSERT_EQUAL_FATAL(thaw_hub_pull(context, "a/b", &options, &model), THAW_OK);
    CU_ASSERT_EQUAL(model.file_count, 4);
    thaw_hub_model_free(&model);
    CU_ASSERT_TRUE(holds("a/b/onnx/model.onnx", "inner", 5));
    CU_ASSERT_EQUAL_FATAL(thaw_hub_find(context, "a/b/onnx/model.onnx", &path), THAW_OK);
    CU_ASSERT_STRING_EQUAL(path, path_of("a/b/onnx/model.onnx"));
    free(path);

    /* The hub's model is one ONNX file now: what was there before goes, lest it be taken for the model. */
    pages[0].path = "/a/b/resolve/main/model.onnx";
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_TRUE(exists("a/b/model.onnx"));
    CU_ASSERT_FALSE(exists("a/b/model.safetensors.index.json"));
    CU_ASSERT_FALSE(exists("a/b/model-1.safetensors"));
    CU_ASSERT_FALSE(exists("a/b/onnx/model.onnx"));
    hub_server_stop(&server);
    tear_down();
}

static void test_find_and_list(void)
{
    set_up();
    hub_page pages[] = {WEIGHTS_PAGE,
                        {.path = "/a/b/resolve/refs%2Fpr%2F1/model.onnx", TEXT("x")},
                        {.path = "/a/b/resolve/refs%2fpr%2f1/model.onnx", TEXT("x")}, /* as some libcurls write it */
                        {.path = "/a/a/resolve/main/model.onnx", TEXT("x")}};
    hub_server *server = hub_server_start("127.0.0.1", pages, 4, false);
    const thaw_hub_options options = options_for(server);
    thaw_hub_list list;
    char *path;
    CU_ASSERT_EQUAL_FATAL(thaw_hub_list_open(context, &list), THAW_OK);
    CU_ASSERT_EQUAL(list.count, 0);
    thaw_hub_list_free(&list);
    CU_ASSERT_EQUAL(thaw_hub_find(context, "a/b", &path), THAW_ERR_MODEL);
    CU_ASSERT_TRUE(says("`thaw pull a/b` would get it"));
    CU_ASSERT_EQUAL(pull_with("a/b@refs/pr/1", &options), THAW_OK);
    CU_ASSERT_EQUAL(pull_with("a/b", &options), THAW_OK);
    CU_ASSERT_EQUAL(pull_with("a/a", &options), THAW_OK);
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
        CU_ASSERT_EQUAL_FATAL(thaw_hub_find(context, found[i].name, &path), THAW_OK);
        CU_ASSERT_STRING_EQUAL(path, found[i].path ? path_of(found[i].path) : found[i].name);
        free(path);
    }
    CU_ASSERT_EQUAL_FATAL(thaw_hub_list_open(context, &list), THAW_OK);
    CU_ASSERT_EQUAL_FATAL(list.count, 3);
    CU_ASSERT_STRING_EQUAL(list.models[0].name, "a/a");
    CU_ASSERT_STRING_EQUAL(list.models[1].name, "a/b");
    CU_ASSERT_STRING_EQUAL(list.models[2].name, "a/b@refs/pr/1");
    CU_ASSERT_EQUAL(list.models[1].bytes, sizeof weights);
    thaw_hub_list_free(&list);
    CU_ASSERT_EQUAL(hub_server_count(server, "HTTP"), 0); /* no network for any of it */

    /* A record that is damaged is named and left out. */
    FILE *record = fopen(path_of("a/a/pulled.json"), "w");
    CU_ASSERT_FATAL(record && fputs("{\"name\": \"../x\", \"revision\": \"main\", \"commit\": \"\"}", record) >= 0);
    fclose(record);
    CU_ASSERT_EQUAL_FATAL(thaw_hub_list_open(context, &list), THAW_OK);
    CU_ASSERT_EQUAL(list.count, 2);
    thaw_hub_list_free(&list);
    hub_server_stop(&server);
    tear_down();
}

/* --- connections that break --------------------------------------------------------------------------------------- */

static void test_cut_and_resumed(void)
{
    set_up();
    hub_page pages[] = {WEIGHTS_PAGE};
    pages[0].cut_at = 100000;
    pages[0].cuts = 2;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", weights, sizeof weights));
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=100000-\r\n"), 1);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=200000-\r\n"), 1);
    CU_ASSERT_EQUAL(hub_server_count(server, "If-Range: \"w1\"\r\n"), 2);
    hub_server_stop(&server);
    tear_down();
}

static void test_failures_that_pass(void)
{
    set_up();
    hub_page pages[] = {WEIGHTS_PAGE};
    pages[0].failures = 2;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    pages[0].failures = 100;
    CU_ASSERT_EQUAL(pull(server), THAW_ERR_IO);
    CU_ASSERT_TRUE(says("503"));
    hub_server_stop(&server);
    tear_down();
}

/* Starts a pull whose connection is cut for good after 100000 bytes, and leaves a part. */
static hub_server *leave_part(hub_page *page)
{
    *page = (hub_page)WEIGHTS_PAGE;
    page->cut_at = 100000;
    page->cuts = 1;
    hub_server *server = hub_server_start("127.0.0.1", page, 1, false);
    thaw_hub_options options = options_for(server);
    options.retries = 0;
    CU_ASSERT_EQUAL(pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT_EQUAL(part_bytes(), 100000);
    CU_ASSERT_FALSE(exists("a/b/model.safetensors"));
    hub_server_forget(server);
    return server;
}

static void test_next_run_goes_on(void)
{
    hub_page page;
    set_up();
    hub_server *server = leave_part(&page);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=100000-\r\n"), 1);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", weights, sizeof weights));
    hub_server_stop(&server);
    tear_down();
}

/* A server that sends all of it is taken at its word; one that sends other bytes is not. */
static void test_ranges_ignored(void)
{
    hub_page page;
    set_up();
    hub_server *server = leave_part(&page);
    page.ignores_ranges = true;
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", weights, sizeof weights));
    hub_server_stop(&server);
    tear_down();

    set_up();
    server = leave_part(&page);
    page.wrong_ranges = true;
    CU_ASSERT_EQUAL(pull(server), THAW_ERR_IO);
    CU_ASSERT_TRUE(says("other bytes"));
    hub_server_stop(&server);
    tear_down();
}

/* What is left of another file is of no use, and goes. */
static void test_changed_meanwhile(void)
{
    static char other[MODEL_BYTES];
    hub_page page;
    set_up();
    hub_server *server = leave_part(&page);
    page.etag = "\"w2\"";
    page.body = other;
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range:"), 0);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", other, sizeof other));
    CU_ASSERT_EQUAL(part_bytes(), -1);
    hub_server_stop(&server);
    tear_down();
}

/* A part that something else has spoilt is found by the digest, and brought again from the beginning. */
static void test_spoilt_part(void)
{
    char headers[256];
    set_up();
    snprintf(headers, sizeof headers, "X-Linked-ETag: \"%s\"\r\n", weights_sha256);
    hub_page page = WEIGHTS_PAGE;
    page.headers = headers;
    page.cut_at = 100000;
    page.cuts = 1;
    hub_server *server = hub_server_start("127.0.0.1", &page, 1, false);
    thaw_hub_options options = options_for(server);
    options.retries = 0;
    CU_ASSERT_EQUAL(pull_with("a/b", &options), THAW_ERR_IO);
    char command[600];
    snprintf(command, sizeof command,
             "for f in '%s'/a/b/.model.*.part; do printf XXXX | dd of=\"$f\" conv=notrunc bs=1 "
             "status=none; done",
             models);
    CU_ASSERT_EQUAL(system(command), 0);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", weights, sizeof weights));
    hub_server_stop(&server);
    tear_down();
}

/* A connection on which nothing comes any more is given up, and the next goes on from there. */
static void test_stalled(void)
{
    set_up();
    hub_page pages[] = {WEIGHTS_PAGE};
    pages[0].pause_at = 100000;
    pages[0].pause_milliseconds = 10000;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    thaw_hub_options options = options_for(server);
    options.stall_seconds = 0.3;
    options.retries = 0;
    const double start = thaw_clock_seconds();
    CU_ASSERT_EQUAL(pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT(thaw_clock_seconds() - start < 8);
    CU_ASSERT_TRUE(says("nothing has come"));
    CU_ASSERT_EQUAL(part_bytes(), 100000);
    hub_server_stop(&server);
    tear_down();
}

static void *interrupt_soon(void *unused)
{
    for (int i = 0; i < 500 && part_bytes() < 100000; i++)
        usleep(10000);
    thaw_context_interrupt(context);
    return unused;
}

static void test_interrupted(void)
{
    pthread_t thread;
    set_up();
    hub_page pages[] = {WEIGHTS_PAGE};
    pages[0].pause_at = 100000;
    pages[0].pause_milliseconds = 10000;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, interrupt_soon, NULL), 0);
    CU_ASSERT_EQUAL(pull(server), THAW_ERR_INTERRUPTED);
    CU_ASSERT_TRUE(says("a/b: interrupted; what has come is kept"));
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(part_bytes(), 100000);
    thaw_context_resume(context);
    pages[0].pause_milliseconds = 0;
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=100000-\r\n"), 1);
    hub_server_stop(&server);
    tear_down();
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

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
        {"a length that is never reached", NULL, WEIGHTS_PATH, THAW_ERR_IO, {.announced = MODEL_BYTES + 5}},
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
        {"redirects in a circle", "Location: " WEIGHTS_PATH "\r\n", "more than 10", THAW_ERR_IO, {.status = 302}},
        {"plain http elsewhere", "Location: http://192.0.2.1/x\r\n", "must be https", THAW_ERR_IO, {.status = 301}},
        {"a file of this machine", "Location: file:///etc/passwd\r\n", "not followed", THAW_ERR_IO, {.status = 302}},
        {"another protocol", "Location: ftp://127.0.0.1/x\r\n", "neither https nor http", THAW_ERR_IO, {.status = 302}},
        {"a password", "Location: http://u:p@127.0.0.1/x\r\n", "password", THAW_ERR_IO, {.status = 302}},
        {"headers without end", NULL, "headers", THAW_ERR_IO, {.flood = true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_up();
        hub_page page = cases[i].page;
        page.path = WEIGHTS_PATH;
        page.body = weights;
        page.size = page.status ? 0 : sizeof weights;
        page.headers = cases[i].headers;
        hub_server *server = hub_server_start("127.0.0.1", &page, 1, false);
        const thaw_status status = pull(server);
        if (status != cases[i].expected)
            printf("  %s: %s, not %s (%s)\n", cases[i].what, thaw_status_text(status),
                   thaw_status_text(cases[i].expected), thaw_error_message(context));
        CU_ASSERT_EQUAL(status, cases[i].expected);
        CU_ASSERT_EQUAL(exists("a/b/model.safetensors"), cases[i].expected == THAW_OK);
        if (cases[i].says)
            CU_ASSERT_TRUE(says(cases[i].says));
        if (cases[i].expected == THAW_ERR_CHECK)
            CU_ASSERT_EQUAL(part_bytes(), -1);
        hub_server_stop(&server);
        tear_down();
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
        set_up();
        hub_page page = {.path = "/a/b/resolve/main/model.safetensors.index.json",
                         .body = cases[i].index,
                         .size = strlen(cases[i].index)};
        hub_server *server = hub_server_start("127.0.0.1", &page, 1, false);
        CU_ASSERT_EQUAL(pull(server), THAW_ERR_MODEL);
        CU_ASSERT_TRUE(says(cases[i].says));
        CU_ASSERT_EQUAL(hub_server_count(server, "GET "), page.size > 0);
        CU_ASSERT_FALSE(exists("a/b/model.safetensors.index.json"));
        hub_server_stop(&server);
        tear_down();
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
    set_up();
    setenv("THAW_HUB", "http://127.0.0.1:1", 1); /* nobody is there: whoever is asked does not answer */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        thaw_hub_options options = thaw_hub_defaults();
        options.hub = cases[i].hub;
        options.revision = cases[i].revision;
        options.file = cases[i].file;
        CU_ASSERT_EQUAL(pull_with(cases[i].name, &options), THAW_ERR_USAGE);
    }
    const thaw_hub_options options = thaw_hub_defaults();
    const double start = thaw_clock_seconds();
    CU_ASSERT_EQUAL(pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT(thaw_clock_seconds() - start < options.retry_seconds); /* not tried again: it has never answered */
    setenv("THAW_MODEL_DIR", "/dev/null/x", 1);
    CU_ASSERT_EQUAL(pull_with("a/b", &options), THAW_ERR_IO);
    CU_ASSERT_TRUE(says("/dev/null"));
    tear_down();
}

/* --- TLS ---------------------------------------------------------------------------------------------------------- */

static void test_secure(void)
{
    set_up();
    hub_page pages[] = {CONFIG_PAGE, WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, true);
    CU_ASSERT_EQUAL(pull(server), THAW_ERR_IO); /* nobody knows who signed that certificate */
    CU_ASSERT_TRUE(says("certificate"));
    CU_ASSERT_EQUAL(hub_server_count(server, "HTTP"), 0);

    hub_server_write_certificate(server, path_of("authority.pem"));
    setenv("SSL_CERT_FILE", path_of("authority.pem"), 1);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", weights, sizeof weights));

    /* From https there is no way down to http, not even to this machine. */
    hub_page open_pages[] = {WEIGHTS_PAGE};
    hub_server *plain = hub_server_start("127.0.0.1", open_pages, 1, false);
    char location[256];
    snprintf(location, sizeof location, "Location: %s" WEIGHTS_PATH "\r\n", hub_server_base(plain));
    pages[1].status = 302;
    pages[1].headers = location;
    CU_ASSERT_EQUAL(pull(server), THAW_ERR_IO);
    CU_ASSERT_TRUE(says("from https to plain http"));
    CU_ASSERT_EQUAL(hub_server_count(plain, "HTTP"), 0);
    unsetenv("SSL_CERT_FILE");
    hub_server_stop(&plain);
    hub_server_stop(&server);
    tear_down();
}

/* --- the disk, and others ----------------------------------------------------------------------------------------- */

/* A file that can't grow stands for a full disk. */
static void test_full_disk(void)
{
    struct rlimit before, small;
    set_up();
    hub_page pages[] = {WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 150000;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_FSIZE, &small), 0);
    const thaw_status status = pull(server);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    CU_ASSERT_EQUAL(status, THAW_ERR_IO);
    CU_ASSERT_TRUE(says("no room on the disk"));
    CU_ASSERT_EQUAL(part_bytes(), 150000);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "Range: bytes=150000-\r\n"), 1);
    hub_server_stop(&server);
    tear_down();
}

static void *pull_too(void *server)
{
    return (void *)(uintptr_t)pull(server);
}

/* The second waits for the first, and then has nothing to do. */
static void test_two_at_once(void)
{
    pthread_t thread;
    void *other;
    set_up();
    hub_page pages[] = {WEIGHTS_PAGE};
    pages[0].pause_at = 100000;
    pages[0].pause_milliseconds = 300;
    hub_server *server = hub_server_start("127.0.0.1", pages, 1, false);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, pull_too, server), 0);
    CU_ASSERT_EQUAL(pull(server), THAW_OK);
    pthread_join(thread, &other);
    CU_ASSERT_EQUAL((thaw_status)(uintptr_t)other, THAW_OK);
    CU_ASSERT_EQUAL(hub_server_count(server, "GET "), 1);
    CU_ASSERT_TRUE(holds("a/b/model.safetensors", weights, sizeof weights));
    hub_server_stop(&server);
    tear_down();
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
    set_up();
    hub_page pages[] = {CONFIG_PAGE, WEIGHTS_PAGE};
    hub_server *server = hub_server_start("127.0.0.1", pages, 2, false);
    thaw_hub_options options = options_for(server);
    options.on_progress = on_progress;
    options.user = &so_far;
    CU_ASSERT_EQUAL(pull_with("a/b", &options), THAW_OK);
    CU_ASSERT_FALSE(so_far.fell);
    CU_ASSERT_EQUAL(so_far.last, sizeof weights + sizeof config - 1);
    CU_ASSERT_EQUAL(so_far.total, so_far.last);
    hub_server_stop(&server);
    tear_down();
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
        {"cut and resumed", test_cut_and_resumed},
        {"failures that pass", test_failures_that_pass},
        {"the next run goes on", test_next_run_goes_on},
        {"ranges ignored", test_ranges_ignored},
        {"changed meanwhile", test_changed_meanwhile},
        {"a spoilt part", test_spoilt_part},
        {"stalled", test_stalled},
        {"interrupted", test_interrupted},
        {"refusals", test_refusals},
        {"hostile indices", test_hostile_indices},
        {"wrong wishes", test_wrong_wishes},
        {"TLS", test_secure},
        {"a full disk", test_full_disk},
        {"two at once", test_two_at_once},
        {"progress", test_progress},
    };
    TEST_SUITE("hub", tests);
}
