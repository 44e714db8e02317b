#include "hub/request.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/memory.h"
#include "base/text.h"
#include "hub/address.h"

#define MOST_REDIRECTS     10
#define MOST_HEADER_BYTES  262144
#define CONNECT_SECONDS    30L
#define LOCATION_MOST      8192
#define ADDRESS_TEXT_BYTES 512

struct thaw_hub_session {
    thaw_context *context;
    CURL *curl;
    CURLU *base;
    char *authorization; /* the header, or NULL */
    double stall_seconds;
    bool answered; /* it, or where it sent us, has said anything so far */
};

/* One answer on its way in: a redirect, or the last. */
typedef struct hop {
    thaw_hub_session *session;
    const thaw_request *request;
    thaw_reply *reply;
    CURLU *address;
    bool at_hub; /* asks the hub's own host */
    bool plain;  /* over http */
    bool begun, ignored, refused_address, stalled;
    double heard_seconds; /* the clock's, when something last came */
    size_t header_bytes;
    char location[LOCATION_MOST];
    thaw_status status; /* of begin() and write() */
} hop;

/* --- the session -------------------------------------------------------------------------------------------------- */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static bool library_ready;

static void start_library(void)
{
    library_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* A token becomes part of a header line: nothing in it may end that. */
static bool is_token(const char *token)
{
    for (; *token; token++)
        if (*token <= ' ' || *token >= 0x7f)
            return false;
    return true;
}

static thaw_status set_token(thaw_hub_session *session, const char *token)
{
    static const char start[] = "Authorization: Bearer ";
    if (!token || !*token)
        return THAW_OK;
    if (!is_token(token))
        return thaw_fail(session->context, THAW_ERR_USAGE, "the hub's token has characters that no token has");
    const size_t size = sizeof start + strlen(token);
    THAW_TRY(thaw_allocate(session->context, size, 1, &session->authorization));
    snprintf(session->authorization, size, "%s%s", start, token);
    return THAW_OK;
}

static thaw_status set_base(thaw_hub_session *session, const char *hub)
{
    const char *why = "no address";
    session->base = curl_url();
    if (!session->base)
        return thaw_fail(session->context, THAW_ERR_MEMORY, "out of memory");
    bool good = curl_url_set(session->base, CURLUPART_URL, hub, 0) == CURLUE_OK;
    for (int i = 0; i < 2 && good; i++) {
        char *part = thaw_address_part(session->base, i ? CURLUPART_QUERY : CURLUPART_FRAGMENT);
        good = !part;
        curl_free(part);
    }
    if (good && thaw_address_allowed(session->base, &why))
        return THAW_OK;
    return thaw_fail(session->context, THAW_ERR_USAGE, "the hub '%s' (THAW_HUB): %s", hub, why);
}

thaw_status thaw_hub_session_open(thaw_context *context, const char *hub, const char *token, double stall_seconds,
                                  thaw_hub_session **session)
{
    pthread_once(&library_once, start_library);
    THAW_TRY(thaw_allocate(context, 1, sizeof **session, session));
    (*session)->context = context;
    (*session)->stall_seconds = stall_seconds;
    (*session)->curl = library_ready ? curl_easy_init() : NULL;
    thaw_status status = THAW_OK;
    if (!(*session)->curl)
        status = thaw_fail(context, THAW_ERR_IO, "libcurl does not start");
    if (status == THAW_OK)
        status = set_base(*session, hub);
    if (status == THAW_OK)
        status = set_token(*session, token);
    if (status != THAW_OK)
        thaw_hub_session_close(session);
    return status;
}

void thaw_hub_session_close(thaw_hub_session **session)
{
    if (!*session)
        return;
    curl_easy_cleanup((*session)->curl);
    curl_url_cleanup((*session)->base);
    free((*session)->authorization);
    free(*session);
    *session = NULL;
}

bool thaw_hub_session_has_token(const thaw_hub_session *session)
{
    return session->authorization != NULL;
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

/* The value of the header `name` in a line, in `value` without blanks around it; false for another header. Values that
 * do not fit are none. */
static bool read_header(const char *line, size_t length, const char *name, char *value, size_t size)
{
    const size_t name_length = strlen(name);
    if (length <= name_length || line[name_length] != ':' || strncasecmp(line, name, name_length) != 0)
        return false;
    line += name_length + 1;
    length -= name_length + 1;
    while (length > 0 && isspace((unsigned char)line[0]))
        line++, length--;
    while (length > 0 && isspace((unsigned char)line[length - 1]))
        length--;
    value[0] = '\0';
    if (length < size && !memchr(line, '\0', length)) {
        memcpy(value, line, length);
        value[length] = '\0';
    }
    return true;
}

/* A whole number of bytes; -1 if it is none. *end is where it stops. */
static int64_t read_count(const char *text, const char **end)
{
    int64_t count = -1;
    for (; *text >= '0' && *text <= '9'; text++) {
        const int digit = *text - '0';
        if (count > (INT64_MAX - digit) / 10)
            return -1;
        count = (count < 0 ? 0 : count) * 10 + digit;
    }
    *end = text;
    return count;
}

static int64_t read_whole_count(const char *text)
{
    const char *end = text;
    const int64_t count = read_count(text, &end);
    return *end ? -1 : count;
}

/* "bytes 100-199/200"; what does not look so leaves -1. */
static void read_content_range(const char *text, thaw_reply *reply)
{
    const char *end = text;
    if (strncasecmp(text, "bytes ", 6) != 0)
        return;
    const int64_t start = read_count(text + 6, &end);
    if (start < 0 || *end != '-' || read_count(end + 1, &end) < start || *end != '/')
        return;
    reply->range_start = start;
    reply->size = read_whole_count(end + 1);
}

/* "abc" of W/"abc": what digests are compared with. */
static void strip_etag(const char *etag, char *stripped)
{
    if (strncmp(etag, "W/", 2) == 0)
        etag += 2;
    const size_t length = strlen(etag);
    const bool quoted = length >= 2 && etag[0] == '"' && etag[length - 1] == '"';
    snprintf(stripped, THAW_ETAG_MOST, "%.*s", (int)(quoted ? length - 2 : length), quoted ? etag + 1 : etag);
}

static void read_hub_header(const char *line, size_t length, thaw_reply *reply)
{
    char value[THAW_ETAG_MOST];
    if (read_header(line, length, "X-Linked-ETag", value, sizeof value))
        strip_etag(value, reply->linked_etag);
    else if (read_header(line, length, "X-Linked-Size", value, sizeof value))
        reply->linked_size = read_whole_count(value);
    else if (read_header(line, length, "X-Repo-Commit", value, sizeof value))
        snprintf(reply->commit, sizeof reply->commit, "%.40s", value);
    else
        read_header(line, length, "X-Error-Code", reply->error_code, sizeof reply->error_code);
}

/* A block of headers begins: whatever an earlier one said of this body is over. */
static void forget_body(hop *now)
{
    thaw_reply *reply = now->reply;
    reply->length = reply->range_start = reply->size = -1;
    reply->etag[0] = now->location[0] = '\0';
}

static size_t on_header(char *line, size_t one, size_t length, void *user)
{
    hop *now = user;
    char value[THAW_ETAG_MOST];
    (void)one;
    now->session->answered = true;
    now->heard_seconds = thaw_clock_seconds();
    now->header_bytes += length;
    if (now->header_bytes > MOST_HEADER_BYTES)
        return 0;
    if (length > 5 && memcmp(line, "HTTP/", 5) == 0)
        forget_body(now);
    else if (read_header(line, length, "Content-Length", value, sizeof value))
        now->reply->length = read_whole_count(value);
    else if (read_header(line, length, "Content-Range", value, sizeof value))
        read_content_range(value, now->reply);
    else if (!read_header(line, length, "ETag", now->reply->etag, sizeof now->reply->etag) &&
             !read_header(line, length, "Location", now->location, sizeof now->location) && now->at_hub)
        read_hub_header(line, length, now->reply);
    return length;
}

/* --- one answer --------------------------------------------------------------------------------------------------- */

static bool has_body(const thaw_reply *reply)
{
    return reply->status == 200 || reply->status == 206;
}

/* The status, and what only the hub's own host may say of a file that it hands out itself. */
static void take_status(hop *now)
{
    long code = 0;
    curl_easy_getinfo(now->session->curl, CURLINFO_RESPONSE_CODE, &code);
    now->reply->status = (int32_t)code;
    if (now->at_hub && now->reply->commit[0] && has_body(now->reply))
        strip_etag(now->reply->etag, now->reply->etag_of_hub);
}

static thaw_status begin_body(hop *now)
{
    now->begun = true;
    return now->request->begin(now->request->user, now->reply);
}

/* Bodies of redirects and failures are not read: returning another count ends the transfer. */
static size_t on_body(char *bytes, size_t one, size_t size, void *user)
{
    hop *now = user;
    (void)one;
    if (!now->begun) {
        take_status(now);
        now->ignored = !has_body(now->reply);
        if (now->ignored)
            return 0;
        now->status = begin_body(now);
    }
    if (now->status == THAW_OK)
        now->status = now->request->write(now->request->user, bytes, size);
    now->heard_seconds = thaw_clock_seconds(); /* the disk may have taken its time */
    return now->status == THAW_OK ? size : 0;
}

static int on_moment(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    hop *now = user;
    (void)a, (void)b, (void)c, (void)d;
    now->stalled = thaw_clock_seconds() - now->heard_seconds > now->session->stall_seconds;
    return now->stalled || thaw_context_interrupted(now->session->context);
}

static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    hop *now = user;
    (void)purpose;
    if (now->plain && !thaw_address_is_loopback(address)) {
        now->refused_address = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* NULL where memory is short. */
static struct curl_slist *make_headers(const hop *now)
{
    char line[THAW_ETAG_MOST + 16];
    const char *extra[3] = {"Accept-Encoding: identity", NULL, NULL};
    struct curl_slist *headers = NULL;
    if (now->at_hub)
        extra[1] = now->session->authorization;
    if (now->request->from > 0 && now->request->if_range) {
        snprintf(line, sizeof line, "If-Range: %s", now->request->if_range);
        extra[2] = line;
    }
    for (size_t i = 0; i < sizeof extra / sizeof extra[0]; i++) {
        struct curl_slist *longer = extra[i] ? curl_slist_append(headers, extra[i]) : headers;
        if (!longer) {
            curl_slist_free_all(headers);
            return NULL;
        }
        headers = longer;
    }
    return headers;
}

static void set_options(hop *now, const struct curl_slist *headers, char *reason, char range[32])
{
    CURL *curl = now->session->curl;
    curl_easy_reset(curl); /* keeps connections */
    curl_easy_setopt(curl, CURLOPT_CURLU, now->address);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "thaw");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOBODY, (long)now->request->facts_only);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L); /* done here, by rules of our own */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, now);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, now);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_moment);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, now);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, now);
    if (now->plain)
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* it would see what is not to leave the machine */
    if (now->request->from > 0) {
        snprintf(range, 32, "%lld-", (long long)now->request->from);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
    const char *authorities = getenv("SSL_CERT_FILE");
    if (authorities && *authorities)
        curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
}

