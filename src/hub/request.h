/* Asking a hub over HTTP. The only place, with address.c, that knows libcurl. */
#ifndef THAW_HUB_REQUEST_H
#define THAW_HUB_REQUEST_H

#include <thaw/hub.h>

/* A hub, and our connection to it. One thread. */
typedef struct thaw_hub_session thaw_hub_session;

/* `hub` and `token` as thaw_hub_options and the environment give them: token NULL: none. THAW_ERR_USAGE for an address
 * that is not allowed, or a token that no header takes. */
THAW_MUST_CHECK thaw_status thaw_hub_session_open(thaw_context *context, const char *hub, const char *token,
                                                  double stall_seconds, thaw_hub_session **session);
void thaw_hub_session_close(thaw_hub_session **session);
bool thaw_hub_session_has_token(const thaw_hub_session *session);

#define THAW_ETAG_MOST 256

/* What an answer says of itself. Texts are "" and numbers -1 where it says nothing. */
typedef struct thaw_reply {
    int32_t status;
    int64_t length;            /* of the body */
    int64_t range_start, size; /* Content-Range: first byte, and the whole file's length */
    char etag[THAW_ETAG_MOST]; /* with its quotes */
    /* By the hub's own host alone, before it sends us elsewhere: */
    char linked_etag[THAW_ETAG_MOST]; /* without quotes */
    int64_t linked_size;
    char commit[41];                  /* X-Repo-Commit */
    char error_code[64];              /* X-Error-Code */
    char etag_of_hub[THAW_ETAG_MOST]; /* without quotes, where X-Repo-Commit stands beside it */
    bool transient; /* the connection broke, or the server says that it fails at present: worth another try */
} thaw_reply;

typedef struct thaw_request {
    const char *path;     /* behind the hub's address, escaped */
    bool facts_only;      /* no body; ends at the answer that has X-Linked-ETag, wherever that would send us */
    int64_t from;         /* > 0: only the bytes from there on */
    const char *if_range; /* these only if the file's ETag still is this; NULL: whatever it is */
    /* Told of a body before its first byte (status 200 or 206 only), then its bytes. Another status than THAW_OK ends
     * the request with it. */
    thaw_status (*begin)(void *user, const thaw_reply *reply);
    thaw_status (*write)(void *user, const void *bytes, size_t size);
    void *user;
} thaw_request;

/* Follows redirects, each as address.h allows it. THAW_OK for any answer, its status in *reply; THAW_ERR_IO with the
 * reason if there is none or the body ends too early; THAW_ERR_INTERRUPTED. */
THAW_MUST_CHECK thaw_status thaw_request_send(thaw_hub_session *session, const thaw_request *request,
                                              thaw_reply *reply);

#endif
