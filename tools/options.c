/* Parsing: popt finds the options, the tables say what their values may be. */
#include "options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define NAME_MOST 48 /* longer names are like nothing that we know */

static bool takes_value(const cli_option *option)
{
    return option->type != &cli_flag && option->type != &cli_counter;
}

void cli_parser_bind(cli_parser *parser, const cli_group *group, void *fields)
{
    for (size_t i = 0; i < group->count; i++) {
        assert(parser->count < CLI_OPTIONS_MAX);
        const cli_option *option = &group->options[i];
        const size_t at = parser->count++;
        parser->options[at] = option;
        parser->fields[at] = (char *)fields + group->offset + option->offset;
        parser->table[at] = (struct poptOption){.longName = option->name,
                                                .shortName = option->letter,
                                                .argInfo = takes_value(option) ? POPT_ARG_STRING : POPT_ARG_NONE,
                                                .val = (int)at + 1};
    }
}

static const char *option_name_at(const void *list, size_t index)
{
    const cli_parser *parser = list;
    return parser->options[index]->name;
}

/* Says what is wrong with the option at which popt stopped. */
static thaw_status fail_option(const cli_parser *parser, cli_state *cli, int error)
{
    const char *given = poptBadOption(parser->popt, POPT_BADOPTION_NOALIAS);
    if (error != POPT_ERROR_BADOPT)
        return cli_fail_usage(cli, "%s: %s", given, poptStrerror(error));
    const char *near = NULL;
    if (strncmp(given, "--", 2) == 0)
        near = cli_nearest(given + 2, parser, parser->count, option_name_at);
    if (near)
        return cli_fail_usage(cli, "unknown option %s, did you mean --%s?", given, near);
    return cli_fail_usage(cli, "unknown option %s%s", given,
                          cli->command ? "" : ": options of a command come after it");
}

static thaw_status fail_value(const cli_option *option, cli_state *cli, const char *value)
{
    char wanted[160];
    if (!option->type->expects)
        cli_help_option_text(option, wanted, sizeof wanted);
    else if (option->type->ranged)
        snprintf(wanted, sizeof wanted, "%s from %.10g to %.10g", option->type->expects, option->least, option->most);
    else
        snprintf(wanted, sizeof wanted, "%s", option->type->expects);
    return cli_fail_usage(cli, "--%s '%s': expected %s", option->name, value, wanted);
}

thaw_status cli_parser_run(cli_parser *parser, cli_state *cli, int argc, const char **argv, unsigned flags)
{
    parser->values = calloc((size_t)argc + 1, sizeof *parser->values);
    parser->popt = poptGetContext("thaw", argc, argv, parser->table, flags);
    if (!parser->values || !parser->popt)
        return THAW_ERR_MEMORY;
    int found;
    while ((found = poptGetNextOpt(parser->popt)) > 0) {
        const cli_option *option = parser->options[found - 1];
        char *value = poptGetOptArg(parser->popt);
        parser->given[found - 1] = true;
        if (value)
            parser->values[parser->value_count++] = value;
        if (!option->type->parse(option, value ? value : "", parser->fields[found - 1]))
            return fail_value(option, cli, value ? value : "");
    }
    return found == -1 ? THAW_OK : fail_option(parser, cli, found);
}

thaw_status cli_parser_check_required(const cli_parser *parser, cli_state *cli)
{
    char text[8];
    for (size_t i = 0; i < parser->count; i++) {
        const cli_option *option = parser->options[i];
        if (option->required && !option->type->print(option, parser->fields[i], text, sizeof text))
            return cli_fail_usage(cli, "--%s %s is missing", option->name, option->value);
    }
    return THAW_OK;
}

bool cli_parser_given(const cli_parser *parser, const char *name)
{
    for (size_t i = 0; i < parser->count; i++)
        if (strcmp(parser->options[i]->name, name) == 0)
            return parser->given[i];
    return false;
}

const char **cli_parser_rest(const cli_parser *parser, size_t *count)
{
    const char **rest = poptGetArgs(parser->popt);
    *count = 0;
    while (rest && rest[*count])
        ++*count;
    return rest;
}

void cli_parser_free(cli_parser *parser)
{
    if (parser->popt)
        poptFreeContext(parser->popt);
    for (size_t i = 0; i < parser->value_count; i++)
        free(parser->values[i]);
    free(parser->values);
    *parser = (cli_parser){0};
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Insertions, deletions and replacements that lead from a to b (Levenshtein); both at most NAME_MOST long. */
static size_t edit_distance(const char *a, const char *b)
{
    const size_t width = strlen(b);
    size_t row[NAME_MOST + 1];
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smallest(replaced, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[width];
}

const char *cli_nearest(const char *wanted, const void *list, size_t count, cli_name_at name_at)
{
    const size_t length = strcspn(wanted, "=");
    char name[NAME_MOST + 1];
    if (length == 0 || length > NAME_MOST)
        return NULL;
    memcpy(name, wanted, length);
    name[length] = '\0';
    const char *best = NULL;
    size_t best_distance = length / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        const char *candidate = name_at(list, i);
        const bool begins = length >= 3 && strncmp(candidate, name, length) == 0;
        const size_t distance = begins ? 1 : edit_distance(name, candidate);
        if (distance < best_distance && distance < strlen(candidate)) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}
