/* What Thaw keeps in the user's cache folder: all of it can be made again. */
#ifndef THAW_CACHE_H
#define THAW_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <thaw/status.h>

/* X(name, text); the text is also the folder's name. Programs: compiled kernels. Tuning: which algorithms were the
 * fastest. Features: what frozen parts of models make of images. */
#define THAW_CACHE_LIST(X) X(PROGRAMS, "programs") X(TUNING, "tuning") X(FEATURES, "features")
typedef enum thaw_cache_kind {
#define THAW_CACHE_ENUM(name, text) THAW_CACHE_OF_##name,
    THAW_CACHE_LIST(THAW_CACHE_ENUM)
#undef THAW_CACHE_ENUM
        THAW_CACHE_KINDS
} thaw_cache_kind;

typedef struct thaw_cache_facts {
    const char *name;
    char *folder;         /* absolute or as the environment gives it; it may not exist */
    size_t files;         /* in it */
    uint64_t entries;     /* programs; choices of algorithms; images and views of them */
    uint64_t bytes;       /* of the files */
    uint64_t limit_bytes; /* above that, what was not used for the longest time goes; 0: no limit */
} thaw_cache_facts;

/* Looks at one of them; one that does not exist is empty. *facts is freed with thaw_cache_facts_free(). THAW_ERR_IO if
 * there is no cache folder and none can be made. */
THAW_API THAW_MUST_CHECK thaw_status thaw_cache_info(thaw_context *context, thaw_cache_kind kind,
                                                     thaw_cache_facts *facts);
THAW_API void thaw_cache_facts_free(thaw_cache_facts *facts);

/* Removes the files of one of them; with the tuning go the features too, whose last bits come from the algorithms that
 * were chosen. Safe while others run: they keep what they have in hand. *files and *bytes are what was removed.
 * THAW_ERR_IO if something can't be removed, with the rest gone. */
THAW_API THAW_MUST_CHECK thaw_status thaw_cache_clear(thaw_context *context, thaw_cache_kind kind, size_t *files,
                                                      uint64_t *bytes);

#endif
