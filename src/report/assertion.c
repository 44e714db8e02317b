/* What a benchmark is expected to reach. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/read_entry.h"

static const char *const operators[] = {
#define OPERATOR_TEXT(name, text) text,
    THAW_ASSERTION_LIST(OPERATOR_TEXT)
#undef OPERATOR_TEXT
};

static const char *skip_blanks(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static thaw_status fail_syntax(thaw_context *context, const char *text, const char *reason)
{
    return thaw_fail(context, THAW_ERR_USAGE,
                     "'%s': %s: write the id of an entry, one of >= <= > < ==, and a number, as in "
                     "'models.resnet18.forward>=50'",
                     text, reason);
}

/* Longer operators come first in the list, so that >= is not taken for >. */
static bool read_operator(const char **next, thaw_assertion_kind *kind)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (strncmp(*next, operators[i], strlen(operators[i])) == 0) {
            *next += strlen(operators[i]);
            *kind = (thaw_assertion_kind)i;
            return true;
        }
    return false;
}

thaw_status thaw_assertion_parse(thaw_context *context, const char *text, thaw_assertion *assertion)
{
    const char *next = skip_blanks(text);
    const size_t length = strspn(next, THAW_REPORT_ID_LETTERS);
    *assertion = (thaw_assertion){.number = NAN};
    if (length == 0)
        return fail_syntax(context, text, "no id of an entry");
    if (length >= sizeof assertion->id)
        return fail_syntax(context, text, "the id is too long");
    memcpy(assertion->id, next, length);
    next = skip_blanks(next + length);
    if (!read_operator(&next, &assertion->kind))
        return fail_syntax(context, text, "no operator behind the id");
    char *end;
    assertion->number = strtod(next, &end);
    if (end == next || !isfinite(assertion->number))
        return fail_syntax(context, text, "no number behind the operator");
    if (*skip_blanks(end))
        return fail_syntax(context, text, "there is more behind the number");
    return THAW_OK;
}

static bool holds(thaw_assertion_kind kind, double value, double number)
{
    switch (kind) {
    case THAW_ASSERTION_AT_LEAST:
        return value >= number;
    case THAW_ASSERTION_AT_MOST:
        return value <= number;
    case THAW_ASSERTION_EQUAL:
        return value == number;
    case THAW_ASSERTION_ABOVE:
        return value > number;
    case THAW_ASSERTION_BELOW:
        return value < number;
    }
    return false;
}

static thaw_status fail_missing(thaw_context *context, const thaw_assertion *assertion, const thaw_report *report)
{
    thaw_text near = {0};
    const char **names;
    THAW_TRY(thaw_allocate(context, report->entry_count, sizeof *names, &names));
    for (size_t i = 0; i < report->entry_count; i++)
        names[i] = report->entries[i].id;
    thaw_text_append_near(&near, assertion->id, names, report->entry_count);
    free(names);
    const thaw_status status = thaw_fail(context, THAW_ERR_CHECK, "%s%s%.10g does not hold: there is no such entry%s%s",
                                         assertion->id, operators[assertion->kind], assertion->number,
                                         near.length ? ": did you mean " : "", near.length ? near.data : "");
    thaw_text_free(&near);
    return status;
}

thaw_status thaw_assertion_check(thaw_context *context, const thaw_assertion *assertion, const thaw_report *report)
{
    const thaw_report_entry *entry = thaw_report_find(report, assertion->id);
    if (!entry)
        return fail_missing(context, assertion, report);
    if (entry->status != THAW_REPORT_OK)
        return thaw_fail(context, THAW_ERR_CHECK, "%s%s%.10g does not hold: it is %s: %s", assertion->id,
                         operators[assertion->kind], assertion->number, thaw_report_status_text(entry->status),
                         entry->reason);
    if (!holds(assertion->kind, entry->value, assertion->number))
        return thaw_fail(context, THAW_ERR_CHECK, "%s%s%.10g does not hold: it is %.6g %s", assertion->id,
                         operators[assertion->kind], assertion->number, entry->value, entry->unit);
    return THAW_OK;
}
