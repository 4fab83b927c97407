/* SPDX-License-Identifier: Apache-2.0 */
/* From what a person or program calls a dataset to its OpenLineage name space and name. Promises:
 *  1. The same data get the same name whichever of its spellings is used: one scheme of several,
 * default ports, slashes, percent signs in file: URIs, relative paths. Symbolic links are kept,
 * since the link is what the user means; only `..` behind one is resolved, as the kernel does.
 *  2. User, password and query of a URI never come out.
 *  3. Nothing outside the working directory's name and the links in front of a `..` is asked. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "dataset_name.h"
#include "ol_base.h"

enum rule {
    RULE_FILE,   /* name space file or file://host; name: the path */
    RULE_OBJECT, /* name: the path without slashes around it; a key may hold ? and # */
    RULE_PATH,   /* name: the path, absolute */
    RULE_TABLE,  /* name: the path, its parts joined with dots */
    RULE_REST,   /* name: the path without its first slash */
    RULE_BARE,   /* the scheme alone is the name space; name: all the rest, joined with dots */
    RULE_ID      /* as BARE, kept as it is */
};

static const struct scheme {
    const char *name;      /* as given, any case */
    const char *canonical; /* as it stands in the name space */
    enum rule rule;
    unsigned port;         /* default, written out; 0: none known */
    unsigned segments;     /* of the path, which belong to the name space */
    bool needs_no_slashes; /* "bigquery:..." is one as well */
} schemes[] = {
    {"file", "file", RULE_FILE, 0, 0, true},
    {"s3", "s3", RULE_OBJECT, 0, 0, false},
    {"s3a", "s3", RULE_OBJECT, 0, 0, false},
    {"s3n", "s3", RULE_OBJECT, 0, 0, false},
    {"gs", "gs", RULE_OBJECT, 0, 0, false},
    {"gcs", "gs", RULE_OBJECT, 0, 0, false},
    {"abfss", "abfss", RULE_OBJECT, 0, 0, false},
    {"abfs", "abfss", RULE_OBJECT, 0, 0, false},
    {"wasbs", "wasbs", RULE_OBJECT, 0, 0, false},
    {"wasb", "wasbs", RULE_OBJECT, 0, 0, false},
    {"hdfs", "hdfs", RULE_PATH, 0, 0, false},
    {"dbfs", "dbfs", RULE_PATH, 0, 0, true},
    {"postgres", "postgres", RULE_TABLE, 5432, 0, false},
    {"postgresql", "postgres", RULE_TABLE, 5432, 0, false},
    {"mysql", "mysql", RULE_TABLE, 3306, 0, false},
    {"mssql", "mssql", RULE_TABLE, 1433, 0, false},
    {"sqlserver", "sqlserver", RULE_TABLE, 1433, 0, false},
    {"oracle", "oracle", RULE_TABLE, 1521, 0, false},
    {"db2", "db2", RULE_TABLE, 50000, 0, false},
    {"teradata", "teradata", RULE_TABLE, 1025, 0, false},
    {"hive", "hive", RULE_TABLE, 10000, 0, false},
    {"oceanbase", "oceanbase", RULE_TABLE, 2881, 0, false},
    {"crate", "crate", RULE_TABLE, 0, 0, false},
    {"cassandra", "cassandra", RULE_TABLE, 9042, 0, false},
    {"milvus", "milvus", RULE_TABLE, 19530, 0, false},
    {"redshift", "redshift", RULE_TABLE, 5439, 0, false},
    {"snowflake", "snowflake", RULE_TABLE, 0, 0, false},
    {"spanner", "spanner", RULE_TABLE, 0, 0, false},
    {"trino", "trino", RULE_TABLE, 8080, 0, false},
    {"awsathena", "awsathena", RULE_TABLE, 0, 0, false},
    {"unitycatalog", "unitycatalog", RULE_TABLE, 0, 0, false},
    {"fabric-warehouse", "fabric-warehouse", RULE_TABLE, 0, 0, false},
    {"kafka", "kafka", RULE_TABLE, 9092, 0, false},
    {"bigquery", "bigquery", RULE_BARE, 0, 0, true},
    {"bq", "bigquery", RULE_BARE, 0, 0, true},
    {"pubsub", "pubsub", RULE_ID, 0, 0, true},
    {"inmemory", "inmemory://", RULE_ID, 0, 0, false},
    {"azurecosmos", "azurecosmos", RULE_REST, 0, 2, false},
    {"azurekusto", "azurekusto", RULE_REST, 0, 0, false},
    {"box", "box", RULE_REST, 0, 1, false},
    {"filenet", "filenet", RULE_REST, 0, 1, false},
    {"mssharepoint", "mssharepoint", RULE_REST, 0, 1, false},
};

