/* A small HTTP server on this machine for the tests of pulling: it serves what it is told, and misbehaves on demand.
 * One request a connection, one connection at a time. */
#ifndef THAW_TESTS_HUB_SERVER_H
#define THAW_TESTS_HUB_SERVER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct hub_page {
    const char *path; /* "/owner/name/resolve/main/config.json" */
    const void *body; /* borrowed */
    size_t size;
    int status;             /* 0: 200 */
    const char *headers;    /* further lines, each with its "\r\n"; NULL */
    const char *etag;       /* with quotes; NULL: none, and If-Range never holds */
    size_t cut_at;          /* closes the connection after so many bytes of a body... */
    int cuts;               /* ... so many times */
    int failures;           /* so many times status 503 comes first */
    long long announced;    /* Content-Length, where that is a lie; 0: it is not */
    bool ignores_ranges;    /* sends everything */
    bool wrong_ranges;      /* sends from the first byte on, as 206 */
    bool no_length;         /* ends the body by closing the connection */
    bool flood;             /* headers without end */
    int pause_at;           /* waits after so many bytes of a body... */
    int pause_milliseconds; /* ... so long, or until the client goes away */
} hub_page;

typedef struct hub_server hub_server;

/* Serves `pages`, which are the caller's and may be changed between requests, at that address ("127.0.0.1"), on a port
 * of the system's choice. `secure`: with TLS and a certificate made for the occasion. Aborts where that can't be. */
hub_server *hub_server_start(const char *address, hub_page *pages, size_t count, bool secure);
void hub_server_stop(hub_server **server);
/* "http://127.0.0.1:PORT" */
const char *hub_server_base(const hub_server *server);
/* Writes the certificate as PEM. */
void hub_server_write_certificate(const hub_server *server, const char *path);

/* How often the text occurs in the heads of the requests since the last call of hub_server_forget(). */
size_t hub_server_count(hub_server *server, const char *text);
void hub_server_forget(hub_server *server);

#endif
