#include "cli.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MOST 8192 /* bytes; longer messages are cut */
#define BAD_NAMED 20   /* bad images named on stderr before they are only counted */
#define RED       "\033[31m"
#define YELLOW    "\033[33m"
#define PLAIN     "\033[0m"

/* --- lines on stderr -----------------------------------------------------------------------------------------------
 */

/* File names may hold anything; a line is one line all the same. */
static void make_printable(char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
}

static void print_line(cli_state *cli, const char *color, const char *prefix, const char *format, va_list arguments)
{
    char line[LINE_MOST];
    vsnprintf(line, sizeof line, format, arguments);
    make_printable(line);
    flockfile(stderr);
    cli_progress_clear(&cli->progress);
    if (cli->color && color)
        fprintf(stderr, "%s%s%s%s\n", color, prefix, PLAIN, line);
    else
        fprintf(stderr, "%s%s\n", prefix, line);
    funlockfile(stderr);
}

void cli_error(cli_state *cli, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(cli, RED, "thaw: ", format, arguments);
    va_end(arguments);
}

void cli_warn(cli_state *cli, const char *format, ...)
{
    if (cli->globals.quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line(cli, YELLOW, "thaw: ", format, arguments);
    va_end(arguments);
}

void cli_note(cli_state *cli, const char *format, ...)
{
    if (cli->globals.quiet || cli->progress.mode == CLI_PROGRESS_JSON || cli->progress.mode == CLI_PROGRESS_NONE)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line(cli, NULL, "", format, arguments);
    va_end(arguments);
}

/* The library's log: warnings always, notes with -v, the rest with -vv. */
static void on_log(void *user, thaw_log_level level, const char *line)
{
    cli_state *cli = user;
    if (level == THAW_LOG_WARNING)
        cli_warn(cli, "%s", line);
    else if (cli->globals.verbosity >= (int)level)
        cli_note(cli, "%s", line);
}

/* --- failures ------------------------------------------------------------------------------------------------------
 */

thaw_status cli_fail(cli_state *cli, thaw_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cli->message, sizeof cli->message, format, arguments);
    va_end(arguments);
    return status;
}

