/* What a driver's compiler says, in our files' own lines. */
#ifndef THAW_DEVICE_BUILD_LOG_H
#define THAW_DEVICE_BUILD_LOG_H

#include <stddef.h>

#include "base/text.h"

enum { THAW_PROGRAM_PARTS = 4 };

/* What a program consists of, in this order. */
typedef struct thaw_program_parts {
    const char *texts[THAW_PROGRAM_PARTS];
    const char *files[THAW_PROGRAM_PARTS]; /* that they come from */
} thaw_program_parts;

/* Appends the log, with "<kernel>:LINE:", where a driver that ignores #line counts lines from the beginning of the
 * program, turned into "FILE:LINE:" of the part that has this line. */
void thaw_build_log_place(const thaw_program_parts *parts, const char *log, thaw_text *placed);

#endif
