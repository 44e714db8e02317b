/* One measurement of a benchmark's file. */
#ifndef THAW_REPORT_READ_ENTRY_H
#define THAW_REPORT_READ_ENTRY_H

#include "report/field.h"

/* What an id consists of. */
#define THAW_REPORT_ID_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+:/"

#define THAW_REPORT_LEAST 1e-30 /* of what is positive by nature */
#define THAW_REPORT_MOST  1e30

/* The reader's `place` gets the entry's id once that is known. What was allocated goes with thaw_report_entry_free(),
 * also after a failure. */
THAW_MUST_CHECK thaw_status thaw_report_entry_read(thaw_fields *fields, thaw_report_entry *entry);
void thaw_report_entry_free(thaw_report_entry *entry);

#endif
