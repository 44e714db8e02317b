#include "hub/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/context.h"
#include "base/memory.h"

#define PIECE_BYTES ((size_t)1 << 20)

thaw_hub_check thaw_digest_kind(const char *text)
{
    const size_t length = strspn(text, "0123456789abcdefABCDEF");
    if (text[length])
        return THAW_HUB_CHECK_SIZE;
    return length == 64 ? THAW_HUB_CHECK_SHA256 : length == 40 ? THAW_HUB_CHECK_GIT_SHA1 : THAW_HUB_CHECK_SIZE;
}

static thaw_status fail_library(thaw_context *context)
{
    return thaw_fail(context, THAW_ERR_MEMORY, "the digest can't be computed: no memory, or libcrypto refuses");
}

static thaw_status feed(thaw_context *context, EVP_MD_CTX *digest, int descriptor, char *piece)
{
    for (;;) {
        const ssize_t got = read(descriptor, piece, PIECE_BYTES);
        if (got == 0)
            return THAW_OK;
        if (thaw_context_interrupted(context))
            return thaw_fail(context, THAW_ERR_INTERRUPTED, "interrupted");
        if (got < 0 && errno != EINTR)
            return thaw_fail(context, THAW_ERR_IO, "can't read: %s", strerror(errno));
        if (got > 0 && EVP_DigestUpdate(digest, piece, (size_t)got) != 1)
            return fail_library(context);
    }
}

static thaw_status start(thaw_context *context, EVP_MD_CTX *digest, int descriptor, thaw_hub_check kind)
{
    char prefix[32];
    struct stat facts;
    if (EVP_DigestInit_ex(digest, kind == THAW_HUB_CHECK_SHA256 ? EVP_sha256() : EVP_sha1(), NULL) != 1)
        return fail_library(context);
    if (fstat(descriptor, &facts) != 0 || lseek(descriptor, 0, SEEK_SET) != 0)
        return thaw_fail(context, THAW_ERR_IO, "can't read: %s", strerror(errno));
    if (kind != THAW_HUB_CHECK_GIT_SHA1)
        return THAW_OK;
    const int length = snprintf(prefix, sizeof prefix, "blob %lld", (long long)facts.st_size);
    return EVP_DigestUpdate(digest, prefix, (size_t)length + 1) == 1 ? THAW_OK : fail_library(context);
}

static thaw_status compute(thaw_context *context, EVP_MD_CTX *digest, int descriptor, thaw_hub_check kind,
                           char text[THAW_DIGEST_TEXT])
{
    char *piece;
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    THAW_TRY(start(context, digest, descriptor, kind));
    THAW_TRY(thaw_allocate(context, PIECE_BYTES, 1, &piece));
    const thaw_status status = feed(context, digest, descriptor, piece);
    free(piece);
    THAW_TRY(status);
    if (EVP_DigestFinal_ex(digest, bytes, &length) != 1)
        return fail_library(context);
    for (unsigned i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return THAW_OK;
}

thaw_status thaw_digest_file(thaw_context *context, int descriptor, thaw_hub_check kind, char text[THAW_DIGEST_TEXT])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    text[0] = '\0';
    if (!digest)
        return fail_library(context);
    const thaw_status status = compute(context, digest, descriptor, kind, text);
    EVP_MD_CTX_free(digest);
    return status;
}
