/* The `thaw` command: finds the subcommand in one table, parses by its option tables, runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* X(name): tools/cmd_<name>.c defines cli_command_<name>. In the order of --help. */
#define COMMAND_LIST(X)                                                                                                \
    X(finetune)                                                                                                        \
    X(lr_find)                                                                                                         \
    X(check)                                                                                                           \
    X(evaluate) X(predict) X(features) X(inspect) X(profile) X(bench) X(run) X(convert) X(pull) X(devices) X(cache)

#define COMMAND_EXTERN(name) extern const cli_command cli_command_##name;
COMMAND_LIST(COMMAND_EXTERN)
#define COMMAND_ADDRESS(name) &cli_command_##name,
static const cli_command *const commands[] = {COMMAND_LIST(COMMAND_ADDRESS)};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static const char *const progress_names[] = {CLI_PROGRESS_NAMES, NULL};

#define FIELD(member) offsetof(cli_globals, member)
static const cli_option global_table[] = {
    {"device", &cli_text, FIELD(device), "D", .help = "index or part of a name from `thaw devices`, or cpu, or gpu",
     .otherwise = "THAW_DEVICE, else the best one"},
    {"architecture", &cli_text, FIELD(architecture), "NAME", .help = "what the tensors of a safetensors file are of",
     .otherwise = "recognised by their names and shapes"},
    {"json", &cli_flag, FIELD(json), .help = "print the result as one JSON object"},
    {"progress", &cli_choice, FIELD(progress), .help = "how progress is told on stderr", .choices = progress_names},
    {"verbose", &cli_counter, FIELD(verbosity), .help = "say more; twice: much more", .letter = 'v'},
    {"quiet", &cli_flag, FIELD(quiet), .help = "say nothing but errors", .letter = 'q'},
    {"no-color", &cli_flag, FIELD(no_color), .help = "no colours (NO_COLOR in the environment does the same)"},
    {"version", &cli_flag, FIELD(version), .help = "print the version"},
    {"help", &cli_flag, FIELD(help), .help = "print this help", .letter = 'h'},
};
#undef FIELD
static const cli_group global_group = CLI_GROUP("Global options", global_table, 0);

static void print_general_help(const cli_state *cli)
{
    puts("Usage: thaw [global options] COMMAND [options] [arguments]\n\n"
         "Transfer learning on any OpenCL device: takes a pre-trained model (ONNX, safetensors), freezes it, trains a\n"
         "new output layer on a folder of images, and writes an ordinary ONNX model.\n\nCommands:");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    cli_help_options(stdout, &global_group, &cli->globals);
    puts("\n`thaw COMMAND --help` tells more. Exit status: 0 done, 1 failed, 2 usage, 3 data, 4 model file, 5 device "
         "or\n"
         "memory, 130 interrupted.");
}

static void print_command_help(const cli_command *command, const void *options, const cli_globals *globals)
{
    char value[64];
    printf("Usage: thaw %s", command->name);
    for (size_t i = 0; i < command->group_count; i++)
        for (size_t j = 0; j < command->groups[i].count; j++) {
            const cli_option *option = &command->groups[i].options[j];
            cli_help_option_text(option, value, sizeof value);
            if (option->required)
                printf(" --%s %s", option->name, value);
        }
    printf("%s%s [options]\n\n", command->arguments[0] ? " " : "", command->arguments);
    cli_help_wrap(stdout, command->description, 0);
    for (size_t i = 0; i < command->group_count; i++)
        cli_help_options(stdout, &command->groups[i], options);
    cli_help_options(stdout, &global_group, globals);
    printf("\nExamples:\n%s", command->examples);
}

static const char *command_name_at(const void *list, size_t index)
{
    const cli_command *const *table = list;
    return table[index]->name;
}

static thaw_status find_command(cli_state *cli, const char *name, const cli_command **found)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0) {
            *found = commands[i];
            return THAW_OK;
        }
    const char *near = cli_nearest(name, commands, COMMAND_COUNT, command_name_at);
    if (near)
        return cli_fail_usage(cli, "unknown command '%s', did you mean '%s'?", name, near);
    return cli_fail_usage(cli, "unknown command '%s': `thaw --help` lists them", name);
}

