/* What the subcommands of `thaw` share: global options, errors, notes, the device, signals. */
#ifndef THAW_TOOLS_CLI_H
#define THAW_TOOLS_CLI_H

#include <thaw/thaw.h>

#include "options.h"
#include "progress.h"

typedef struct cli_globals {
    const char *device, *architecture;
    int progress; /* a cli_progress_mode */
    int verbosity;
    bool json, quiet, no_color, version, help;
} cli_globals;

/* Images that were left out, with reasons. */
typedef struct cli_bad_image {
    char *path, *reason;
} cli_bad_image;

/* One run of the program. */
struct cli_state {
    cli_globals globals;
    const char *command;             /* NULL until it is known */
    const struct cli_parser *parser; /* of the command's options, while it runs */
    thaw_context *context;
    thaw_device *device; /* NULL until cli_open_device() */
    cli_progress progress;
    bool color;
    cli_bad_image *bad_images;
    size_t bad_count, bad_capacity;
    bool bad_is_failure; /* each of them is an error, not only left out */
    char message[1024];  /* of a failure of our own; "" if the library knows the reason */
    bool reported;       /* the failure has been told already */
};

/* A subcommand: a row of the table in thaw.c. */
typedef struct cli_command {
    const char *name;
    const char *arguments;   /* "MODEL IMAGE..."; "" if it takes none */
    const char *summary;     /* for `thaw --help` */
    const char *description; /* for its own help */
    const char *examples;    /* lines */
    const cli_group *groups; /* its options */
    size_t group_count;
    size_t least_arguments, most_arguments;
    size_t options_bytes;
    void (*defaults)(void *options);
    thaw_status (*run)(cli_state *cli, const void *options, const char *const *arguments, size_t count);
} cli_command;

/* Records why a command fails and returns `status`. */
thaw_status cli_fail(cli_state *cli, thaw_status status, const char *format, ...) THAW_PRINTF(3, 4);
/* The same for THAW_ERR_USAGE, with the command's name before it. */
thaw_status cli_fail_usage(cli_state *cli, const char *format, ...) THAW_PRINTF(2, 3);
/* THAW_ERR_IO with the path and errno. */
thaw_status cli_fail_path(cli_state *cli, const char *path);
/* The one line that tells a failure: "thaw: what: why". */
void cli_report(cli_state *cli, thaw_status status);

/* A line on stderr, "thaw: ...": always, or unless -q. */
void cli_error(cli_state *cli, const char *format, ...) THAW_PRINTF(2, 3);
void cli_warn(cli_state *cli, const char *format, ...) THAW_PRINTF(2, 3);
/* A line on stderr that tells what is going on; nothing with -q, --progress json or none. */
void cli_note(cli_state *cli, const char *format, ...) THAW_PRINTF(2, 3);

/* Makes the context and takes care of signals, once the global options are known. */
THAW_MUST_CHECK thaw_status cli_start(cli_state *cli);
/* Frees everything. */
void cli_finish(cli_state *cli);

/* Loads the model of that path, or one that was pulled by its name; one that can't be opened is a bad model file too. */
THAW_MUST_CHECK thaw_status cli_load_model(cli_state *cli, const char *name, thaw_model **model);
/* The same where a device is opened afterwards: its drivers start while the file is read. */
THAW_MUST_CHECK thaw_status cli_load_model_to_run(cli_state *cli, const char *name, thaw_model **model);
/* Opens the device that --device names, as cli->device, and says which one it is. */
THAW_MUST_CHECK thaw_status cli_open_device(cli_state *cli);
/* A job whose progress and bad images come to `cli`. */
thaw_job cli_job(cli_state *cli, size_t batch_size, size_t workers, thaw_precision frozen_precision);
/* To be called after it: takes the bar away, says how many bad images were not named. */
void cli_end_job(cli_state *cli);

/* Fails early if `path` can't be written later: no such folder, not allowed, no regular file. */
THAW_MUST_CHECK thaw_status cli_check_output(cli_state *cli, const char *path);
/* Gives the model the folders' names as classes if it has none of its own and as many outputs. */
THAW_MUST_CHECK thaw_status cli_name_classes(cli_state *cli, thaw_model *model, const thaw_dataset *dataset,
                                             const thaw_preprocess *preprocess);
#define CLI_NAME_WIDTH 40
/* At most CLI_NAME_WIDTH characters of a layer's name: its end tells more than its beginning, since nets share
 * prefixes. */
const char *cli_name_end(const char *name);
/* The name of an output, or its number where the model has no names. */
const char *cli_class_name(const thaw_model *model, size_t index, char number[24]);

#endif