/* The caller's buffer; what does not fit is told at the end. */
struct text {
    char *out;
    size_t size, used;
    bool is_cut;
};

static void put(struct text *t, const char *data, size_t size)
{
    if (t->is_cut || size >= t->size - t->used) {
        t->is_cut = true;
        return;
    }
    memcpy(t->out + t->used, data, size); /* cppcheck-suppress uninitvar */
    t->used += size;
    t->out[t->used] = '\0';
}

static void put_text(struct text *t, const char *text)
{
    put(t, text, strlen(text));
}

static void put_lower(struct text *t, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = data[i] >= 'A' && data[i] <= 'Z' ? (char)(data[i] + ('a' - 'A')) : data[i];
        put(t, &c, 1);
    }
}

/* ---- versions ---- */

static const struct version {
    const char *prefix;
    size_t digits;
} versions[] = {{"#sha256:", 64}, {"#sha512:", 128}, {"#sha1:", 40}, {"#md5:", 32}};

/* How many bytes at the end of @p text are a version suffix. */
static size_t version_size(const char *text, size_t size)
{
    for (size_t i = 0; i < OL_COUNT(versions); i++) {
        size_t prefix = strlen(versions[i].prefix), whole = prefix + versions[i].digits;
        if (size <= whole)
            continue;
        const char *at = text + size - whole;
        if (memcmp(at, versions[i].prefix, prefix) == 0 &&
            strspn(at + prefix, "0123456789abcdefABCDEF") == versions[i].digits)
            return whole;
    }
    return 0;
}

/* ---- paths ---- */

static void pop_segment(struct text *t)
{
    while (t->used > 0 && t->out[t->used - 1] != '/')
        t->used--;
    if (t->used > 0)
        t->used--;
    t->out[t->used] = '\0';
}

/* `link/..` is the parent of where the link leads. */
static void resolve_link(struct text *t)
{
    struct stat st;
    if (t->used == 0 || lstat(t->out, &st) != 0 || !S_ISLNK(st.st_mode))
        return;
    char *real = realpath(t->out, NULL);
    if (real == NULL)
        return;
    t->used = 0;
    put_text(t, strcmp(real, "/") == 0 ? "" : real);
    free(real);
}

/* Put @p path, absolute, without empty and dot segments. @p t holds what it is relative to. */
static void put_path(struct text *t, const char *path, size_t size, bool is_here)
{
    const char *end = path + size;
    while (path < end) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        size_t segment = (size_t)((slash != NULL ? slash : end) - path);
        if (segment == 2 && path[0] == '.' && path[1] == '.') {
            if (is_here)
                resolve_link(t);
            pop_segment(t);
        } else if (segment > 0 && !(segment == 1 && path[0] == '.')) {
            put(t, "/", 1);
            put(t, path, segment);
        }
        path += segment + 1;
    }
    if (t->used == 0)
        put(t, "/", 1);
}

static ol_status name_path(const char *path, size_t size, struct text *space, struct text *name,
                           struct ol_error *err)
{
    char current[PATH_MAX];
    put_text(space, "file");
    if (path[0] != '/') {
        if (getcwd(current, sizeof current) == NULL || current[0] != '/')
            return ol__error_set(err, OL_INVALID,
                                 "dataset '%.80s': relative, and the working directory"
                                 " has no usable name",
                                 path);
        put_path(name, current, strlen(current), false);
        if (name->used == 1) /* "/" */
            name->used = 0;
    }
    put_path(name, path, size, true);
    return OL_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* %XX to bytes; @p out holds at least @p size. A percent sign without two digits stays. */
static ol_status decode(const char *text, size_t size, char *out, size_t *ret, struct ol_error *err)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        int high = text[i] == '%' && i + 2 < size ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        out[used++] = low >= 0 ? (char)(high << 4 | low) : text[i];
        if (low >= 0)
            i += 2;
        if (out[used - 1] == '\0')
            return ol__error_set(err, OL_INVALID, "dataset '%.80s': a file name cannot hold %%00",
                                 text);
    }
    *ret = used;
    return OL_OK;
}

