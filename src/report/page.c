#include "report/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/context.h"
#include "base/file.h"

void thaw_page_text(thaw_text *page, const char *text)
{
    static const char special[] = "&<>\"'";
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    while (text && *text) {
        const size_t plain = strcspn(text, special);
        thaw_text_append(page, "%.*s", (int)plain, text);
        text += plain;
        if (*text)
            thaw_text_append(page, "%s", entities[strchr(special, *text++) - special]);
    }
}

void thaw_page_title(thaw_text *page, const char *title)
{
    if (!title)
        return;
    thaw_text_append(page, "<span class=\"name\">");
    thaw_page_text(page, title);
    thaw_text_append(page, "</span>");
}

void thaw_page_id(thaw_text *page, const char *id)
{
    thaw_text_append(page, "<span class=\"id\">");
    for (size_t length; *id; id += length) {
        length = strcspn(id, ".");
        length += id[length] == '.';
        thaw_text_append(page, "%.*s<wbr>", (int)length, id); /* its letters mean nothing in HTML */
    }
    thaw_text_append(page, "</span>");
}

/* The policy holds browsers to what is promised: even if a text got through unescaped, nothing would run or load. */
void thaw_page_begin(thaw_text *page, const char *title)
{
    thaw_text_append(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                           "'unsafe-inline'\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                           "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    thaw_page_text(page, title);
    thaw_text_append(page, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", thaw_page_style);
}

void thaw_page_end(thaw_text *page)
{
    thaw_text_append(page, "</body>\n</html>\n");
}

thaw_status thaw_page_write(thaw_context *context, thaw_text *page, const char *path)
{
    const thaw_status status = page->failed ? thaw_fail(context, THAW_ERR_MEMORY, "%s: out of memory", path)
                                            : thaw_file_write(context, path, page->data, page->length);
    thaw_text_free(page);
    return status;
}

void thaw_page_badge(thaw_text *page, const char *class_name, const char *text)
{
    thaw_text_append(page, " <span class=\"badge %s\">", class_name);
    thaw_page_text(page, text);
    thaw_text_append(page, "</span>");
}

const char *thaw_page_flag_meaning(const char *flag)
{
    static const char *const meanings[][2] = {
        {"spread", "a tenth of the repetitions took over 10 % longer than another tenth"},
        {"above_peak",
         "faster than the device can be: fewer operations than were counted, data from caches, or a clock that is off"},
        {"clock_moved", "the device was slower than it can be beside nearly all repetitions"},
        {"few_samples", "too few rounds of repetitions for the interval to mean much"},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strcmp(flag, meanings[i][0]) == 0)
            return meanings[i][1];
    return NULL;
}

void thaw_page_flags(thaw_text *page, const thaw_report_entry *entry)
{
    for (size_t i = 0; i < entry->flag_count; i++) {
        const char *meaning = thaw_page_flag_meaning(entry->flags[i]);
        thaw_text_append(page, " <span class=\"badge flag\"");
        if (meaning)
            thaw_text_append(page, " title=\"%s\"", meaning);
        thaw_text_append(page, ">");
        thaw_page_text(page, entry->flags[i]);
        thaw_text_append(page, "</span>");
    }
}
