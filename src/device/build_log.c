#include "device/build_log.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_PROGRAM "<kernel>:"

static unsigned long count_lines(const char *text)
{
    unsigned long count = 0;
    while ((text = strchr(text, '\n')) != NULL) {
        count++;
        text++;
    }
    return count;
}

/* Which part has a line of the whole program; the line becomes the part's own. */
static size_t find_part(const thaw_program_parts *parts, unsigned long *line)
{
    size_t part = 0;
    for (unsigned long lines; part + 1 < THAW_PROGRAM_PARTS; part++, *line -= lines) {
        lines = count_lines(parts->texts[part]);
        if (*line <= lines)
            break;
    }
    return part;
}

void thaw_build_log_place(const thaw_program_parts *parts, const char *log, thaw_text *placed)
{
    for (const char *found; (found = strstr(log, WHOLE_PROGRAM)) != NULL;) {
        const char *number = found + strlen(WHOLE_PROGRAM);
        thaw_text_append(placed, "%.*s", (int)(found - log), log);
        log = number;
        if (isdigit((unsigned char)*number)) {
            char *end;
            unsigned long line = strtoul(number, &end, 10);
            const size_t part = find_part(parts, &line);
            thaw_text_append(placed, "%s:%lu", parts->files[part], line);
            log = end;
        } else {
            thaw_text_append(placed, "%s", WHOLE_PROGRAM);
        }
    }
    thaw_text_append(placed, "%s", log);
}
