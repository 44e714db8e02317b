/* Option tables. A command describes each of its options once; popt's table, the checks and --help are made from that.
 */
#ifndef THAW_TOOLS_OPTIONS_H
#define THAW_TOOLS_OPTIONS_H

#include <popt.h>
#include <stdint.h>
#include <stdio.h>
#include <thaw/status.h>

typedef struct cli_state cli_state;
typedef struct cli_option cli_option;

/* What an option's value is. Fields hold: cli_flag bool, cli_counter int, cli_text const char *, cli_texts
 * cli_text_list, cli_int32 int32_t, cli_size size_t, cli_seed uint64_t, cli_number double, cli_choice int or an enum
 * (-1: unset), cli_triple double[3] (unset: NaN), cli_extent int32_t[2] (height, width; unset: 0). */
typedef struct cli_type {
    const char *expects; /* for messages: "a number"; NULL: one of the choices */
    bool ranged;         /* the option's least and most hold */
    bool (*parse)(const cli_option *option, const char *text, void *field);
    /* Writes the field as text; false if it holds nothing. NULL: such a field has no default worth showing. */
    bool (*print)(const cli_option *option, const void *field, char *text, size_t size);
} cli_type;

extern const cli_type cli_flag, cli_counter, cli_text, cli_texts, cli_int32, cli_size, cli_seed, cli_number, cli_choice,
    cli_triple, cli_extent;

#define CLI_TEXTS_MAX 64
typedef struct cli_text_list {
    const char *items[CLI_TEXTS_MAX];
    size_t count;
} cli_text_list;

/* Rows name everything from `help` on; what they leave out is zero. */
struct cli_option {
    const char *name; /* without dashes */
    const cli_type *type;
    size_t offset;         /* of the field in the group's struct */
    const char *value;     /* what help calls the value */
    const char *help;      /* a few words, no full stop */
    const char *otherwise; /* the default in words, where the field does not say it */
    double least, most;
    const char *const *choices; /* ends with NULL */
    char letter;
    bool required;
};

typedef struct cli_group {
    const char *title;
    const cli_option *options;
    size_t count;
    size_t offset; /* of the group's struct in the command's */
} cli_group;

/* The numbers allowed, ends included. */
#define CLI_RANGE(from, to) .least = (from), .most = (to)

#define CLI_GROUP(heading, table, at)                                                                                  \
    {                                                                                                                  \
        .title = (heading), .options = (table), .count = sizeof(table) / sizeof((table)[0]), .offset = (at)            \
    }

/* Options bound to the fields that they fill. */
#define CLI_OPTIONS_MAX 128
typedef struct cli_parser {
    const cli_option *options[CLI_OPTIONS_MAX];
    void *fields[CLI_OPTIONS_MAX];
    bool given[CLI_OPTIONS_MAX]; /* on the command line */
    struct poptOption table[CLI_OPTIONS_MAX + 1];
    size_t count;
    poptContext popt;
    char **values; /* option values, freed with the parser */
    size_t value_count;
} cli_parser;

/* Starts as {0}. `fields` is the struct that group->offset counts from. */
void cli_parser_bind(cli_parser *parser, const cli_group *group, void *fields);
/* Reads argv[1..]; `flags` as for poptGetContext(). THAW_ERR_USAGE names the option and the value. */
THAW_MUST_CHECK thaw_status cli_parser_run(cli_parser *parser, cli_state *cli, int argc, const char **argv,
                                           unsigned flags);
/* THAW_ERR_USAGE if a required option was not given. */
THAW_MUST_CHECK thaw_status cli_parser_check_required(const cli_parser *parser, cli_state *cli);
/* Was the option given, whatever its value? */
bool cli_parser_given(const cli_parser *parser, const char *name);
/* The arguments that are no options, as long as the parser lives. */
const char **cli_parser_rest(const cli_parser *parser, size_t *count);
void cli_parser_free(cli_parser *parser);

/* The name most like `wanted`, or NULL if none is near. */
typedef const char *(*cli_name_at)(const void *list, size_t index);
const char *cli_nearest(const char *wanted, const void *list, size_t count, cli_name_at name_at);

/* Help for the options of one group, with the values that `fields` holds as defaults. */
void cli_help_options(FILE *out, const cli_group *group, const void *fields);
/* "--name VALUE", as it stands in help. */
void cli_help_option_text(const cli_option *option, char *text, size_t size);
/* Text broken into lines: `column` blanks before each but the first, which is taken to stand there already. */
void cli_help_wrap(FILE *out, const char *text, size_t column);

#endif
