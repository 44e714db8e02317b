#include "device/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "device/program.h"
#include "device/tuning.h"

#define MOST_LINKS 96
#define MOST_PARTS 64  /* bits of a set */
#define OFTEN      300 /* runs after which a program is built: it then takes seconds once, and saves some ms a run */

/* A launch that waits. */
typedef struct waiting {
    thaw_kernel *kernel;
    size_t pieces[3], count;
    thaw_argument arguments[THAW_CHAIN_ARGUMENTS];
} waiting;

/* A sequence of launches that has been seen. */
typedef struct sequence {
    thaw_hash key;
    uint64_t parts;      /* a set of part numbers */
    uint32_t runs, pass; /* how often; in which pass the last time */
    cl_mem table;        /* NULL until it runs as a chain */
    struct sequence *next;
} sequence;

typedef struct built {
    uint64_t parts;
    thaw_kernel *kernel;
    struct built *next;
} built;

typedef struct thaw_chains {
    bool open, expected, always, failed; /* failed: the driver can't; never tried again */
    thaw_chain_part parts[MOST_PARTS];
    size_t part_count;
    uint32_t pass; /* of a model, from begin to end */
    waiting links[MOST_LINKS];
    int32_t table[MOST_LINKS][THAW_CHAIN_INTS];
    size_t link_count, piece_count;
    const thaw_buffer *buffers[THAW_CHAIN_BUFFERS];
    size_t buffer_count;
    sequence *sequences;
    built *programs;
    size_t queued;
} thaw_chains;

/* --- opening --- */

static bool wanted(const thaw_device *device, bool *always)
{
    const char *wish = getenv("THAW_CHAINS");
    *always = wish && strcmp(wish, "on") == 0;
    return device->quirks.idle_between_kernels && (!wish || strcmp(wish, "off") != 0);
}

void thaw_chains_begin(thaw_device *device)
{
    bool always;
    if (!wanted(device, &always))
        return;
    if (!device->chains && thaw_allocate(device->context, 1, sizeof *device->chains, &device->chains) != THAW_OK)
        return;
    device->chains->open = !device->chains->failed;
    device->chains->always = always;
    device->chains->pass++;
}

void thaw_chains_expect(thaw_device *device)
{
    thaw_chains_begin(device);
    if (device->chains) {
        device->chains->expected = true;
        device->chains->open = false;
    }
}

thaw_status thaw_chains_end(thaw_device *device)
{
    const thaw_status status = thaw_chain_flush(device);
    if (device->chains)
        device->chains->open = false;
    return status;
}

void thaw_chains_release(thaw_device *device)
{
    thaw_chains *chains = device->chains;
    if (!chains)
        return;
    while (chains->sequences) {
        sequence *next = chains->sequences->next;
        if (chains->sequences->table)
            clReleaseMemObject(chains->sequences->table);
        free(chains->sequences);
        chains->sequences = next;
    }
    while (chains->programs) {
        built *next = chains->programs->next;
        free(chains->programs);
        chains->programs = next;
    }
    free(chains);
    device->chains = NULL;
}

/* --- taking launches --- */

static bool list_kinds(const thaw_argument *arguments, size_t count, char kinds[THAW_CHAIN_ARGUMENTS + 1])
{
    size_t ints = THAW_CHAIN_HEAD;
    for (size_t i = 0; i < count; i++) {
        kinds[i] = "bilf"[arguments[i].kind];
        ints += arguments[i].kind == THAW_ARGUMENT_LONG ? 2 : 1;
    }
    kinds[count] = '\0';
    return ints <= THAW_CHAIN_INTS;
}

/* The number of a kernel, MOST_PARTS if there is no room. */
static size_t find_part(thaw_chains *chains, thaw_kernel *kernel, const char *kinds, size_t count)
{
    size_t i = 0;
    while (i < chains->part_count && !(chains->parts[i].kernel == kernel && strcmp(chains->parts[i].kinds, kinds) == 0))
        i++;
    if (i == chains->part_count && i < MOST_PARTS) {
        chains->parts[i] = (thaw_chain_part){.kernel = kernel, .count = count};
        strcpy(chains->parts[i].kinds, kinds);
        chains->part_count++;
    }
    return i;
}

static int32_t find_buffer(thaw_chains *chains, const thaw_buffer *buffer)
{
    size_t i = 0;
    if (!buffer)
        return -1;
    while (i < chains->buffer_count && chains->buffers[i] != buffer)
        i++;
    if (i == chains->buffer_count)
        chains->buffers[chains->buffer_count++] = buffer;
    return (int32_t)i;
}

