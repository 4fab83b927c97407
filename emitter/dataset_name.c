/* SPDX-License-Identifier: Apache-2.0 */
/* From what a person or program calls a dataset to its OpenLineage name space and name. Promises:
 *  1. The same data get the same name whichever of its spellings is used: one scheme of several,
 * default ports, slashes, percent signs in file: URIs, relative paths. Symbolic links are kept,
 * since the link is what the user means; only `..` behind one is resolved, as the kernel does.
 *  2. User, password and query of a URI never come out, neither in a name nor in an error.
 *  3. Nothing outside the working directory's name and the links in front of a `..` is asked.
 *  4. No name ends in what the tables of name_table.c call a version; of several the last one
 * counts.
 */
#include "dataset_name.h"

#include <stdio.h>
#include <strings.h>
#include <openlineage/openlineage.h>

void ol__name_put(struct ol__name_text *t, const char *data, size_t size)
{
    if (t->is_cut || size >= t->size - t->used) {
        t->is_cut = true;
        return;
    }
    memcpy(t->out + t->used, data, size);
    t->used += size;
    t->out[t->used] = '\0';
}

void ol__name_put_text(struct ol__name_text *t, const char *text)
{
    ol__name_put(t, text, strlen(text));
}

void ol__name_put_lower(struct ol__name_text *t, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = data[i] >= 'A' && data[i] <= 'Z' ? (char)(data[i] + ('a' - 'A')) : data[i];
        ol__name_put(t, &c, 1);
    }
}

/* What an error may show of a text: nothing behind its scheme where a secret could be (promise 2).
 */
struct shown {
    char text[84];
};
static struct shown show(const char *text)
{
    struct shown s;
    size_t colon = strcspn(text, ":");
    bool is_open = text[colon] == '\0' || strpbrk(text, "@?;=") == NULL;
    snprintf(s.text, sizeof s.text, "%.*s%s", is_open ? 80 : (int)OL_MIN(colon, (size_t)40), text,
             is_open ? "" : ":...");
    return s;
}

/* ---- versions ---- */

static void take_version(struct ol__name *n, const char *version, size_t size)
{
    if (n->version.used == 0) /* else one further out has been found */
        ol__name_put(&n->version, version, size);
}

/* "sha256:..." in one spelling. */
static void take_digest(struct ol__name *n, const char *digest, size_t size)
{
    if (n->version.used == 0)
        ol__name_put_lower(&n->version, digest, size);
}

/* Cut versions off the end of the name (promise 4). */
static void split_versions(struct ol__name *n, unsigned forms)
{
    struct ol__name_text *name = &n->name;
    size_t size;
    do {
        size = ol__name_digest_size(name->out, name->used);
        if (size > 0) {
            take_digest(n, name->out + name->used - size + 1, size - 1);
        } else {
            size = ol__name_tag_size(name->out, name->used, forms);
            if (size > 0)
                take_version(n, name->out + name->used - size + 1, size - 1);
        }
        name->used -= size;
        while (size > 0 && name->used > 1 && name->out[name->used - 1] == '/')
            name->used--;
        name->out[name->used] = '\0';
    } while (size > 0);
}

/* ---- URIs ---- */

static bool is_parameter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Where the parameters of an object's URI begin; the end, if the key just holds a question mark. */
static size_t find_parameters(struct ol__span text)
{
    for (size_t i = 0; i < text.size; i++) {
        size_t end = i + 1;
        if (text.data[i] != '?')
            continue;
        while (end < text.size && is_parameter(text.data[end]))
            end++;
        if (end > i + 1 && end < text.size && text.data[end] == '=')
            return i;
    }
    return text.size;
}

