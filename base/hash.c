/* SPDX-License-Identifier: Apache-2.0 */
#include "hash.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

struct ol__sha256 {
    EVP_MD_CTX *context;
    bool has_failed; /* OpenSSL refused a step: cannot happen once the first one worked */
};

/* Looked up once: fetching costs more than hashing an event. Never freed. */
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *algorithm;

static void fetch(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void ol__sha256_read_no_config(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

static void start(struct ol__sha256 *hash)
{
    hash->has_failed = EVP_DigestInit_ex2(hash->context, algorithm, NULL) != 1;
}

ol_status ol__sha256_new(struct ol__sha256 **ret, struct ol_error *err)
{
    if (pthread_once(&fetch_once, fetch) != 0 || algorithm == NULL)
        return ol__error_set(err, OL_NOMEM, "SHA-256: OpenSSL does not offer it");
    struct ol__sha256 *hash = calloc(1, sizeof *hash);
    if (hash != NULL)
        hash->context = EVP_MD_CTX_new();
    if (hash != NULL && hash->context != NULL)
        start(hash);
    if (hash == NULL || hash->context == NULL || hash->has_failed) {
        ol__sha256_free(hash);
        return ol__error_set(err, OL_NOMEM, "SHA-256: out of memory");
    }
    *ret = hash;
    return OL_OK;
}

void ol__sha256_free(struct ol__sha256 *hash)
{
    if (hash == NULL)
        return;
    EVP_MD_CTX_free(hash->context);
    free(hash);
}

void ol__sha256_reset(struct ol__sha256 *hash)
{
    start(hash);
}

void ol__sha256_add(struct ol__sha256 *hash, const void *data, size_t size)
{
    if (size > 0 && EVP_DigestUpdate(hash->context, data, size) != 1)
        hash->has_failed = true;
}

void ol__sha256_finish(struct ol__sha256 *hash, uint8_t out[OL_SHA256_SIZE])
{
    unsigned size = 0;
    if (EVP_DigestFinal_ex(hash->context, out, &size) != 1 || size != OL_SHA256_SIZE)
        hash->has_failed = true;
    /* A wrong hash would vouch for wrong bytes. OpenSSL's own memory was taken at the start, so
     * what fails here is a broken program. */
    if (hash->has_failed)
        abort();
}

void ol__hex(const uint8_t *data, size_t size, char *out)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = hex[data[i] >> 4];
        out[2 * i + 1] = hex[data[i] & 15];
    }
    out[2 * size] = '\0';
}

ol_status ol__sha256_text(struct ol__span bytes, char out[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    struct ol__sha256 *hash;
    uint8_t sum[OL_SHA256_SIZE];
    ol_status status = ol__sha256_new(&hash, err);
    if (status != OL_OK)
        return status;
    ol__sha256_add(hash, bytes.data, bytes.size);
    ol__sha256_finish(hash, sum);
    ol__sha256_free(hash);
    ol__hex(sum, sizeof sum, out);
    return OL_OK;
}

bool ol__hex_read(const char *text, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = ol__hex_value(text[2 * i]);
        int low = high >= 0 ? ol__hex_value(text[2 * i + 1]) : -1;
        if (low < 0)
            return false;
        out[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    return true;
}

static ol_status hash_pieces(struct ol__sha256 *hash, uint8_t *piece, size_t piece_size, int fd,
                             uint64_t limit, uint64_t *ret_size, struct ol_error *err)
{
    uint64_t size = 0;
    for (;;) {
        ssize_t got = pread(fd, piece, piece_size, (off_t)size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            OL_IGNORE(ol__error_set_errno(err, errno, "hash a file: read at %llu",
                                          (unsigned long long)size),
                      "reading has one kind of failure");
            if (err != NULL)
                err->status = OL_IO;
            return OL_IO;
        }
        if (got == 0)
            break;
        size += (uint64_t)got;
        if (limit > 0 && size > limit)
            return ol__error_set(err, OL_TOO_LARGE, "hash a file: more than %llu bytes",
                                 (unsigned long long)limit);
        ol__sha256_add(hash, piece, (size_t)got);
    }
    *ret_size = size;
    return OL_OK;
}

ol_status ol__sha256_file(int fd, uint64_t limit, char out[OL_SHA256_TEXT + 1], uint64_t *ret_size,
                          struct ol_error *err)
{
    const size_t piece_size = (size_t)256 * 1024;
    struct ol__sha256 *hash = NULL;
    ol_status status = ol__sha256_new(&hash, err);
    if (status != OL_OK)
        return status;
    uint64_t size = 0;
    uint8_t *piece = malloc(piece_size);
    if (piece == NULL)
        status = ol__error_set(err, OL_NOMEM, "hash a file: out of memory");
    else
        status = hash_pieces(hash, piece, piece_size, fd, limit, &size, err);
    if (status == OL_OK) {
        uint8_t digest[OL_SHA256_SIZE];
        ol__sha256_finish(hash, digest);
        ol__hex(digest, sizeof digest, out);
        if (ret_size != NULL)
            *ret_size = size;
    }
    free(piece);
    ol__sha256_free(hash);
    return status;
}