static void write_row(thaw_chains *chains, int32_t *row, const waiting *link)
{
    int32_t *to = row + THAW_CHAIN_HEAD;
    for (size_t i = 0; i < link->count; i++) {
        const thaw_argument *argument = &link->arguments[i];
        switch (argument->kind) {
        case THAW_ARGUMENT_BUFFER:
            *to++ = find_buffer(chains, argument->value.buffer);
            break;
        case THAW_ARGUMENT_LONG:
            *to++ = (int32_t)(uint32_t)argument->value.l;
            *to++ = (int32_t)(argument->value.l >> 32);
            break;
        default:
            *to++ = argument->value.i; /* a float as its bits */
        }
    }
}

bool thaw_chain_take(thaw_kernel *kernel, const size_t pieces[3], const thaw_argument *arguments, size_t count)
{
    thaw_chains *chains = kernel->device->chains;
    const size_t total = pieces[0] * pieces[1] * pieces[2];
    char kinds[THAW_CHAIN_ARGUMENTS + 1];
    if (!chains || !chains->open || count > THAW_CHAIN_ARGUMENTS || !list_kinds(arguments, count, kinds))
        return false;
    const size_t part = find_part(chains, kernel, kinds, count);
    if (part == MOST_PARTS || chains->link_count == MOST_LINKS || chains->buffer_count + count > THAW_CHAIN_BUFFERS ||
        chains->piece_count + total > INT32_MAX)
        return false;
    waiting *link = &chains->links[chains->link_count];
    int32_t *row = chains->table[chains->link_count++];
    *link = (waiting){.kernel = kernel, .pieces = {pieces[0], pieces[1], pieces[2]}, .count = count};
    memcpy(link->arguments, arguments, count * sizeof *arguments);
    memset(row, 0, sizeof chains->table[0]);
    row[0] = (int32_t)part;
    row[1] = (int32_t)chains->piece_count;
    for (int i = 0; i < 3; i++)
        row[2 + i] = (int32_t)pieces[i];
    write_row(chains, row, link);
    chains->piece_count += total;
    return true;
}

/* --- programs --- */

static thaw_hash hash_kernel(const thaw_kernel *kernel)
{
    const thaw_hash hash = thaw_hash_bytes(kernel->name, strlen(kernel->name), 0);
    return thaw_hash_extend(hash, kernel->program->options, strlen(kernel->program->options));
}

/* Where the tuning file remembers that a program for these parts was built; other processes find it in the driver's
 * cache then. The parts' numbers depend on the order in which they were met, their code does not. */
static void write_key(const thaw_chains *chains, uint64_t parts, char key[64])
{
    char text[THAW_HASH_TEXT];
    uint64_t sum = 0;
    for (size_t i = 0; i < chains->part_count; i++)
        if (parts >> i & 1) {
            const thaw_chain_part *part = &chains->parts[i];
            sum += thaw_hash_extend(hash_kernel(part->kernel), part->kinds, part->count).low;
        }
    thaw_hash_text(thaw_hash_bytes(&sum, sizeof sum, 0), text);
    snprintf(key, 64, "chain %s", text);
}

static thaw_kernel *find_built(const thaw_chains *chains, uint64_t parts)
{
    for (const built *b = chains->programs; b; b = b->next)
        if ((parts & ~b->parts) == 0)
            return b->kernel;
    return NULL;
}

static thaw_status build(thaw_device *device, uint64_t parts, const char *key, thaw_kernel **kernel)
{
    thaw_chains *chains = device->chains;
    thaw_text text;
    thaw_program *program;
    char options[80];
    built *made;
    snprintf(options, sizeof options, "-DCHAIN=%llu", (unsigned long long)parts);
    THAW_TRY(thaw_chain_source(device, chains->parts, chains->part_count, parts, &text));
    thaw_status status = thaw_program_make(device, "chain", options, text.data, "chain", &program);
    thaw_text_free(&text);
    if (status == THAW_OK)
        status = thaw_kernel_get(device, "chain", "chain", options, kernel);
    if (status == THAW_OK)
        status = thaw_allocate(device->context, 1, sizeof *made, &made);
    if (status != THAW_OK)
        return status;
    *made = (built){parts, *kernel, chains->programs};
    chains->programs = made;
    return thaw_tuning_put(device, key, "built");
}

/* The kernel that runs a sequence, NULL where it is better not run as a chain yet. What is built serves all that ran in
 * this pass or the one before: they are one model's. */