/* scheme://authority, without user and password (promise 2). */
static void put_authority(const struct ol__name_scheme *s, struct ol__span authority,
                          struct ol__name_text *space)
{
    size_t host = authority.size, container = 0;
    while (host > 0 && authority.data[host - 1] != '@')
        host--;
    size_t end = host > 0 ? host - 1 : 0; /* of the container, with a password behind a colon */
    for (size_t i = 0; i < end; i++)
        if (authority.data[i] == '@')
            container = i + 1;
    const char *colon = memchr(authority.data + container, ':', end - container);
    ol__name_put_text(space, s->canonical);
    if (host == authority.size)
        return; /* the bare scheme: hdfs:///path */
    ol__name_put_text(space, "://");
    if ((s->host & OL_HOST_CONTAINER) != 0 && host > 0) {
        ol__name_put(space, authority.data + container,
                     colon != NULL ? (size_t)(colon - authority.data) - container
                                   : end - container);
        ol__name_put(space, "@", 1);
    }
    ol__name_put(space, authority.data + host, authority.size - host);
}

static struct ol__span trim(struct ol__span path)
{
    while (path.size > 0 && path.data[0] == '/')
        path = (struct ol__span){path.data + 1, path.size - 1};
    while (path.size > 0 && path.data[path.size - 1] == '/')
        path.size--;
    return path;
}

/* Take the first segment off @p path. */
static struct ol__span take_segment(struct ol__span *path)
{
    const char *slash = memchr(path->data, '/', path->size);
    struct ol__span segment = {path->data,
                               slash != NULL ? (size_t)(slash - path->data) : path->size};
    size_t size = segment.size + (slash != NULL);
    *path = (struct ol__span){path->data + size, path->size - size};
    return segment;
}

/* ?etag=VALUE, its quotes left out: "etag:VALUE". */
static void take_etag(struct ol__name *n, struct ol__span parameters)
{
    static const char *const keys[] = {"etag", NULL};
    struct ol__span value = ol__name_parameter(parameters, keys);
    if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
        value = (struct ol__span){value.data + 1, value.size - 2};
    if (value.size == 0 || n->version.used > 0)
        return;
    ol__name_put(&n->version, "etag:", 5);
    ol__name_put(&n->version, value.data, value.size);
}

/* Objects, paths, and what else stands behind //authority/. */
static void name_place(const struct ol__name_scheme *s, struct ol__span rest, struct ol__name *ret)
{
    static const char *const version_keys[] = {"versionId", "generation", "snapshot", NULL};
    struct ol__span authority = {"", 0}, path = rest;
    if (rest.size >= 2 && rest.data[0] == '/' && rest.data[1] == '/')
        ol__name_split((struct ol__span){rest.data + 2, rest.size - 2}, false, &authority, &path);
    put_authority(s, authority, &ret->space);
    if (s->rule == OL_NAME_OBJECT) {
        size_t query = find_parameters(path);
        struct ol__span version = ol__name_parameter(
            (struct ol__span){path.data + query, path.size - query}, version_keys);
        if ((s->versions & OL_VERSIONED_QUERY) != 0 && version.size > 0)
            take_version(ret, version.data, version.size);
        else if ((s->versions & OL_VERSIONED_QUERY) != 0)
            take_etag(ret, (struct ol__span){path.data + query, path.size - query});
        path.size = query;
    } else {
        const char *query = memchr(path.data, '?', path.size);
        path.size = query != NULL ? (size_t)(query - path.data) : path.size;
        const char *mark = memchr(path.data, '#', path.size);
        if ((s->host & OL_HOST_WEB) != 0 && mark != NULL) /* may hold an access token */
            path.size = (size_t)(mark - path.data);
    }
    path = trim(path);
    for (unsigned i = 0; i < s->segments && path.size > 0; i++) {
        struct ol__span segment = take_segment(&path);
        ol__name_put(&ret->space, "/", 1);
        ol__name_put(&ret->space, segment.data, segment.size);
    }
    if ((s->versions & OL_VERSIONED_REF) != 0 && path.size > 0) {
        struct ol__span ref = take_segment(&path);
        take_version(ret, ref.data, ref.size);
        path = trim(path);
    }
    if (s->rule == OL_NAME_PATH || (s->rule == OL_NAME_OBJECT && path.size == 0))
        ol__name_put(&ret->name, "/", 1);
    ol__name_put(&ret->name, path.data, path.size);
    const char *slash = memchr(ret->name.out, '/', ret->name.used);
    if ((s->versions & OL_VERSIONED_LAST) != 0 && slash != NULL && strchr(slash + 1, '/') == NULL) {
        take_version(ret, slash + 1, strlen(slash + 1)); /* models:/fraud/3 */
        ret->name.used = (size_t)(slash - ret->name.out);
        ret->name.out[ret->name.used] = '\0';
    }
}

