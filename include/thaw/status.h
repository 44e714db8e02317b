/* Status codes, and the context that carries the reason behind one.
 *
 * Every function that can fail returns a thaw_status. What went wrong, in words, is kept in the context:
 * thaw_error_message() gives one line without a newline, made for the end of "thaw: ". */
#ifndef THAW_STATUS_H
#define THAW_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(THAW_SHARED) && defined(__GNUC__)
#define THAW_API __attribute__((visibility("default")))
#else
#define THAW_API
#endif
#if defined(__GNUC__)
#define THAW_MUST_CHECK          __attribute__((warn_unused_result))
#define THAW_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define THAW_MUST_CHECK
#define THAW_PRINTF(text, first)
#endif

/* X(name, text, exit status of a program that ends because of it) */
#define THAW_STATUS_LIST(X)                                                                                            \
    X(OK, "done", 0)                                                                                                   \
    X(ERR_USAGE, "wrong usage", 2)                                                                                     \
    X(ERR_DATA, "bad data", 3)                                                                                         \
    X(ERR_IMAGE, "bad image", 3)                                                                                       \
    X(ERR_MODEL, "bad model file", 4)                                                                                  \
    X(ERR_UNSUPPORTED, "unsupported model", 4)                                                                         \
    X(ERR_SHAPE, "shapes do not fit", 4)                                                                               \
    X(ERR_SIZE, "size out of range", 4)                                                                                \
    X(ERR_MEMORY, "out of memory", 5)                                                                                  \
    X(ERR_DEVICE, "device error", 5)                                                                                   \
    X(ERR_DEVICE_MEMORY, "out of device memory", 5)                                                                    \
    X(ERR_COMPILE, "kernel does not compile", 5)                                                                       \
    X(ERR_IO, "input/output error", 1)                                                                                 \
    X(ERR_CHECK, "a check did not hold", 1)                                                                            \
    X(ERR_DIVERGED, "training diverged", 1)                                                                            \
    X(ERR_INTERRUPTED, "interrupted", 130)

typedef enum thaw_status {
#define THAW_STATUS_ENUM(name, text, exit_status) THAW_##name,
    THAW_STATUS_LIST(THAW_STATUS_ENUM)
#undef THAW_STATUS_ENUM
} thaw_status;

/* The short text of a status, e.g. "bad model file". Never NULL. */
THAW_API const char *thaw_status_text(thaw_status status);

/* The exit status that the `thaw` command gives for it (0, 1, 2, 3, 4, 5 or 130). */
THAW_API int thaw_status_exit(thaw_status status);

/* What everything else hangs on: the last error, the log, the wish to stop. One per program is enough; a context
 * may be used from several threads. It must outlive whatever was made with it. */
typedef struct thaw_context thaw_context;

typedef enum thaw_log_level { THAW_LOG_WARNING, THAW_LOG_INFO, THAW_LOG_DEBUG } thaw_log_level;

/* Gets one line without a newline. May be called from any thread, one call at a time. */
typedef void (*thaw_log_callback)(void *user, thaw_log_level level, const char *line);

/* Makes a context. THAW_ERR_MEMORY if there is none to be had; *context is NULL then. */
THAW_API THAW_MUST_CHECK thaw_status thaw_context_create(thaw_context **context);

/* Frees it and sets *context to NULL; NULL and a pointer to NULL are fine. */
THAW_API void thaw_context_destroy(thaw_context **context);

/* Sends warnings and notes to `callback`; NULL (the default) drops them. */
THAW_API void thaw_context_set_log(thaw_context *context, thaw_log_callback callback, void *user);

/* How far a model is made ready for a device, where that takes longer than a moment: the first time, when algorithms
 * are measured ("prepare") and kernels compiled (also at the "first-run"). `seconds` since the phase began. Called a
 * few times a second at most, and at the phase's end; one call at a time. */
typedef void (*thaw_prepare_callback)(void *user, const char *phase, size_t done, size_t total, double seconds);

/* NULL (the default): nobody is told. */
THAW_API void thaw_context_set_prepare(thaw_context *context, thaw_prepare_callback callback, void *user);

/* The reason of the last failure in this context, one line, "" if there was none. Valid until the next failure. */
THAW_API const char *thaw_error_message(const thaw_context *context);

/* Asks whatever runs in this context to stop soon; long calls then end early, each as its comment says.
 * Safe to call from a signal handler. thaw_context_resume() takes the wish back. */
THAW_API void thaw_context_interrupt(thaw_context *context);
THAW_API void thaw_context_resume(thaw_context *context);
THAW_API bool thaw_context_interrupted(const thaw_context *context);

#endif