static thaw_kernel *kernel_for(thaw_device *device, const sequence *run)
{
    thaw_chains *chains = device->chains;
    thaw_kernel *kernel = find_built(chains, run->parts);
    uint64_t all = 0;
    char key[64];
    if (kernel || run->runs < 2 || chains->failed)
        return kernel;
    for (const sequence *s = chains->sequences; s; s = s->next)
        if (s->pass + 1 >= chains->pass)
            all |= s->parts;
    write_key(chains, all, key);
    if (!chains->expected && !chains->always && run->runs < OFTEN && !thaw_tuning_find(device, key))
        return NULL;
    if (build(device, all, key, &kernel) == THAW_OK)
        return kernel;
    thaw_log(device->context, THAW_LOG_WARNING, "kernels run one by one: %s", thaw_error_message(device->context));
    chains->failed = true;
    return NULL;
}

/* --- running --- */

static sequence *find_sequence(thaw_chains *chains)
{
    const size_t bytes = chains->link_count * sizeof chains->table[0];
    const thaw_hash key = thaw_hash_bytes(chains->table, bytes, 0);
    sequence *s = chains->sequences;
    while (s && !thaw_hash_equal(s->key, key))
        s = s->next;
    if (!s && (s = calloc(1, sizeof *s)) != NULL) {
        s->key = key;
        for (size_t i = 0; i < chains->link_count; i++)
            s->parts |= (uint64_t)1 << chains->table[i][0];
        s->next = chains->sequences;
        chains->sequences = s;
    }
    return s;
}

static thaw_status run_one_by_one(const thaw_chains *chains)
{
    for (size_t i = 0; i < chains->link_count; i++) {
        const waiting *link = &chains->links[i];
        THAW_TRY(thaw_kernel_run_alone(link->kernel, link->pieces, link->arguments, link->count));
    }
    return THAW_OK;
}

static thaw_status make_table(thaw_device *device, sequence *run)
{
    cl_int code = CL_SUCCESS;
    if (!run->table)
        run->table =
            clCreateBuffer(device->opencl, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                           device->chains->link_count * sizeof device->chains->table[0], device->chains->table, &code);
    return code == CL_SUCCESS ? THAW_OK : thaw_opencl_fail(device, code, "no memory for a chain");
}

static thaw_status run_chain(thaw_device *device, thaw_kernel *kernel, sequence *run)
{
    thaw_chains *chains = device->chains;
    THAW_TRY(make_table(device, run));
    const int32_t count = (int32_t)chains->link_count;
    const uint32_t first = device->next_ticket;
    thaw_argument buffers[THAW_CHAIN_BUFFERS];
    for (size_t i = 0; i < THAW_CHAIN_BUFFERS; i++)
        buffers[i] = THAW_BUFFER(i < chains->buffer_count ? chains->buffers[i] : NULL);
    if (clSetKernelArg(kernel->opencl, 0, sizeof run->table, &run->table) != CL_SUCCESS ||
        clSetKernelArg(kernel->opencl, 1, sizeof count, &count) != CL_SUCCESS ||
        clSetKernelArg(kernel->opencl, 2, sizeof device->tickets, &device->tickets) != CL_SUCCESS ||
        clSetKernelArg(kernel->opencl, 3, sizeof first, &first) != CL_SUCCESS)
        return thaw_fail(device->context, THAW_ERR_DEVICE, "arguments of a chain");
    THAW_TRY(thaw_kernel_set(kernel, 4, buffers, THAW_CHAIN_BUFFERS));
    THAW_TRY(thaw_kernel_queue_takers(kernel, device->info.compute_units));
    device->next_ticket += (uint32_t)chains->piece_count;
    chains->queued++;
    return THAW_OK;
}

size_t thaw_chains_queued(const thaw_device *device)
{
    return device->chains ? device->chains->queued : 0;
}

thaw_status thaw_chain_flush(thaw_device *device)
{
    thaw_chains *chains = device->chains;
    if (!chains || chains->link_count == 0)
        return THAW_OK;
    sequence *run = chains->link_count > 1 ? find_sequence(chains) : NULL;
    thaw_kernel *kernel = NULL;
    if (run) {
        run->runs++;
        run->pass = chains->pass;
        kernel = kernel_for(device, run);
    }
    const thaw_status status = kernel ? run_chain(device, kernel, run) : run_one_by_one(chains);
    chains->link_count = chains->piece_count = chains->buffer_count = 0;
    return status;
}