/* scheme:ID and scheme://ID. */
static void name_id(const struct ol__name_scheme *s, struct ol__span rest, struct ol__name *ret)
{
    if (rest.size >= 2 && rest.data[0] == '/' && rest.data[1] == '/')
        rest = (struct ol__span){rest.data + 2, rest.size - 2};
    const char *query = memchr(rest.data, '?', rest.size);
    rest.size = query != NULL ? (size_t)(query - rest.data) : rest.size;
    ol__name_put_text(&ret->space, s->canonical);
    if ((s->versions & OL_VERSIONED_REPO) == 0) {
        ol__name_put(&ret->name, rest.data, rest.size);
        return;
    }
    rest = trim(rest);
    const char *at = memchr(rest.data, '@', rest.size); /* OWNER/NAME@REVISION/PATH */
    size_t size = at != NULL ? (size_t)(at - rest.data) : rest.size;
    ol__name_put(&ret->name, rest.data, size);
    if (at != NULL) {
        struct ol__span path = {at + 1, rest.size - size - 1};
        struct ol__span revision = take_segment(&path);
        take_version(ret, revision.data, revision.size);
        ol__name_put(&ret->name, path.size > 0 ? "/" : "", path.size > 0);
        ol__name_put(&ret->name, path.data, path.size);
    }
    if (strncmp(ret->name.out, "datasets/", 9) == 0 || strncmp(ret->name.out, "spaces/", 7) == 0)
        ret->type = NULL;
}

/* arn:partition:service:region:account:resource; a bucket is better known as s3://. */
static ol_status name_arn(struct ol__span text, struct ol__name *ret, struct ol_error *err)
{
    static const struct ol__name_scheme s3 = {
        .name = "s3", .canonical = "s3", .rule = OL_NAME_OBJECT};
    size_t colons[5], count = 0;
    for (size_t i = 0; i < text.size && count < OL_COUNT(colons); i++)
        if (text.data[i] == ':')
            colons[count++] = i;
    if (count < OL_COUNT(colons))
        return ol__error_set(err, OL_INVALID,
                             "dataset '%s': expected"
                             " arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE",
                             show(text.data).text);
    struct ol__span resource = {text.data + colons[4] + 1, text.size - colons[4] - 1};
    bool is_bucket = strncmp(text.data + colons[1], ":s3:::", 6) == 0;
    if (!is_bucket) {
        ol__name_put(&ret->space, text.data, colons[4]);
        ol__name_put(&ret->name, resource.data, resource.size);
        return OL_OK;
    }
    char uri[OL_DATASET_NAME_SIZE];
    int n = snprintf(uri, sizeof uri, "//%.*s", (int)resource.size, resource.data);
    if (n < 0 || (size_t)n >= sizeof uri)
        return ol__error_set(err, OL_TOO_LARGE, "dataset: name longer than %zu bytes", sizeof uri);
    name_place(&s3, (struct ol__span){uri, (size_t)n}, ret);
    return OL_OK;
}

/* ---- schemes ---- */

#define SCHEME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."

static const struct ol__name_scheme *look_up(const char *name, size_t size)
{
    for (size_t i = 0; i < ol__name_scheme_count; i++) {
        const struct ol__name_scheme *s = &ol__name_schemes[i];
        if (strncasecmp(s->name, name, size) == 0 && s->name[size] == '\0')
            return s;
    }
    return NULL;
}

/* The scheme at @p text and, in @p given, what follows; NULL: @p text is a path. @p other and
 * @p spelt are room for one that the table lacks. */
