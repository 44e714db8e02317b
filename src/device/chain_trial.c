#include "device/chain_trial.h"

#include <stdio.h>
#include <string.h>

#include "base/median.h"
#include "device/tuning.h"

#define KEY_SIZE 64
#define MARGIN   1.02 /* a chain may be slower by chance: it suffers less from a machine that others use, too */

static void write_key(const thaw_chain_trial *trial, char key[KEY_SIZE])
{
    char text[THAW_HASH_TEXT];
    thaw_hash_text(trial->key, text);
    snprintf(key, KEY_SIZE, "sequence %s", text);
}

void thaw_chain_trial_begin(thaw_device *device, thaw_chain_trial *trial, thaw_hash key)
{
    char text[KEY_SIZE];
    *trial = (thaw_chain_trial){.key = key};
    write_key(trial, text);
    const char *known = thaw_tuning_find(device, text);
    if (known)
        trial->result = strcmp(known, "chain") == 0 ? THAW_CHAIN_FASTER : THAW_CHAIN_SLOWER;
}

bool thaw_chain_trial_wants_chain(const thaw_chain_trial *trial)
{
    return trial->runs[1] <= trial->runs[0];
}

thaw_status thaw_chain_trial_add(thaw_device *device, thaw_chain_trial *trial, bool chain, double seconds)
{
    char text[KEY_SIZE];
    trial->seconds[chain][trial->runs[chain]++] = seconds;
    if (trial->runs[0] < THAW_CHAIN_TRIAL_RUNS || trial->runs[1] < THAW_CHAIN_TRIAL_RUNS)
        return THAW_OK;
    const double alone = thaw_median(trial->seconds[0], THAW_CHAIN_TRIAL_RUNS);
    const double chained = thaw_median(trial->seconds[1], THAW_CHAIN_TRIAL_RUNS);
    trial->result = chained < MARGIN * alone ? THAW_CHAIN_FASTER : THAW_CHAIN_SLOWER;
    write_key(trial, text);
    return thaw_tuning_put(device, text, trial->result == THAW_CHAIN_FASTER ? "chain" : "one by one");
}
