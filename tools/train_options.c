#include "train_options.h"

#include "stages.h"

#define LIST_NAME(name, text) text,
static const char *const optimizers[] = {THAW_OPTIMIZER_LIST(LIST_NAME) NULL};
static const char *const augmentations[] = {THAW_AUGMENT_LIST(LIST_NAME) NULL};
static const char *const cache_precisions[] = {THAW_CACHE_PRECISION_LIST(LIST_NAME) NULL};
#undef LIST_NAME
static const char *const class_weights[] = {"none", "balanced", NULL};
static const char *const batch_norms[] = {"frozen", "update", NULL};

#define MEGABYTE (UINT64_C(1) << 20)

#define FIELD(member) offsetof(cli_train_options, member)
const cli_option cli_step_table[13] = {
    {"batch-size", &cli_size, FIELD(train.train_batch_size), "N", .help = "images at once", CLI_RANGE(1, 65536)},
    {"accumulate", &cli_int32, FIELD(train.accumulate), "N", .help = "batches whose gradients make one step",
     CLI_RANGE(1, 65536)},
    {"optimizer", &cli_choice, FIELD(train.optimizer), .help = "how steps are made", .choices = optimizers},
    {"momentum", &cli_number, FIELD(train.momentum), "X", .help = "of sgd", CLI_RANGE(0, 0.9999)},
    {"nesterov", &cli_flag, FIELD(train.nesterov), .help = "sgd's momentum as Nesterov has it"},
    {"weight-decay", &cli_number, FIELD(train.weight_decay), "X",
     .help = "pull of the weights to zero; not on biases and norms", CLI_RANGE(0, 10)},
    {"clip-norm", &cli_number, FIELD(train.clip_norm), "X",
     .help = "scales gradients down to this norm, taken over all of them; 0: never", CLI_RANGE(0, 1e9)},
    {"lr-decay-by-depth", &cli_number, FIELD(train.depth_decay), "X",
     .help = "a stage's learning rate is multiplied by X for each stage that it is below the head", CLI_RANGE(1e-6, 1)},
    {"label-smoothing", &cli_number, FIELD(train.label_smoothing), "X",
     .help = "share of the target spread over all classes", CLI_RANGE(0, 0.99)},
    {"class-weights", &cli_choice, FIELD(class_weights),
     .help = "balanced: each class weighs 1 / its share of the images", .choices = class_weights},
    {"checkpoint-activations", &cli_flag, FIELD(train.checkpoint_activations),
     .help = "less memory, more time: activations are computed again in backward instead of kept; the same numbers"},
    {"augment", &cli_choice, FIELD(train.augment),
     .help = "changes training images in every epoch: crops and flips; strong: also turns, colours, erased parts. The "
             "frozen part, which runs once over each image without, then runs in every epoch, but see --cache-views",
     .choices = augmentations},
    {"seed", &cli_seed, FIELD(train.seed), "N", .help = "of the new head, the images' order and augmentation"},
};
const cli_option cli_freeze_table[8] = {
    {"freeze-until", &cli_text, FIELD(train.freeze.until), "NODE",
     .help = "freezes all layers up to NODE, in the order of `inspect`, itself included; none: trains everything"},
    {"unfreeze", &cli_int32, FIELD(train.freeze.unfreeze), "N",
     .help = "trains the N stages below the head too, as `inspect` numbers them", CLI_RANGE(0, 100000)},
    {"trainable", &cli_text, FIELD(train.freeze.trainable), "GLOB,..",
     .help = "trains the head, and layers and weights whose names match"},
    {"batch-norm", &cli_choice, FIELD(batch_norm),
     .help = "in what is trained: frozen, statistics as well as scale and shift; or updated",
     .otherwise = "frozen; update with --from-scratch", .choices = batch_norms},
    {"from-scratch", &cli_flag, FIELD(train.from_scratch),
     .help = "gives every layer random weights first and trains everything: to see what transfer is worth"},
    {"new-head", &cli_flag, FIELD(train.new_head),
     .help = "a fresh head also for a model whose classes are the data's; otherwise its own is trained on"},
    {"head-at", &cli_text, FIELD(train.head_at), "NODE", .help = "node or value whose output feeds the new head",
     .otherwise = "found at the end of the graph"},
    {"lr-head", &cli_number, FIELD(train.head_learning_rate), "X", .help = "learning rate of the head",
     .otherwise = "that of the others", CLI_RANGE(1e-10, 1000)},
};
const cli_option cli_work_table[8] = {
    {"workers", &cli_size, FIELD(workers), "N", .help = "threads that decode images", .otherwise = "one per processor",
     CLI_RANGE(0, 256)},
    {"frozen-batch-size", &cli_size, FIELD(train.job.batch_size), "N", .help = "images at once through the frozen part",
     CLI_RANGE(1, 65536)},
    {"frozen-precision", &cli_choice, FIELD(train.job.frozen_precision), .help = CLI_PRECISION_HELP,
     .choices = cli_precisions},
    {"cache-memory", &cli_size, FIELD(memory_megabytes), "MB",
     .help =
         "what the frozen part's output for all images may take in memory; beyond that it is read from the disk, or "
         "computed again in every epoch where it may not take the room there",
     .otherwise = "half of the machine's memory", CLI_RANGE(1, 1e9)},
    {"cache-views", &cli_int32, FIELD(train.cache_views), "K",
     .help = "augments with K fixed views of each training image, itself among them, which go through the frozen part "
             "once and are drawn from in each epoch; 1: the images as they are",
     .otherwise = "views are new in each epoch", CLI_RANGE(1, 1000)},
    {"cache-precision", &cli_choice, FIELD(train.job.cache_precision),
     .help = "how the frozen part's output is kept; auto: maps as fp16, if a sample shows that it hardly changes them",
     .choices = cache_precisions},
    {"cache-limit", &cli_size, FIELD(cache_megabytes), "MB",
     .help =
         "what such output may take on the disk, that of other runs included; what was not used for the longest time "
         "goes",
     .otherwise = "THAW_CACHE_LIMIT, else a tenth of what is free", CLI_RANGE(1, 1e9)},
    {"no-cache", &cli_flag, FIELD(train.job.no_cache),
     .help = "neither uses nor keeps what the frozen part makes of images on disk"},
};
#undef FIELD

const char *cli_augment_text(thaw_augment_kind kind)
{
    return augmentations[kind];
}

void cli_train_defaults(cli_train_options *options)
{
    *options = (cli_train_options){.train = thaw_finetune_defaults(), .batch_norm = -1};
}

thaw_status cli_train_resolve(cli_state *cli, const cli_train_options *options, thaw_finetune_options *train)
{
    *train = options->train;
    train->job = cli_job(cli, options->train.job.batch_size, options->workers, options->train.job.frozen_precision);
    train->job.no_cache = options->train.job.no_cache;
    train->job.cache_precision = options->train.job.cache_precision;
    train->job.cache_limit_bytes = options->cache_megabytes * MEGABYTE;
    train->balanced_classes = options->class_weights == 1;
    train->freeze.update_batch_norm = options->batch_norm < 0 ? train->from_scratch : options->batch_norm == 1;
    train->memory_bytes = options->memory_megabytes * MEGABYTE;
    train->on_plan = cli_stages_tell;
    return thaw_finetune_check(cli->context, train);
}