static thaw_status check_arguments(cli_state *cli, const cli_command *command, const char *const *arguments,
                                   size_t count)
{
    if (count < command->least_arguments)
        return cli_fail_usage(cli, "expected %s: `thaw %s --help` tells more", command->arguments, command->name);
    if (count > command->most_arguments)
        return cli_fail_usage(cli, "unexpected argument '%s'", arguments[command->most_arguments]);
    for (size_t i = 0; i < count; i++)
        if (!arguments[i][0])
            return cli_fail_usage(cli, "an argument is empty");
    return THAW_OK;
}

/* argv[0] is the command's name; global options may stand here too. */
static thaw_status run_command(cli_state *cli, const cli_command *command, int argc, const char **argv)
{
    const cli_globals defaults = {0};
    cli_parser parser = {0};
    size_t count;
    void *options = calloc(1, command->options_bytes ? command->options_bytes : 1);
    if (!options)
        return THAW_ERR_MEMORY;
    command->defaults(options);
    for (size_t i = 0; i < command->group_count; i++)
        cli_parser_bind(&parser, &command->groups[i], options);
    cli_parser_bind(&parser, &global_group, &cli->globals);
    thaw_status status = cli_parser_run(&parser, cli, argc, argv, 0);
    if (status == THAW_OK && cli->globals.help) {
        command->defaults(options);
        print_command_help(command, options, &defaults);
    } else if (status == THAW_OK) {
        const char **arguments = cli_parser_rest(&parser, &count);
        status = check_arguments(cli, command, arguments, count);
        if (status == THAW_OK)
            status = cli_parser_check_required(&parser, cli);
        if (status == THAW_OK)
            status = cli_start(cli);
        cli->parser = &parser;
        if (status == THAW_OK)
            status = command->run(cli, options, arguments, count);
        cli->parser = NULL;
    }
    cli_parser_free(&parser);
    free(options);
    return status;
}

/* Reads the global options up to COMMAND, then leaves the rest to it. */
static thaw_status run(cli_state *cli, int argc, const char **argv)
{
    cli_parser parser = {0};
    const cli_command *command = NULL;
    size_t count = 0;
    cli_parser_bind(&parser, &global_group, &cli->globals);
    thaw_status status = cli_parser_run(&parser, cli, argc, argv, POPT_CONTEXT_POSIXMEHARDER);
    const char **rest = status == THAW_OK ? cli_parser_rest(&parser, &count) : NULL;
    if (status != THAW_OK) {
        /* told below */
    } else if (cli->globals.version) {
        printf("thaw %s\n", thaw_version());
    } else if (count == 0 && cli->globals.help) {
        print_general_help(cli);
    } else if (count == 0) {
        status = cli_fail_usage(cli, "no command given: `thaw --help` lists them");
    } else {
        status = find_command(cli, rest[0], &command);
    }
    if (command) {
        cli->command = command->name;
        status = run_command(cli, command, (int)count, rest);
    }
    cli_parser_free(&parser);
    return status;
}

/* A closed standard stream would hand its number to the next file opened, and what is printed would end up in that:
 * puts something there that refuses to be written to. */
static void keep_standard_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0 && open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY) < 0)
            _Exit(1);
}

/* What was printed may not have arrived. A reader that went away has seen enough: no failure. */
static thaw_status finish_stdout(cli_state *cli, thaw_status status)
{
    errno = 0;
    const bool failed = ferror(stdout) | fflush(stdout) | fclose(stdout);
    if (!failed || errno == EPIPE || status != THAW_OK)
        return status;
    return cli_fail(cli, THAW_ERR_IO, "standard output: %s", errno ? strerror(errno) : "can't be written");
}

int main(int argc, char **argv)
{
    cli_state cli = {0};
    keep_standard_streams();
    /* Writing then fails with a status instead. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    thaw_status status = run(&cli, argc, (const char **)argv);
    status = finish_stdout(&cli, status);
    if (status != THAW_OK)
        cli_report(&cli, status);
    cli_finish(&cli);
    return thaw_status_exit(status);
}
