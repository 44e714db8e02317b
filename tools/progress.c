#include "progress.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "json_output.h"

#define LINE_SECONDS   5.0 /* between plain lines */
#define BAR_WIDTH      16
#define TERMINAL_WIDTH 80 /* where it can't be asked */
#define LINE_MOST      256

void cli_progress_start(cli_progress *progress, cli_progress_mode mode)
{
    const char *terminal = getenv("TERM");
    const bool able = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    *progress = (cli_progress){.mode = mode, .terminal = able, .best_top1 = -1};
    if (mode == CLI_PROGRESS_AUTO)
        progress->mode = able ? CLI_PROGRESS_BAR : CLI_PROGRESS_LINES;
}

void cli_progress_clear(cli_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}

static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        return size.ws_col;
    return TERMINAL_WIDTH;
}

/* Seconds until `total` at the rate so far; NaN where that is not known. */
static double seconds_left(const thaw_progress *now)
{
    return now->rate > 0 && now->total >= now->done ? (double)(now->total - now->done) / now->rate : NAN;
}

/* "1:05" or "2:01:00"; "-:--" for NaN. */
static void duration_text(double seconds, char *text, size_t size)
{
    if (isnan(seconds) || seconds > 1e7) {
        snprintf(text, size, "-:--");
        return;
    }
    const long whole = lround(seconds);
    if (whole < 3600)
        snprintf(text, size, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(text, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

/* "68/120  31.2/s", or "1.5/46.8 MB  12.3 MB/s" */
static void count_text(const thaw_progress *now, char *text, size_t size)
{
    const double million = 1e6;
    if (strcmp(now->phase, CLI_PHASE_DOWNLOAD) == 0)
        snprintf(text, size, "%.1f/%.1f MB  %.1f MB/s", (double)now->done / million, (double)now->total / million,
                 now->rate / million);
    else
        snprintf(text, size, "%zu/%zu  %.1f/s", now->done, now->total, now->rate);
}

/* What bar and plain line have in common: "68/120  31.2/s  0:02 left  data wait 4 %". */
static void facts_text(const thaw_progress *now, char *text, size_t size)
{
    char left[24], count[80];
    duration_text(now->done < now->total ? seconds_left(now) : now->seconds, left, sizeof left);
    count_text(now, count, sizeof count);
    int length = snprintf(text, size, "%s  %s %s", count, left, now->done < now->total ? "left" : "taken");
    if (now->data_wait_share > 0 && length > 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, "  data wait %.0f %%", 100 * now->data_wait_share);
}

static void draw_bar(cli_progress *progress, const thaw_progress *now)
{
    char facts[128], bar[BAR_WIDTH + 1], line[LINE_MOST];
    if (now->done >= now->total) {
        cli_progress_clear(progress);
        return;
    }
    const double share = now->total ? fmin((double)now->done / (double)now->total, 1) : 0;
    const int filled = (int)(share * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = "-="[i < filled];
    bar[BAR_WIDTH] = '\0';
    facts_text(now, facts, sizeof facts);
    snprintf(line, sizeof line, "%-9s [%s] %3.0f %%  %s", now->phase, bar, 100 * share, facts);
    fprintf(stderr, "\r%.*s\033[K", (int)terminal_width() - 1, line);
    progress->drawn = true;
}

/* At most one line every few seconds, and one when the phase ends. Training is told by its epochs. */
static void write_line(cli_progress *progress, const thaw_progress *now)
{
    const bool end = now->done >= now->total;
    if (strcmp(now->phase, "train") == 0)
        return;
    if (end ? progress->ended : now->seconds - progress->told_at < LINE_SECONDS)
        return;
    char facts[128];
    facts_text(now, facts, sizeof facts);
    fprintf(stderr, "%s: %s\n", now->phase, facts);
    progress->told_at = now->seconds;
    progress->ended = end;
}

static void write_json(json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(CLI_JSON_DIGITS)) : NULL;
    if (text)
        fprintf(stderr, "%s\n", text);
    free(text);
    json_decref(object);
}

static void write_json_progress(const thaw_progress *now)
{
    write_json(json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "event", "progress", "phase", now->phase, "done",
                         (json_int_t)now->done, "total", (json_int_t)now->total, "seconds",
                         cli_json_number(now->seconds), "rate", cli_json_number(now->rate), "seconds_left",
                         cli_json_number(seconds_left(now)), "data_wait_share", cli_json_number(now->data_wait_share)));
}

void cli_progress_tell(cli_progress *progress, const thaw_progress *now)
{
    if (strncmp(progress->phase, now->phase, sizeof progress->phase - 1) != 0) {
        snprintf(progress->phase, sizeof progress->phase, "%s", now->phase);
        progress->told_at = 0;
        progress->ended = false;
    }
    flockfile(stderr);
    if (progress->mode == CLI_PROGRESS_BAR)
        draw_bar(progress, now);
    else if (progress->mode == CLI_PROGRESS_LINES)
        write_line(progress, now);
    else if (progress->mode == CLI_PROGRESS_JSON)
        write_json_progress(now);
    funlockfile(stderr);
}

/* By validation top-1, then loss: as the weights are chosen. */
static bool is_best(const cli_progress *progress, const thaw_epoch *epoch)
{
    return epoch->validation_top1 > progress->best_top1 ||
           (epoch->validation_top1 == progress->best_top1 && epoch->validation_loss < progress->best_loss);
}

static void write_epoch(cli_progress *progress, const thaw_epoch *epoch)
{
    const int digits = snprintf(NULL, 0, "%d", epoch->planned);
    cli_progress_clear(progress);
    fprintf(stderr, "epoch %*d/%d  loss %.4f", digits, epoch->epoch, epoch->planned, epoch->train_loss);
    if (!isnan(epoch->validation_top1))
        fprintf(stderr, "  val loss %.4f  val top-1 %5.1f %%%s", epoch->validation_loss, 100 * epoch->validation_top1,
                is_best(progress, epoch) ? " *" : "  ");
    fprintf(stderr, "  %.0f images/s\n", epoch->images_per_second);
}

void cli_progress_tell_epoch(cli_progress *progress, const thaw_epoch *epoch)
{
    flockfile(stderr);
    if (progress->mode == CLI_PROGRESS_JSON) {
        json_t *object = json_pack("{s:s}", "event", "epoch"), *facts = cli_json_epoch(epoch);
        json_object_update(object, facts);
        json_decref(facts);
        write_json(object);
    } else if (progress->mode != CLI_PROGRESS_NONE) {
        write_epoch(progress, epoch);
    }
    if (is_best(progress, epoch)) {
        progress->best_top1 = epoch->validation_top1;
        progress->best_loss = epoch->validation_loss;
    }
    funlockfile(stderr);
}