static const struct ol__name_scheme *find_scheme(struct ol__span text, struct ol__name_given *given,
                                                 struct ol__name_scheme *other, char spelt[32])
{
    size_t size = strspn(text.data, SCHEME_CHARACTERS);
    if (size < 2 || size >= text.size || size >= 32 || text.data[size] != ':' ||
        (text.data[0] >= '0' && text.data[0] <= '9'))
        return NULL;
    given->rest = (struct ol__span){text.data + size + 1, text.size - size - 1};
    const struct ol__name_scheme *s = look_up(text.data, size);
    const char *plus = memchr(text.data, '+', size);
    if (s == NULL && plus != NULL) { /* postgresql+psycopg2:// */
        s = look_up(text.data, (size_t)(plus - text.data));
        s = s != NULL && (s->rule == OL_NAME_TABLE || s->rule == OL_NAME_LOCAL) ? s : NULL;
        given->is_srv = s != NULL && size - (size_t)(plus - text.data) == 4 &&
                        strncasecmp(plus, "+srv", 4) == 0;
    }
    if (given->is_jdbc && s != NULL && s->rule == OL_NAME_TABLE && given->rest.data[0] != '/' &&
        strcmp(s->canonical, "oracle") != 0) { /* mysql:loadbalance:// */
        size_t word = strspn(given->rest.data, SCHEME_CHARACTERS);
        if (word < given->rest.size && given->rest.data[word] == ':')
            given->rest =
                (struct ol__span){given->rest.data + word + 1, given->rest.size - word - 1};
    }
    bool has_slashes = given->rest.size >= 2 && memcmp(given->rest.data, "//", 2) == 0;
    if (s != NULL && (has_slashes || s->needs_no_slashes || given->is_jdbc))
        return s;
    if (!has_slashes)
        return NULL;
    struct ol__name_text t = {.out = spelt, .size = 32};
    ol__name_put_lower(&t, text.data, size);
    *other = (struct ol__name_scheme){.name = spelt,
                                      .canonical = spelt,
                                      .levels = 3,
                                      .host = OL_HOST_WEB,
                                      .rule = given->is_jdbc ? OL_NAME_TABLE : OL_NAME_PATH};
    return other;
}

static ol_status name_any(struct ol__span text, const char *table, struct ol__name *ret,
                          struct ol_error *err)
{
    struct ol__name_scheme other;
    struct ol__name_given given = {.table = table};
    char spelt[32];
    given.is_jdbc = strncasecmp(text.data, "jdbc:", 5) == 0;
    if (given.is_jdbc)
        text = (struct ol__span){text.data + 5, text.size - OL_MIN(text.size, (size_t)5)};
    if (text.size > 4 && strncmp(text.data, "arn:", 4) == 0 && table == NULL)
        return name_arn(text, ret, err);
    const struct ol__name_scheme *s = find_scheme(text, &given, &other, spelt);
    enum ol__name_rule rule = s != NULL ? s->rule : OL_NAME_FILE;
    bool has_tables = rule == OL_NAME_TABLE || rule == OL_NAME_BARE || rule == OL_NAME_LOCAL;
    if (s == NULL && given.is_jdbc)
        return ol__error_set(err, OL_INVALID, "dataset 'jdbc:...': expected jdbc:NAME://HOST...");
    if (table != NULL && !has_tables)
        return ol__error_set(err, OL_INVALID, "dataset '%s': no database that has tables",
                             show(text.data).text);
    ol_status status = OL_OK;
    ret->type = s != NULL ? s->type : NULL;
    if (s == NULL) {
        ol__name_put_text(&ret->space, "file");
        status = ol__name_path(text.data, text.size, &ret->name, err);
    } else if (rule == OL_NAME_FILE) {
        status = ol__name_file(given.rest, ret, err);
    } else if (rule == OL_NAME_LOCAL) {
        status = ol__name_local(s, &given, ret, err);
    } else if (has_tables) {
        status = ol__name_server(s, &given, ret, err);
    } else if (rule == OL_NAME_ID) {
        name_id(s, given.rest, ret);
    } else {
        name_place(s, given.rest, ret);
    }
    if (status == OL_OK)
        split_versions(ret, s != NULL ? s->versions : 0);
    return status;
}

