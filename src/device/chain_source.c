#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "device/chain.h"
#include "device/program.h"

#define FUNCTION_PARAMETERS                                                                                            \
    "global const int *row, global float *const *buffers, volatile global uint *tickets, uint first_ticket"
#define FUNCTION_ARGUMENTS "row, buffers, tickets, first_ticket"

/* "-DA=1 -DB" as "#define A 1", "#define B 1". */
static void append_options(thaw_text *text, const char *options)
{
    for (const char *at = strstr(options, "-D"); at; at = strstr(at, "-D")) {
        at += 2;
        const int name = (int)strcspn(at, "= "), whole = (int)strcspn(at, " ");
        if (whole > name)
            thaw_text_append(text, "#define %.*s %.*s\n", name, at, whole - name - 1, at + name + 1);
        else
            thaw_text_append(text, "#define %.*s 1\n", name, at);
    }
}

/* Ends every macro that a source or options define. */
static void append_ends(thaw_text *text, const char *source, const char *definition)
{
    for (const char *at = strstr(source, definition); at; at = strstr(at, definition)) {
        at += strlen(definition);
        int length = 0;
        while (isalnum((unsigned char)at[length]) || at[length] == '_')
            length++;
        thaw_text_append(text, "#undef %.*s\n", length, at);
    }
}

static thaw_status append_part(thaw_device *device, const thaw_chain_part *part, size_t number, const char *common,
                               thaw_text *text)
{
    const thaw_program *program = part->kernel->program;
    char file[64], *own;
    snprintf(file, sizeof file, "%s.cl", program->name);
    THAW_TRY(thaw_program_source(device, file, &own));
    thaw_text_append(text, "#define PART %zu\n", number);
    append_options(text, program->options);
    thaw_text_append(text, "%s\n%s\n", common, own);
    append_ends(text, common, "#define ");
    append_ends(text, own, "#define ");
    append_ends(text, program->options, "-D");
    thaw_text_append(text, "#undef PART\n");
    free(own);
    return THAW_OK;
}

/* A part's function, which the chain calls. PoCL inlines every function that can be, and makes three of each kernel:
 * all parts in one function, three times, which takes long and takes sums out of registers. What has a computed goto
 * can't be inlined. (PoCL itself can't do with one in a kernel, nor with recursion.) */
static void append_function(thaw_text *text, const thaw_chain_part *part, size_t number)
{
    size_t at = THAW_CHAIN_HEAD;
    thaw_text_append(
        text,
        "static void part_%zu(" FUNCTION_PARAMETERS
        ")\n{\n__typeof__(&&none) const ways[] = {&&none, &&one};\ngoto *ways[row[0] >= 0];\none:\n%s_%zu(",
        number, part->kernel->name, number);
    for (size_t i = 0; i < part->count; i++)
        switch (part->kinds[i]) {
        case 'b':
            thaw_text_append(text, "(global void *)BUFFER(row[%zu]), ", at++);
            break;
        case 'l':
            thaw_text_append(text, "(long)(uint)row[%zu] | (long)row[%zu] << 32, ", at, at + 1);
            at += 2;
            break;
        case 'f':
            thaw_text_append(text, "as_float(row[%zu]), ", at++);
            break;
        default:
            thaw_text_append(text, "row[%zu], ", at++);
        }
    thaw_text_append(text, "tickets, first_ticket + (uint)row[1], row[2], row[3], row[4]);\nnone:;\n}\n");
}

static void append_chain(thaw_text *text, const thaw_chain_part *parts, size_t count, uint64_t wanted)
{
    thaw_text_append(text, "#define BUFFER(i) ((i) < 0 ? 0 : buffers[i])\n");
    for (size_t i = 0; i < count; i++)
        if (wanted >> i & 1)
            append_function(text, &parts[i], i);
    thaw_text_append(text, "kernel void chain(global const int *table, int count, volatile global uint *tickets, "
                           "uint first_ticket");
    for (int i = 0; i < THAW_CHAIN_BUFFERS; i++)
        thaw_text_append(text, ", global float *b%d", i);
    thaw_text_append(text, ")\n{\nglobal float *const buffers[] = {b0");
    for (int i = 1; i < THAW_CHAIN_BUFFERS; i++)
        thaw_text_append(text, ", b%d", i);
    thaw_text_append(text,
                     "};\nfor (int i = 0; i < count; i++) {\nglobal const int *const row = table + i * %d;\n"
                     "switch (row[0]) {\n",
                     THAW_CHAIN_INTS);
    for (size_t i = 0; i < count; i++)
        if (wanted >> i & 1)
            thaw_text_append(text, "case %zu:\npart_%zu(" FUNCTION_ARGUMENTS ");\nbreak;\n", i, i);
    thaw_text_append(text, "}\nwait_for_pieces(tickets, first_ticket + (uint)(row[1] + row[2] * row[3] * row[4]));\n"
                           "}\n}\n");
}

thaw_status thaw_chain_source(thaw_device *device, const thaw_chain_part *parts, size_t count, uint64_t wanted,
                              thaw_text *text)
{
    char *names = NULL, *common = NULL;
    *text = (thaw_text){0};
    thaw_status status = thaw_program_source(device, "chain.clh", &names);
    if (status == THAW_OK)
        status = thaw_program_source(device, "common.clh", &common);
    if (status == THAW_OK)
        thaw_text_append(text, "%s", names);
    for (size_t i = 0; i < count && status == THAW_OK; i++)
        if (wanted >> i & 1)
            status = append_part(device, &parts[i], i, common, text);
    if (status == THAW_OK) {
        append_ends(text, names, "#define ");
        append_chain(text, parts, count, wanted);
    }
    free(names);
    free(common);
    if (status == THAW_OK && text->failed)
        status = thaw_fail(device->context, THAW_ERR_MEMORY, "a chain of kernels");
    if (status != THAW_OK)
        thaw_text_free(text);
    return status;
}
