/* Progress on stderr: a bar on a terminal, plain lines elsewhere, JSON lines on demand. */
#ifndef THAW_TOOLS_PROGRESS_H
#define THAW_TOOLS_PROGRESS_H

#include <thaw/train.h>

/* In the order of --progress. */
#define CLI_PROGRESS_NAMES "auto", "bar", "json", "none"
typedef enum cli_progress_mode {
    CLI_PROGRESS_AUTO,
    CLI_PROGRESS_BAR,
    CLI_PROGRESS_JSON,
    CLI_PROGRESS_NONE,
    CLI_PROGRESS_LINES /* what auto becomes where stderr is no terminal */
} cli_progress_mode;

#define CLI_PHASE_DOWNLOAD "download" /* counts bytes; people are told millions of them */

typedef struct cli_progress {
    cli_progress_mode mode;
    bool terminal;               /* stderr is one that understands escape sequences */
    bool drawn;                  /* a bar stands in the last line */
    char phase[32];              /* the one being told */
    double told_at;              /* seconds into the phase when the last plain line was written */
    bool ended;                  /* the end of the phase has been told */
    double best_top1, best_loss; /* of the epochs so far */
} cli_progress;

/* Turns auto into what suits stderr. */
void cli_progress_start(cli_progress *progress, cli_progress_mode mode);
void cli_progress_tell(cli_progress *progress, const thaw_progress *now);
void cli_progress_tell_epoch(cli_progress *progress, const thaw_epoch *epoch);
/* Takes the bar off the screen, so that a line can be written. */
void cli_progress_clear(cli_progress *progress);

#endif