thaw_status cli_fail_usage(cli_state *cli, const char *format, ...)
{
    char reason[sizeof cli->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return cli_fail(cli, THAW_ERR_USAGE, "%s%s%s", cli->command ? cli->command : "", cli->command ? ": " : "", reason);
}

thaw_status cli_fail_path(cli_state *cli, const char *path)
{
    return cli_fail(cli, THAW_ERR_IO, "%s: %s", path, strerror(errno));
}

void cli_report(cli_state *cli, thaw_status status)
{
    const char *known = cli->context ? thaw_error_message(cli->context) : "";
    if (cli->reported)
        return;
    if (cli->message[0])
        cli_error(cli, "%s", cli->message);
    else
        cli_error(cli, "%s", known[0] ? known : thaw_status_text(status));
}

/* --- start and end -------------------------------------------------------------------------------------------------
 */

static void on_prepare(void *user, const char *phase, size_t done, size_t total, double seconds)
{
    const thaw_progress progress = {
        .phase = phase, .done = done, .total = total, .seconds = seconds, .rate = (double)done / seconds};
    cli_progress_tell(&((cli_state *)user)->progress, &progress);
}

static thaw_context *volatile interruptible;

/* The first signal asks for an end in good order, the second one kills. */
static void on_signal(int number)
{
    (void)number;
    if (interruptible)
        thaw_context_interrupt(interruptible);
}

static void handle_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

thaw_status cli_start(cli_state *cli)
{
    cli_progress_start(&cli->progress, cli->globals.quiet ? CLI_PROGRESS_NONE : cli->globals.progress);
    const char *no_color = getenv("NO_COLOR");
    cli->color = !cli->globals.no_color && !(no_color && no_color[0]) && cli->progress.terminal;
    const thaw_status status = thaw_context_create(&cli->context);
    if (status != THAW_OK)
        return status;
    thaw_context_set_log(cli->context, on_log, cli);
    thaw_context_set_prepare(cli->context, on_prepare, cli);
    interruptible = cli->context;
    handle_signals();
    return THAW_OK;
}

void cli_finish(cli_state *cli)
{
    cli_progress_clear(&cli->progress);
    thaw_device_close(&cli->device);
    interruptible = NULL;
    thaw_context_destroy(&cli->context);
    for (size_t i = 0; i < cli->bad_count; i++) {
        free(cli->bad_images[i].path);
        free(cli->bad_images[i].reason);
    }
    free(cli->bad_images);
}

/* --- work over images ----------------------------------------------------------------------------------------------
 */

thaw_status cli_load_model(cli_state *cli, const char *name, thaw_model **model)
{
    char *path;
    *model = NULL;
    thaw_status status = thaw_hub_find(cli->context, name, &path);
    if (status == THAW_OK)
        status = thaw_model_load_as(cli->context, path, cli->globals.architecture, model);
    free(path);
    return status == THAW_ERR_IO ? THAW_ERR_MODEL : status;
}

/* What goes wrong here is found again, and told, when a device is opened. */
static void *wake_drivers(void *unused)
{
    thaw_context *context = NULL;
    thaw_device_info *list = NULL;
    size_t count;
    if (thaw_context_create(&context) == THAW_OK && thaw_devices_list(context, NULL, &list, &count) == THAW_OK)
        thaw_devices_free(&list);
    thaw_context_destroy(&context);
    return unused;
}

/* Signals are for the caller's thread. */
static bool start_waking(pthread_t *thread)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    const bool started = pthread_create(thread, NULL, wake_drivers, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

thaw_status cli_load_model_to_run(cli_state *cli, const char *name, thaw_model **model)
{
    pthread_t thread;
    const bool waking = start_waking(&thread);
    const thaw_status status = cli_load_model(cli, name, model);
    if (waking)
        pthread_join(thread, NULL);
    return status;
}

thaw_status cli_open_device(cli_state *cli)
{
    const thaw_status status = thaw_device_open(cli->context, cli->globals.device, &cli->device);
    if (status != THAW_OK)
        return status;
    const thaw_device_info *info = thaw_device_describe(cli->device);
    cli_note(cli, "device: %s (%s), %u compute units", info->name, info->platform, info->compute_units);
    return THAW_OK;
}

static void on_progress(void *user, const thaw_progress *progress)
{
    cli_progress_tell(&((cli_state *)user)->progress, progress);
}

/* Keeps path and reason; where memory is short the image is at least counted. */
static void remember_bad_image(cli_state *cli, const char *path, const char *reason)
{
    if (cli->bad_count == cli->bad_capacity) {
        const size_t capacity = cli->bad_capacity ? 2 * cli->bad_capacity : 16;
        cli_bad_image *grown = realloc(cli->bad_images, capacity * sizeof *grown);
        if (!grown)
            return;
        cli->bad_images = grown;
        cli->bad_capacity = capacity;
    }
    cli->bad_images[cli->bad_count++] = (cli_bad_image){strdup(path), strdup(reason)};
}

static void on_bad_image(void *user, const char *path, const char *reason)
{
    cli_state *cli = user;
    remember_bad_image(cli, path, reason);
    if (cli->bad_is_failure)
        cli_error(cli, "%s: %s", path, reason);
    else if (cli->bad_count <= BAD_NAMED)
        cli_warn(cli, "left out %s: %s", path, reason);
}

void cli_end_job(cli_state *cli)
{
    cli_progress_clear(&cli->progress);
    if (!cli->bad_is_failure && cli->bad_count > BAD_NAMED)
        cli_warn(cli, "left out %zu more bad images", cli->bad_count - BAD_NAMED);
}

thaw_job cli_job(cli_state *cli, size_t batch_size, size_t workers, thaw_precision frozen_precision)
{
    thaw_job job = thaw_job_defaults();
    job.batch_size = batch_size;
    job.workers = workers;
    job.frozen_precision = frozen_precision;
    job.on_progress = on_progress;
    job.on_bad_image = on_bad_image;
    job.user = cli;
    return job;
}

/* --- outputs -------------------------------------------------------------------------------------------------------
 */

thaw_status cli_check_output(cli_state *cli, const char *path)
{
    struct stat facts;
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode))
        return cli_fail(cli, THAW_ERR_IO, "%s: can't be written: %s", path,
                        S_ISDIR(facts.st_mode) ? "it is a folder" : "it is no regular file");
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    char *folder = length ? strndup(path, length) : strdup(".");
    if (!folder)
        return THAW_ERR_MEMORY;
    const bool writable = access(folder, W_OK | X_OK) == 0;
    free(folder);
    return writable ? THAW_OK : cli_fail(cli, THAW_ERR_IO, "%s: can't be written: %s", path, strerror(errno));
}

/* Numbers that the model gives for one image: the size of its last layer's output; 0 if there is none. */
static thaw_status count_outputs(const thaw_model *model, const thaw_preprocess *preprocess, int64_t *count)
{
    thaw_layer_list *list = NULL;
    const thaw_status status = thaw_model_layers(model, preprocess->height, preprocess->width, &list);
    if (status != THAW_OK)
        return status;
    *count = list->count > 0;
    for (int32_t i = 0; list->count > 0 && i < list->layers[list->count - 1].output.rank; i++)
        *count *= list->layers[list->count - 1].output.dims[i];
    thaw_layer_list_free(&list);
    return THAW_OK;
}

thaw_status cli_name_classes(cli_state *cli, thaw_model *model, const thaw_dataset *dataset,
                             const thaw_preprocess *preprocess)
{
    const size_t count = thaw_dataset_class_count(dataset);
    int64_t outputs = 0;
    if (thaw_model_class_count(model) > 0)
        return THAW_OK;
    thaw_status status = count_outputs(model, preprocess, &outputs);
    if (status != THAW_OK)
        return status;
    if (outputs != (int64_t)count)
        return cli_fail(cli, THAW_ERR_DATA,
                        "%s: the model carries no class names, and its %lld outputs can't be matched with %zu folders",
                        cli->command, (long long)outputs, count);
    const char **names = calloc(count, sizeof *names);
    if (!names)
        return THAW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        names[i] = thaw_dataset_class_name(dataset, i);
    status = thaw_model_set_classes(model, names, count);
    free(names);
    cli_note(cli, "classes: the model carries no names, taking the folders in order");
    return status;
}

const char *cli_class_name(const thaw_model *model, size_t index, char number[24])
{
    if (index < thaw_model_class_count(model))
        return thaw_model_class_name(model, index);
    snprintf(number, 24, "%zu", index);
    return number;
}

const char *cli_name_end(const char *name)
{
    const size_t length = strlen(name);
    return length > CLI_NAME_WIDTH ? name + length - CLI_NAME_WIDTH : name;
}