/* A host that never answered is not there, rather than away for a moment. */
static bool is_transient(const thaw_hub_session *session, CURLcode code)
{
    static const CURLcode codes[] = {
        CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR,
        CURLE_SEND_ERROR,           CURLE_GOT_NOTHING,     CURLE_HTTP2,        CURLE_OPERATION_TIMEDOUT,
        CURLE_HTTP2_STREAM};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            return session->answered;
    return false;
}

static thaw_status fail_transfer(hop *now, CURLcode code, const char *reason)
{
    char address[ADDRESS_TEXT_BYTES];
    thaw_context *context = now->session->context;
    thaw_address_text(now->address, address, sizeof address);
    if (code == CURLE_ABORTED_BY_CALLBACK && thaw_context_interrupted(context))
        return thaw_fail(context, THAW_ERR_INTERRUPTED, "interrupted");
    if (now->refused_address)
        return thaw_fail(context, THAW_ERR_IO, "%s: plain http, and the name does not stand for this machine", address);
    if (now->header_bytes > MOST_HEADER_BYTES)
        return thaw_fail(context, THAW_ERR_IO, "%s: more headers than an answer has", address);
    now->reply->transient = now->stalled || is_transient(now->session, code);
    if (now->stalled)
        return thaw_fail(context, THAW_ERR_IO, "%s: nothing has come for %.0f s", address, now->session->stall_seconds);
    return thaw_fail(context, THAW_ERR_IO, "%s: %s", address, reason[0] ? reason : curl_easy_strerror(code));
}