/* The text itself without digests at its end, which may hide what the scheme's own rules look for.
 */
static size_t split_text(const char *text, struct ol__name *ret)
{
    size_t size = strlen(text), digest;
    while ((digest = ol__name_digest_size(text, size)) > 0) {
        take_digest(ret, text + size - digest + 1, digest - 1);
        size -= digest;
    }
    return size;
}

static ol_status check_fits(const char *text, const struct ol__name *n, struct ol_error *err)
{
    const struct ol__name_text *cut = n->space.is_cut     ? &n->space
                                      : n->name.is_cut    ? &n->name
                                      : n->version.is_cut ? &n->version
                                                          : NULL;
    if (cut != NULL)
        return ol__error_set(err, OL_TOO_LARGE, "dataset '%s': %s does not fit into %zu bytes",
                             show(text).text,
                             cut == &n->space  ? "its name space"
                             : cut == &n->name ? "its name"
                                               : "its version",
                             cut->size);
    if (n->name.used == 0)
        return ol__error_set(err, OL_INVALID, "dataset '%s': no name behind the scheme and host",
                             show(text).text);
    return OL_OK;
}

ol_status ol__name_make(const char *text, const char *table, struct ol__name *ret,
                        struct ol_error *err)
{
    if (text == NULL || text[0] == '\0')
        return ol__error_set(err, OL_INVALID, "dataset: neither a URI nor a path was given");
    if (ret->space.out == NULL || ret->name.out == NULL || ret->version.out == NULL ||
        ret->space.size == 0 || ret->name.size == 0 || ret->version.size == 0)
        return ol__error_set(err, OL_INVALID,
                             "dataset name: a buffer or its size is missing; expected one each for"
                             " name space, name and version");
    ret->space.out[0] = ret->name.out[0] = ret->version.out[0] = '\0';
    struct ol__span whole = {text, table == NULL ? split_text(text, ret) : strlen(text)};
    char bare[OL_DATASET_NAME_SIZE +
              OL_DATASET_NAMESPACE_SIZE]; /* what follows it must not be seen */
    if (whole.size >= sizeof bare)
        return ol__error_set(err, OL_TOO_LARGE, "dataset '%s': longer than %zu bytes",
                             show(text).text, sizeof bare - 1);
    memcpy(bare, text, whole.size);
    bare[whole.size] = '\0';
    ol_status status = name_any((struct ol__span){bare, whole.size}, table, ret, err);
    return status == OL_OK ? check_fits(text, ret, err) : status;
}

/* ---- public ---- */

ol_status ol_dataset_name(const char *uri_or_path, char *ret_namespace, size_t namespace_size,
                          char *ret_name, size_t name_size, char *ret_version, size_t version_size,
                          struct ol_error *err)
{
    struct ol__name name = {.space = {.out = ret_namespace, .size = namespace_size},
                            .name = {.out = ret_name, .size = name_size},
                            .version = {.out = ret_version, .size = version_size}};
    return ol__name_make(uri_or_path, NULL, &name, err);
}

ol_status ol_dataset_name_table(const char *connection, const char *table, char *ret_namespace,
                                size_t namespace_size, char *ret_name, size_t name_size,
                                struct ol_error *err)
{
    char version[OL_DATASET_VERSION_SIZE];
    struct ol__name name = {.space = {.out = ret_namespace, .size = namespace_size},
                            .name = {.out = ret_name, .size = name_size},
                            .version = {.out = version, .size = sizeof version}};
    if (table == NULL || table[0] == '\0')
        return ol__error_set(err, OL_INVALID, "ol_dataset_name_table: no table was given");
    return ol__name_make(connection, table, &name, err);
}

const char *ol_dataset_name_type(const char *uri_or_path)
{
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    struct ol__name n = {.space = {.out = space, .size = sizeof space},
                         .name = {.out = name, .size = sizeof name},
                         .version = {.out = version, .size = sizeof version}};
    return ol__name_make(uri_or_path, NULL, &n, NULL) == OL_OK ? n.type : NULL;
}
