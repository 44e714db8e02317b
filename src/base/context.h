/* What the library itself needs of a context: failing with a reason, logging. */
#ifndef THAW_BASE_CONTEXT_H
#define THAW_BASE_CONTEXT_H

#include <thaw/status.h>

/* Records the reason (one line, no newline) and returns `status`, so that callers write `return thaw_fail(...)`.
 * Safe from any thread. */
thaw_status thaw_fail(thaw_context *context, thaw_status status, const char *format, ...) THAW_PRINTF(3, 4);

/* Puts "prefix: " before the reason of the last failure and returns `status`: for callers that know the file's name. */
thaw_status thaw_fail_within(thaw_context *context, thaw_status status, const char *format, ...) THAW_PRINTF(3, 4);

void thaw_log(thaw_context *context, thaw_log_level level, const char *format, ...) THAW_PRINTF(3, 4);

/* A phase of making something ready begins, with `total` steps more or less; a step is done; the phase is over. Told
 * to whoever wants to know if it takes long. */
void thaw_prepare_begin(thaw_context *context, const char *phase, size_t total);
void thaw_prepare_step(thaw_context *context);
void thaw_prepare_end(thaw_context *context);

/* Returns early from the calling function if `call` does not give THAW_OK. */
#define THAW_TRY(call)                                                                                                 \
    do {                                                                                                               \
        const thaw_status thaw_try_status = (call);                                                                    \
        if (thaw_try_status != THAW_OK)                                                                                \
            return thaw_try_status;                                                                                    \
    } while (0)

#endif
