#include "hub_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HEAD_MOST       16384
#define PATIENT_SECONDS 5 /* for a client that neither sends nor reads */

struct hub_server {
    hub_page *pages;
    size_t count;
    int listener;
    char base[64];
    SSL_CTX *secure; /* NULL: plain */
    X509 *certificate;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* guards log */
    char *log;
    size_t log_length;
};

/* One connection. */
typedef struct client {
    int socket;
    SSL *secure;
} client;

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "hub_server: %s\n", #condition);                                                           \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static bool send_bytes(client *to, const char *bytes, size_t size)
{
    while (size > 0) {
        const int piece = size > 65536 ? 65536 : (int)size;
        const long sent = to->secure ? SSL_write(to->secure, bytes, piece)
                                     : (long)send(to->socket, bytes, (size_t)piece, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* The head of a request, with its end. */
static bool read_head(client *from, char *head)
{
    size_t length = 0;
    while (length + 1 < HEAD_MOST) {
        const size_t room = HEAD_MOST - 1 - length;
        const long got = from->secure ? SSL_read(from->secure, head + length, (int)room)
                                      : (long)recv(from->socket, head + length, room, 0);
        if (got <= 0)
            return false;
        length += (size_t)got;
        head[length] = '\0';
        if (strstr(head, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void remember(hub_server *server, const char *head)
{
    const size_t length = strlen(head);
    pthread_mutex_lock(&server->mutex);
    server->log = realloc(server->log, server->log_length + length + 1);
    MUST(server->log);
    memcpy(server->log + server->log_length, head, length + 1);
    server->log_length += length;
    pthread_mutex_unlock(&server->mutex);
}

size_t hub_server_count(hub_server *server, const char *text)
{
    size_t count = 0;
    pthread_mutex_lock(&server->mutex);
    for (const char *at = server->log; at && (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    pthread_mutex_unlock(&server->mutex);
    return count;
}

void hub_server_forget(hub_server *server)
{
    pthread_mutex_lock(&server->mutex);
    free(server->log);
    server->log = NULL;
    server->log_length = 0;
    pthread_mutex_unlock(&server->mutex);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static hub_page *find_page(hub_server *server, const char *head)
{
    const char *path = strchr(head, ' ');
    if (!path++)
        return NULL;
    const size_t length = strcspn(path, " ?");
    for (size_t i = 0; i < server->count; i++)
        if (strlen(server->pages[i].path) == length && memcmp(server->pages[i].path, path, length) == 0)
            return &server->pages[i];
    return NULL;
}

/* The first byte asked for; 0: all of it. */
static size_t range_start(const hub_page *page, const char *head)
{
    const char *range = strstr(head, "\r\nRange: bytes="), *condition = strstr(head, "\r\nIf-Range: ");
    if (!range || page->ignores_ranges)
        return 0;
    if (condition &&
        (!page->etag || strncmp(condition + strlen("\r\nIf-Range: "), page->etag, strlen(page->etag)) != 0))
        return 0;
    return strtoull(range + strlen("\r\nRange: bytes="), NULL, 10);
}

static void flood(client *to)
{
    char line[1024];
    memset(line, 'x', sizeof line);
    memcpy(line, "X-Flood: ", 9);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    const char start[] = "HTTP/1.1 200 OK\r\n";
    bool open = send_bytes(to, start, sizeof start - 1);
    for (int i = 0; i < 4096 && open; i++)
        open = send_bytes(to, line, sizeof line);
}

static void wait_for_leaving(const client *whose, int milliseconds)
{
    struct pollfd leaving = {.fd = whose->socket, .events = POLLIN};
    poll(&leaving, 1, milliseconds);
}

static void send_body(client *to, hub_page *page, const char *bytes, size_t size)
{
    size_t most = size;
    if (page->cuts > 0 && page->cut_at < size) {
        page->cuts--;
        most = page->cut_at;
    }
    const size_t first = page->pause_milliseconds && (size_t)page->pause_at < most ? (size_t)page->pause_at : most;
    if (!send_bytes(to, bytes, first) || first == most)
        return;
    wait_for_leaving(to, page->pause_milliseconds);
    send_bytes(to, bytes + first, most - first);
}

static void answer(client *to, hub_page *page, const char *head)
{
    char text[4096], length[64] = "", range[96] = "";
    static hub_page missing = {.status = 404};
    if (!page)
        page = &missing;
    if (page->flood) {
        flood(to);
        return;
    }
    int status = page->status ? page->status : 200;
    size_t start = status == 200 ? range_start(page, head) : 0;
    if (page->failures > 0) {
        page->failures--;
        status = 503;
    } else if (start > 0 && start >= page->size) {
        status = 416;
    } else if (start > 0) {
        status = 206;
        if (page->wrong_ranges)
            start = 0;
        snprintf(range, sizeof range, "Content-Range: bytes %zu-%zu/%zu\r\n", start, page->size - 1, page->size);
    }
    const size_t size = status == 416 || status == 503 ? 0 : page->size - start;
    if (!page->no_length)
        snprintf(length, sizeof length, "Content-Length: %lld\r\n",
                 page->announced && size ? page->announced : (long long)size);
    const int written = snprintf(text, sizeof text, "HTTP/1.1 %d Status\r\nConnection: close\r\n%s%s%s%s%s%s\r\n",
                                 status, length, range, page->etag ? "ETag: " : "", page->etag ? page->etag : "",
                                 page->etag ? "\r\n" : "", page->headers ? page->headers : "");
    MUST(written > 0 && (size_t)written < sizeof text);
    if (send_bytes(to, text, (size_t)written) && strncmp(head, "HEAD", 4) != 0 && size > 0)
        send_body(to, page, (const char *)page->body + start, size);
}

static void serve(hub_server *server, int socket)
{
    char head[HEAD_MOST];
    const struct timeval patient = {.tv_sec = PATIENT_SECONDS};
    client one = {.socket = socket};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof patient);
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patient, sizeof patient);
    if (server->secure) {
        one.secure = SSL_new(server->secure);
        MUST(one.secure && SSL_set_fd(one.secure, socket) == 1);
    }
    if ((!one.secure || SSL_accept(one.secure) == 1) && read_head(&one, head)) {
        remember(server, head);
        answer(&one, find_page(server, head), head);
        if (one.secure)
            SSL_shutdown(one.secure);
    }
    SSL_free(one.secure);
    close(socket);
}

static void *serve_all(void *argument)
{
    hub_server *server = argument;
    while (!atomic_load(&server->stopping)) {
        struct pollfd waiting = {.fd = server->listener, .events = POLLIN};
        if (poll(&waiting, 1, 20) != 1)
            continue;
        const int socket = accept(server->listener, NULL, NULL);
        if (socket >= 0)
            serve(server, socket);
    }
    return NULL;
}

/* --- start and end ------------------------------------------------------------------------------------------------ */

/* A key, and a certificate of this address signed with it. */
static void make_certificate(hub_server *server, const char *address)
{
    char names[64];
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
    MUST(maker && EVP_PKEY_keygen_init(maker) == 1 && EVP_PKEY_keygen(maker, &key) == 1);
    EVP_PKEY_CTX_free(maker);
    X509 *made = X509_new();
    MUST(made && X509_set_version(made, 2) && ASN1_INTEGER_set(X509_get_serialNumber(made), 1) &&
         X509_gmtime_adj(X509_getm_notBefore(made), -3600) && X509_gmtime_adj(X509_getm_notAfter(made), 3600) &&
         X509_set_pubkey(made, key));
    X509_NAME *name = X509_get_subject_name(made);
    MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"thaw tests", -1, -1, 0));
    snprintf(names, sizeof names, "IP:%s", address);
    X509_EXTENSION *addresses = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    MUST(addresses && X509_add_ext(made, addresses, -1) && X509_set_issuer_name(made, name) &&
         X509_sign(made, key, NULL));
    X509_EXTENSION_free(addresses);
    server->secure = SSL_CTX_new(TLS_server_method());
    MUST(server->secure && SSL_CTX_use_certificate(server->secure, made) == 1 &&
         SSL_CTX_use_PrivateKey(server->secure, key) == 1);
    EVP_PKEY_free(key);
    server->certificate = made;
}

void hub_server_write_certificate(const hub_server *server, const char *path)
{
    FILE *file = fopen(path, "wb");
    MUST(file && PEM_write_X509(file, server->certificate) == 1 && fclose(file) == 0);
}

hub_server *hub_server_start(const char *address, hub_page *pages, size_t count, bool secure)
{
    struct sockaddr_in place = {.sin_family = AF_INET};
    socklen_t length = sizeof place;
    hub_server *server = calloc(1, sizeof *server);
    MUST(server && inet_pton(AF_INET, address, &place.sin_addr) == 1);
    server->pages = pages;
    server->count = count;
    atomic_init(&server->stopping, false);
    pthread_mutex_init(&server->mutex, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(server->listener >= 0 && bind(server->listener, (struct sockaddr *)&place, sizeof place) == 0 &&
         listen(server->listener, 16) == 0 && getsockname(server->listener, (struct sockaddr *)&place, &length) == 0);
    snprintf(server->base, sizeof server->base, "%s://%s:%d", secure ? "https" : "http", address,
             ntohs(place.sin_port));
    if (secure)
        make_certificate(server, address);
    MUST(pthread_create(&server->thread, NULL, serve_all, server) == 0);
    return server;
}

void hub_server_stop(hub_server **server)
{
    atomic_store(&(*server)->stopping, true);
    pthread_join((*server)->thread, NULL);
    close((*server)->listener);
    hub_server_forget(*server);
    pthread_mutex_destroy(&(*server)->mutex);
    SSL_CTX_free((*server)->secure);
    X509_free((*server)->certificate);
    free(*server);
    *server = NULL;
}

const char *hub_server_base(const hub_server *server)
{
    return server->base;
}
