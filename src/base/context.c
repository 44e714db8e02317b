#include "base/context.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LINE_BYTES 16384 /* what a message is cut to: room for the names of a few hundred nodes */

struct thaw_context {
    pthread_mutex_t message_mutex; /* guards message */
    pthread_mutex_t log_mutex;     /* guards log and user, and keeps callbacks apart */
    char message[LINE_BYTES];
    thaw_log_callback log;
    void *user;
    struct {
        pthread_mutex_t mutex; /* guards the rest, and keeps callbacks apart */
        thaw_prepare_callback callback;
        void *user;
        const char *phase;
        size_t done, total;
        double start_seconds, told_seconds; /* the clock's; told_seconds 0: not yet */
    } prepare;
    atomic_bool interrupted;
};

thaw_status thaw_context_create(thaw_context **context)
{
    *context = NULL;
    thaw_context *made = calloc(1, sizeof *made);
    if (!made)
        return THAW_ERR_MEMORY;
    pthread_mutex_init(&made->message_mutex, NULL);
    pthread_mutex_init(&made->log_mutex, NULL);
    pthread_mutex_init(&made->prepare.mutex, NULL);
    atomic_init(&made->interrupted, false);
    *context = made;
    return THAW_OK;
}

void thaw_context_destroy(thaw_context **context)
{
    if (!context || !*context)
        return;
    pthread_mutex_destroy(&(*context)->message_mutex);
    pthread_mutex_destroy(&(*context)->log_mutex);
    pthread_mutex_destroy(&(*context)->prepare.mutex);
    free(*context);
    *context = NULL;
}

void thaw_context_set_log(thaw_context *context, thaw_log_callback callback, void *user)
{
    pthread_mutex_lock(&context->log_mutex);
    context->log = callback;
    context->user = user;
    pthread_mutex_unlock(&context->log_mutex);
}

/* Names from files may hold anything: what would break the line, or move a terminal's cursor, is replaced. A line that
 * did not fit ends in dots. `length` is what vsnprintf() wanted to write. */
static void tidy_line(char line[LINE_BYTES], size_t length)
{
    for (unsigned char *c = (unsigned char *)line; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
    if (length >= LINE_BYTES)
        memcpy(line + LINE_BYTES - 4, "...", 4);
}

static void format_line(char line[LINE_BYTES], const char *format, va_list arguments) THAW_PRINTF(2, 0);
static void format_line(char line[LINE_BYTES], const char *format, va_list arguments)
{
    const int length = vsnprintf(line, LINE_BYTES, format, arguments);
    if (length < 0)
        line[0] = '\0';
    tidy_line(line, length < 0 ? 0 : (size_t)length);
}

thaw_status thaw_fail(thaw_context *context, thaw_status status, const char *format, ...)
{
    if (!context)
        return status;
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, format, arguments);
    va_end(arguments);

    pthread_mutex_lock(&context->message_mutex);
    memcpy(context->message, line, sizeof line);
    pthread_mutex_unlock(&context->message_mutex);
    return status;
}

thaw_status thaw_fail_within(thaw_context *context, thaw_status status, const char *format, ...)
{
    if (!context)
        return status;
    char prefix[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_line(prefix, format, arguments);
    va_end(arguments);

    pthread_mutex_lock(&context->message_mutex);
    char reason[LINE_BYTES];
    memcpy(reason, context->message, sizeof reason);
    const int length = snprintf(context->message, LINE_BYTES, "%s: %s", prefix, reason);
    tidy_line(context->message, length < 0 ? 0 : (size_t)length);
    pthread_mutex_unlock(&context->message_mutex);
    return status;
}

/* The line is copied to the calling thread, since another thread may fail while the caller still reads. */
const char *thaw_error_message(const thaw_context *context)
{
    static _Thread_local char line[LINE_BYTES];
    if (!context)
        return "";
    thaw_context *shared = (thaw_context *)context; /* only for the mutex */
    pthread_mutex_lock(&shared->message_mutex);
    memcpy(line, shared->message, sizeof line);
    pthread_mutex_unlock(&shared->message_mutex);
    return line;
}

void thaw_log(thaw_context *context, thaw_log_level level, const char *format, ...)
{
    if (!context)
        return;
    pthread_mutex_lock(&context->log_mutex);
    if (context->log) {
        char line[LINE_BYTES];
        va_list arguments;
        va_start(arguments, format);
        format_line(line, format, arguments);
        va_end(arguments);
        context->log(context->user, level, line);
    }
    pthread_mutex_unlock(&context->log_mutex);
}

void thaw_context_set_prepare(thaw_context *context, thaw_prepare_callback callback, void *user)
{
    pthread_mutex_lock(&context->prepare.mutex);
    context->prepare.callback = callback;
    context->prepare.user = user;
    pthread_mutex_unlock(&context->prepare.mutex);
}

void thaw_prepare_begin(thaw_context *context, const char *phase, size_t total)
{
    pthread_mutex_lock(&context->prepare.mutex);
    context->prepare.phase = phase;
    context->prepare.done = 0;
    context->prepare.total = total;
    context->prepare.start_seconds = thaw_clock_seconds();
    context->prepare.told_seconds = 0;
    pthread_mutex_unlock(&context->prepare.mutex);
}

/* With the mutex held. */
static void tell_prepare(thaw_context *context, double now)
{
    context->prepare.told_seconds = now;
    context->prepare.callback(context->prepare.user, context->prepare.phase, context->prepare.done,
                              context->prepare.total, now - context->prepare.start_seconds);
}

void thaw_prepare_step(thaw_context *context)
{
    const double moment_seconds = 0.5, interval_seconds = 0.1, now = thaw_clock_seconds();
    pthread_mutex_lock(&context->prepare.mutex);
    if (context->prepare.done + 1 < context->prepare.total)
        context->prepare.done++;
    if (context->prepare.callback && now - context->prepare.start_seconds > moment_seconds &&
        now - context->prepare.told_seconds > interval_seconds)
        tell_prepare(context, now);
    pthread_mutex_unlock(&context->prepare.mutex);
}

void thaw_prepare_end(thaw_context *context)
{
    pthread_mutex_lock(&context->prepare.mutex);
    context->prepare.done = context->prepare.total;
    if (context->prepare.callback && context->prepare.told_seconds > 0)
        tell_prepare(context, thaw_clock_seconds());
    pthread_mutex_unlock(&context->prepare.mutex);
}

void thaw_context_interrupt(thaw_context *context)
{
    atomic_store(&context->interrupted, true);
}

void thaw_context_resume(thaw_context *context)
{
    atomic_store(&context->interrupted, false);
}

bool thaw_context_interrupted(const thaw_context *context)
{
    return atomic_load(&context->interrupted);
}