static ol_status name_file(const char *rest, size_t size, struct text *space, struct text *name,
                           struct ol_error *err)
{
    char path[OL_DATASET_NAME_MAX];
    const char *host = NULL;
    size_t host_size = 0;
    if (size >= 2 && rest[0] == '/' && rest[1] == '/') {
        host = rest + 2;
        const char *slash = memchr(host, '/', size - 2);
        host_size = slash != NULL ? (size_t)(slash - host) : size - 2;
        rest = host + host_size;
        size -= 2 + host_size;
        if (host_size == 9 && strncasecmp(host, "localhost", 9) == 0)
            host_size = 0;
    }
    if (size == 0)
        return ol__error_set(err, OL_INVALID, "dataset 'file:': no path");
    if (size >= sizeof path)
        return ol__error_set(err, OL_TOO_LARGE, "dataset: name longer than %zu bytes",
                             sizeof path - 1);
    ol_status status = decode(rest, size, path, &size, err);
    if (status != OL_OK)
        return status;
    path[size] = '\0';
    if (host_size == 0)
        return name_path(path, size, space, name, err);
    put_text(space, "file://");
    put_lower(space, host, host_size);
    put_path(name, path, size, false);
    return OL_OK;
}

/* ---- URIs ---- */

/* scheme://authority, without user and password (promise 2), with its port. */
static void put_authority(const struct scheme *s, const char *authority, size_t size,
                          struct text *space)
{
    for (size_t i = size; s->rule != RULE_OBJECT && i > 0; i--) {
        if (authority[i - 1] == '@') { /* in object stores: container@account */
            authority += i;
            size -= i;
            break;
        }
    }
    put_text(space, s->canonical);
    if (size == 0 && s->port == 0)
        return; /* the bare scheme: hdfs:///path */
    put_text(space, "://");
    const char *comma = s->rule == RULE_TABLE ? memchr(authority, ',', size) : NULL;
    if (comma != NULL) /* of several brokers the first one names the cluster */
        size = (size_t)(comma - authority);
    if (size == 0)
        put_text(space, "localhost");
    else if (s->port != 0)
        put_lower(space, authority, size);
    else
        put(space, authority, size);
    const char *bracket = memchr(authority, ']', size);
    size_t host = bracket != NULL ? (size_t)(bracket - authority) : 0;
    if (s->port != 0 && memchr(authority + host, ':', size - host) == NULL) {
        char port[16];
        put(space, port, (size_t)snprintf(port, sizeof port, ":%u", s->port));
    }
}

static void put_joined(struct text *name, const char *path, size_t size)
{
    for (size_t i = 0; i < size; i++)
        put(name, path[i] == '/' ? "." : path + i, 1);
}

/* Move leading segments of the path to the name space. */
static void take_segments(const struct scheme *s, const char **path, size_t *size,
                          struct text *space)
{
    for (unsigned i = 0; i<s->segments && * size> 0; i++) {
        const char *slash = memchr(*path, '/', *size);
        size_t segment = slash != NULL ? (size_t)(slash - *path) : *size;
        put(space, "/", 1);
        put(space, *path, segment);
        segment += slash != NULL;
        *path += segment;
        *size -= segment;
    }
}

/* @p rest: what follows the colon. */
static void name_uri(const struct scheme *s, const char *rest, size_t size, struct text *space,
                     struct text *name)
{
    const char *query = s->rule == RULE_OBJECT ? NULL : memchr(rest, '?', size);
    if (query != NULL)
        size = (size_t)(query - rest);
    bool has_authority = size >= 2 && rest[0] == '/' && rest[1] == '/';
    if (has_authority) {
        rest += 2;
        size -= 2;
    }
    if (s->rule == RULE_BARE || s->rule == RULE_ID) {
        put_text(space, s->canonical);
        if (s->rule == RULE_BARE)
            put_joined(name, rest, size);
        else
            put(name, rest, size);
        return;
    }
    const char *slash = has_authority ? memchr(rest, '/', size) : rest;
    size_t authority = slash != NULL ? (size_t)(slash - rest) : size;
    put_authority(s, rest, authority, space);
    const char *path = rest + authority;
    size -= authority;
    while (size > 0 && path[0] == '/') {
        path++;
        size--;
    }
    while (size > 0 && path[size - 1] == '/')
        size--;
    take_segments(s, &path, &size, space);
    if (s->rule == RULE_PATH || (s->rule == RULE_OBJECT && size == 0))
        put(name, "/", 1);
    if (s->rule == RULE_TABLE)
        put_joined(name, path, size);
    else
        put(name, path, size);
}