static thaw_status ask(hop *now)
{
    char reason[CURL_ERROR_SIZE] = "", range[32];
    struct curl_slist *headers = make_headers(now);
    if (!headers)
        return thaw_fail(now->session->context, THAW_ERR_MEMORY, "out of memory");
    forget_body(now);
    now->heard_seconds = thaw_clock_seconds();
    set_options(now, headers, reason, range);
    const CURLcode code = curl_easy_perform(now->session->curl);
    curl_slist_free_all(headers);
    THAW_TRY(now->status);
    take_status(now);
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && now->ignored))
        return fail_transfer(now, code, reason);
    now->reply->transient = now->reply->status == 429 || (now->reply->status >= 500 && now->reply->status <= 504);
    /* An empty body has no first byte. */
    if (has_body(now->reply) && !now->request->facts_only && !now->begun)
        return begin_body(now);
    return THAW_OK;
}

/* --- redirects ---------------------------------------------------------------------------------------------------- */

static bool is_redirect(const hop *now)
{
    const int32_t status = now->reply->status;
    return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) && now->location[0];
}

static thaw_status follow(hop *now)
{
    char address[ADDRESS_TEXT_BYTES];
    const char *why = "to no address";
    CURLU *from = curl_url_dup(now->address);
    const bool good = from && curl_url_set(now->address, CURLUPART_URL, now->location, 0) == CURLUE_OK &&
                      thaw_address_may_follow(from, now->address, &why);
    if (from)
        thaw_address_text(from, address, sizeof address);
    curl_url_cleanup(from);
    if (!from)
        return thaw_fail(now->session->context, THAW_ERR_MEMORY, "out of memory");
    if (good)
        return THAW_OK;
    return thaw_fail(now->session->context, THAW_ERR_IO, "%s: a redirect that is not followed: %s", address, why);
}

