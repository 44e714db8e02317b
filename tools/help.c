/* Help, made from the tables that parse. */
#include "options.h"

#include <string.h>

#define LINE_WIDTH  100
#define HELP_COLUMN 30

/* "imagenet|tf|caffe|raw" */
static void join_choices(const char *const *choices, char *text, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; choices[i] && length < size; i++)
        length += (size_t)snprintf(text + length, size - length, "%s%s", i ? "|" : "", choices[i]);
}

void cli_help_option_text(const cli_option *option, char *text, size_t size)
{
    if (option->choices)
        join_choices(option->choices, text, size);
    else
        snprintf(text, size, "%s", option->value ? option->value : "");
}

void cli_help_wrap(FILE *out, const char *text, size_t column)
{
    size_t at = column;
    while (*text) {
        const size_t length = strcspn(text, " \n");
        if (at > column && (at + 1 + length > LINE_WIDTH)) {
            fprintf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            putc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", (int)length, text);
        at += length;
        text += length;
        if (*text == '\n') {
            fprintf(out, "\n%*s", (int)column, "");
            at = column;
        }
        text += *text != '\0';
    }
    putc('\n', out);
}

static void print_option(FILE *out, const cli_option *option, const void *field)
{
    char value[96], left[128], value_now[96], help[512];
    const char *otherwise = option->otherwise;
    cli_help_option_text(option, value, sizeof value);
    const char letter[] = {'-', option->letter, ',', ' ', '\0'};
    snprintf(left, sizeof left, "  %s--%s%s%s", option->letter ? letter : "    ", option->name, value[0] ? " " : "",
             value);
    if (!otherwise && option->type->print && option->type->print(option, field, value_now, sizeof value_now))
        otherwise = value_now;
    if (otherwise)
        snprintf(help, sizeof help, "%s [default: %s]", option->help, otherwise);
    else
        snprintf(help, sizeof help, "%s%s", option->help, option->required ? " (needed)" : "");
    const int length = fprintf(out, "%s", left);
    if (length > HELP_COLUMN - 2)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", HELP_COLUMN - length, "");
    cli_help_wrap(out, help, HELP_COLUMN);
}

void cli_help_options(FILE *out, const cli_group *group, const void *fields)
{
    fprintf(out, "\n%s:\n", group->title);
    for (size_t i = 0; i < group->count; i++) {
        const cli_option *option = &group->options[i];
        print_option(out, option, (const char *)fields + group->offset + option->offset);
    }
}