/* arn:partition:service:region:account:resource; a bucket is better known as s3://. */
static ol_status name_arn(const char *text, size_t size, struct text *space, struct text *name,
                          struct ol_error *err)
{
    static const struct scheme s3 = {"s3", "s3", RULE_OBJECT, 0, 0, false};
    const char *at = text;
    for (int colons = 0; colons < 5; colons++) {
        at = memchr(at, ':', size - (size_t)(at - text));
        if (at == NULL)
            return ol__error_set(err, OL_INVALID,
                                 "dataset '%.80s': expected"
                                 " arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE",
                                 text);
        at++;
    }
    size_t rest = size - (size_t)(at - text);
    const char *service = strchr(text + 4, ':') + 1;
    if (strncmp(service, "s3:", 3) == 0) {
        char uri[OL_DATASET_NAME_MAX];
        int n = snprintf(uri, sizeof uri, "//%.*s", (int)rest, at);
        if (n < 0 || (size_t)n >= sizeof uri)
            return ol__error_set(err, OL_TOO_LARGE, "dataset: name longer than %zu bytes",
                                 sizeof uri);
        name_uri(&s3, uri, (size_t)n, space, name);
        return OL_OK;
    }
    put(space, text, (size_t)(at - 1 - text));
    put(name, at, rest);
    return OL_OK;
}

/* The scheme at @p text, its size in @p ret_size; 0: it is a path. */
static const struct scheme *find_scheme(const char *text, struct scheme *other, char *spelt,
                                        size_t spelt_size, size_t *ret_size)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    *ret_size = 0;
    if (size < 2 || text[size] != ':' || size >= spelt_size || (text[0] >= '0' && text[0] <= '9'))
        return NULL;
    bool has_slashes = text[size + 1] == '/' && text[size + 2] == '/';
    for (size_t i = 0; i < OL_COUNT(schemes); i++) {
        const struct scheme *s = &schemes[i];
        if (strlen(s->name) == size && strncasecmp(s->name, text, size) == 0 &&
            (has_slashes || s->needs_no_slashes)) {
            *ret_size = size;
            return s;
        }
    }
    if (!has_slashes)
        return NULL;
    struct text t = {.out = spelt, .size = spelt_size};
    put_lower(&t, text, size);
    *other = (struct scheme){.name = spelt, .canonical = spelt, .rule = RULE_PATH};
    *ret_size = size;
    return other;
}

static ol_status name_any(const char *text, size_t size, struct text *space, struct text *name,
                          struct ol_error *err)
{
    struct scheme other;
    char spelt[32];
    size_t scheme_size;
    if (strncasecmp(text, "jdbc:", 5) == 0) {
        text += 5;
        size -= 5;
    }
    if (size > 4 && strncmp(text, "arn:", 4) == 0)
        return name_arn(text, size, space, name, err);
    const struct scheme *s = find_scheme(text, &other, spelt, sizeof spelt, &scheme_size);
    if (s == NULL)
        return name_path(text, size, space, name, err);
    const char *rest = text + scheme_size + 1;
    if (size < scheme_size + 1)
        return ol__error_set(err, OL_INVALID, "dataset '%.80s': nothing behind the scheme", text);
    size -= scheme_size + 1;
    if (s->rule == RULE_FILE)
        return name_file(rest, size, space, name, err);
    name_uri(s, rest, size, space, name);
    return OL_OK;
}

ol_status ol_dataset_name(const char *uri_or_path, char *ret_namespace, size_t namespace_size,
                          char *ret_name, size_t name_size, char *ret_version,
                          size_t version_size_max, struct ol_error *err)
{
    if (uri_or_path == NULL || uri_or_path[0] == '\0')
        return ol__error_set(err, OL_INVALID, "dataset: neither a URI nor a path was given");
    if (ret_namespace == NULL || ret_name == NULL || ret_version == NULL || namespace_size == 0 ||
        name_size == 0 || version_size_max == 0)
        return ol__error_set(err, OL_INVALID, "ol_dataset_name: a buffer is missing");
    struct text space = {.out = ret_namespace, .size = namespace_size};
    struct text name = {.out = ret_name, .size = name_size};
    struct text version = {.out = ret_version, .size = version_size_max};
    ret_namespace[0] = ret_name[0] = ret_version[0] = '\0';
    size_t size = strlen(uri_or_path);
    size_t suffix = version_size(uri_or_path, size);
    if (suffix > 0)
        put(&version, uri_or_path + size - suffix + 1, suffix - 1);
    ol_status status = name_any(uri_or_path, size - suffix, &space, &name, err);
    if (status != OL_OK)
        return status;
    if (space.is_cut || name.is_cut || version.is_cut)
        return ol__error_set(err, OL_TOO_LARGE, "dataset '%.80s': %s does not fit into %zu bytes",
                             uri_or_path,
                             space.is_cut  ? "its name space"
                             : name.is_cut ? "its name"
                                           : "its version",
                             space.is_cut  ? space.size
                             : name.is_cut ? name.size
                                           : version.size);
    if (name.used == 0)
        return ol__error_set(err, OL_INVALID, "dataset in '%.80s': no name behind the authority",
                             ret_namespace);
    return OL_OK;
}