static thaw_status ask_all(thaw_hub_session *session, const thaw_request *request, thaw_reply *reply, CURLU *address)
{
    for (int redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
        hop now = {.session = session, .request = request, .reply = reply, .address = address};
        now.at_hub = thaw_address_same_origin(address, session->base);
        now.plain = thaw_address_is_plain(address);
        THAW_TRY(ask(&now));
        if (!is_redirect(&now) || (request->facts_only && reply->linked_etag[0] && reply->linked_size >= 0))
            return THAW_OK;
        THAW_TRY(follow(&now));
    }
    return thaw_fail(session->context, THAW_ERR_IO, "the hub sends from one address to the next, more than %d times",
                     MOST_REDIRECTS);
}

/* The hub's address with the path behind its own. */
static thaw_status make_address(thaw_hub_session *session, const char *path, CURLU **address)
{
    thaw_text whole = {0};
    *address = curl_url_dup(session->base);
    char *base = *address ? thaw_address_part(*address, CURLUPART_PATH) : NULL;
    size_t length = base ? strlen(base) : 0;
    while (length > 0 && base[length - 1] == '/')
        length--;
    thaw_text_append(&whole, "%.*s/%s", (int)length, base ? base : "", path);
    const bool good = base && !whole.failed && curl_url_set(*address, CURLUPART_PATH, whole.data, 0) == CURLUE_OK;
    thaw_text_free(&whole);
    curl_free(base);
    return good ? THAW_OK : thaw_fail(session->context, THAW_ERR_MEMORY, "out of memory");
}

thaw_status thaw_request_send(thaw_hub_session *session, const thaw_request *request, thaw_reply *reply)
{
    CURLU *address;
    *reply = (thaw_reply){.length = -1, .range_start = -1, .size = -1, .linked_size = -1};
    thaw_status status = make_address(session, request->path, &address);
    if (status == THAW_OK)
        status = ask_all(session, request, reply, address);
    curl_url_cleanup(address);
    return status;
}
