/* SPDX-License-Identifier: Apache-2.0 */
/* Databases, topics and whatever else is found through a host. Promises:
 *  1. User, password and parameters of a connection never come out, neither in a name nor in an
 * error, whichever of the drivers' ways to write them is used, escaped or not.
 *  2. The names are those of the naming table (docs/naming.md); a connection and a table give what
 * the complete name gives. */
#include <stdio.h>
#include <strings.h>
#include "dataset_name.h"

static struct ol__span cut_front(struct ol__span s, size_t size)
{
    return (struct ol__span){s.data + size, s.size - size};
}

static size_t find_any(struct ol__span s, const char *any)
{
    size_t i = 0;
    while (i < s.size && (s.data[i] == '\0' || strchr(any, s.data[i]) == NULL))
        i++;
    return i;
}

/* Where the last @p c stands, plus 1; 0: nowhere. */
static size_t find_last(struct ol__span s, char c)
{
    size_t i = s.size;
    while (i > 0 && s.data[i - 1] != c)
        i--;
    return i;
}

/* Whether what stands behind the last colon of a host, if there is one, is no port. */
static bool has_odd_port(struct ol__span authority)
{
    struct ol__span host = cut_front(authority, find_last(authority, '@'));
    host = cut_front(host, find_last(host, ']'));
    size_t colon = find_last(host, ':');
    if (colon == 0)
        return false;
    while (colon < host.size && host.data[colon] >= '0' && host.data[colon] <= '9')
        colon++;
    return colon < host.size;
}

static bool has_port(struct ol__span authority)
{
    struct ol__span host = cut_front(authority, find_last(authority, '@'));
    return find_last(cut_front(host, find_last(host, ']')), ':') > 0;
}

void ol__name_split(struct ol__span rest, bool has_tables, struct ol__span *ret_authority,
                    struct ol__span *ret_tail)
{
    const char *ends = has_tables ? "/?;" : "/?";
    size_t size = find_any(rest, ends);
    while (size < rest.size) {
        /* me:pa/ss@host: what stands in front of an @ further on is still the password, unless it
         * can be host:port and the @ is part of a name. */
        struct ol__span authority = {rest.data, size}, tail = cut_front(rest, size);
        size_t at = find_any(tail, "@");
        bool is_password = at < tail.size &&
                           (has_odd_port(authority) ||
                            (has_tables && has_port(authority) && find_last(authority, '@') == 0 &&
                             memchr(tail.data + at, '/', tail.size - at) != NULL));
        if (!is_password)
            break;
        size += at + find_any(cut_front(tail, at), ends);
    }
    *ret_authority = (struct ol__span){rest.data, size};
    *ret_tail = cut_front(rest, size);
}

struct ol__span ol__name_parameter(struct ol__span text, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        size_t key_size = strlen(*keys);
        for (struct ol__span left = text; left.size > 0;) {
            size_t size = find_any(left, "?&;,");
            if (size > key_size && left.data[key_size] == '=' &&
                strncasecmp(left.data, *keys, key_size) == 0) {
                struct ol__span value = {left.data + key_size + 1, size - key_size - 1};
                if (value.size >= 2 && value.data[0] == '{' && value.data[value.size - 1] == '}')
                    value = (struct ol__span){value.data + 1, value.size - 2};
                return value;
            }
            left = cut_front(left, size < left.size ? size + 1 : size);
        }
    }
    return (struct ol__span){"", 0};
}

/* ---- hosts ---- */

static bool ends_in(struct ol__span s, const char *end)
{
    size_t size = strlen(end);
    return s.size > size && strncasecmp(s.data + s.size - size, end, size) == 0;
}

static void put_host_name(const struct ol__name_scheme *s, struct ol__span host,
                          struct ol__name_text *space)
{
    if ((s->host & OL_HOST_SNOWFLAKE) != 0 && ends_in(host, ".snowflakecomputing.com"))
        host.size -= sizeof ".snowflakecomputing.com" - 1;
    if ((s->host & OL_HOST_REDSHIFT) != 0 &&
        (ends_in(host, ".redshift.amazonaws.com") ||
         ends_in(host, ".redshift-serverless.amazonaws.com"))) {
        size_t first = find_any(host, "."), second = first + 1;
        second += find_any(cut_front(host, second), ".");
        size_t third = second + 1;
        third += third < host.size ? find_any(cut_front(host, third), ".") : 0;
        if (third < host.size && strncasecmp(host.data + third, ".redshift", 9) == 0) {
            ol__name_put_lower(space, host.data, first);
            ol__name_put_lower(space, host.data + second, third - second);
            return;
        }
    }
    if (s->port != 0)
        ol__name_put_lower(space, host.data, host.size);
    else
        ol__name_put(space, host.data, host.size);
}

/* One HOST:PORT; HOST\INSTANCE becomes HOST/INSTANCE. */
static void put_host(const struct ol__name_scheme *s, struct ol__span host, unsigned port,
                     struct ol__name_text *space)
{
    size_t bracket = find_last(host, ']');
    size_t colon = find_last(cut_front(host, bracket), ':');
    struct ol__span number = {"", 0};
    if (colon > 0 && (s->port != 0 || (s->host & OL_HOST_NO_PORT) != 0)) {
        number = cut_front(host, bracket + colon);
        host.size = bracket + colon - 1;
    }
    size_t instance = find_any(host, "\\");
    if (host.size == 0)
        ol__name_put_text(space, "localhost");
    else
        put_host_name(s, (struct ol__span){host.data, instance}, space);
    if (instance < host.size) {
        ol__name_put(space, "/", 1);
        ol__name_put(space, host.data + instance + 1, host.size - instance - 1);
        port = 0;
    }
    if ((s->host & OL_HOST_NO_PORT) != 0)
        return;
    char text[16];
    if (number.size > 0) {
        ol__name_put(space, ":", 1);
        ol__name_put(space, number.data, number.size);
    } else if (port != 0) {
        ol__name_put(space, text, (size_t)snprintf(text, sizeof text, ":%u", port));
    }
}

static ol_status put_server(const struct ol__name_scheme *s, struct ol__span authority,
                            const struct ol__name_given *given, struct ol__name_text *space,
                            struct ol_error *err)
{
    struct ol__span hosts = cut_front(authority, find_last(authority, '@'));
    unsigned port = s->port;
    if (find_any(hosts, "(=") < hosts.size)
        return ol__error_set(err, OL_INVALID,
                             "dataset '%s:...': expected HOST:PORT, not a list of addresses",
                             s->name);
    if (has_odd_port(hosts) && s->port != 0)
        return ol__error_set(err, OL_INVALID, "dataset '%s:...': the port is no number", s->name);
    if (given->is_jdbc && s->jdbc_port != 0)
        port = s->jdbc_port == OL_PORT_NONE ? 0 : s->jdbc_port;
    if (given->is_srv)
        port = 0;
    ol__name_put_text(space, s->canonical);
    if (hosts.size == 0 && s->port == 0)
        return OL_OK;
    ol__name_put_text(space, "://");
    do {
        size_t size = find_any(hosts, ",");
        put_host(s, (struct ol__span){hosts.data, size}, port, space);
        bool is_last = size >= hosts.size || (s->host & OL_HOST_FIRST) != 0;
        hosts = is_last ? (struct ol__span){"", 0} : cut_front(hosts, size + 1);
        if (!is_last)
            ol__name_put(space, ",", 1);
    } while (hosts.size > 0);
    return OL_OK;
}

/* ---- Oracle's own way to write a connection ---- */

/* The text behind `(KEY=` up to the closing parenthesis. */
static struct ol__span tns_value(struct ol__span text, const char *key)
{
    size_t size = strlen(key);
    for (size_t i = 0; i + size + 1 < text.size; i++) {
        if (text.data[i] != '(' || strncasecmp(text.data + i + 1, key, size) != 0 ||
            text.data[i + 1 + size] != '=')
            continue;
        struct ol__span value = cut_front(text, i + size + 2);
        value.size = find_any(value, "()");
        return value;
    }
    return (struct ol__span){"", 0};
}

/* thin:USER/PASSWORD@//HOST:PORT/SERVICE, @HOST:PORT:SID, @(DESCRIPTION=...): to HOST:PORT/SERVICE
 * in @p out. @return whether it is one of these. */
static bool read_oracle(struct ol__span rest, char *out, size_t size, struct ol__span *ret)
{
    size_t at = find_last(rest, '@');
    struct ol__span host, port = {"", 0}, service = {"", 0};
    if (at == 0)
        return false;
    rest = cut_front(rest, at);
    if (rest.size > 0 && rest.data[0] == '(') {
        host = tns_value(rest, "HOST");
        port = tns_value(rest, "PORT");
        service = tns_value(rest, "SERVICE_NAME");
        if (service.size == 0)
            service = tns_value(rest, "SID");
    } else {
        while (rest.size > 0 && rest.data[0] == '/')
            rest = cut_front(rest, 1);
        rest.size = find_any(rest, "?");
        host = (struct ol__span){rest.data, find_any(rest, ":/")};
        rest = cut_front(rest, host.size);
        if (rest.size > 0 && rest.data[0] == ':') {
            rest = cut_front(rest, 1);
            port = (struct ol__span){rest.data, find_any(rest, ":/")};
            rest = cut_front(rest, port.size);
        }
        if (rest.size > 0)
            service = cut_front(rest, 1);
    }
    if (host.size == 0)
        return false;
    int used =
        snprintf(out, size, "%.*s%s%.*s/%.*s", (int)host.size, host.data, port.size > 0 ? ":" : "",
                 (int)port.size, port.data, (int)service.size, service.data);
    *ret = (struct ol__span){out, used > 0 ? (size_t)used : 0};
    return used > 0 && (size_t)used < size;
}

/* ---- names ---- */

static void put_joined(struct ol__name_text *name, struct ol__span path)
{
    for (size_t i = 0; i < path.size; i++)
        ol__name_put(name, path.data[i] == '/' ? "." : path.data + i, 1);
}

/* Of `a."b.c".d` 3. */
static unsigned count_parts(const char *table)
{
    unsigned parts = 1;
    for (char quote = '\0'; *table != '\0'; table++) {
        if (quote != '\0')
            quote = *table == quote ? '\0' : quote;
        else if (*table == '"' || *table == '`')
            quote = *table;
        else if (*table == '.')
            parts++;
    }
    return parts;
}

/* The table behind a connection to @p database: as much of that as the table's own name lacks. */
static void put_table(const struct ol__name_scheme *s, struct ol__span database, const char *table,
                      struct ol__name_text *name)
{
    unsigned parts = count_parts(table);
    unsigned wanted = parts < s->levels ? s->levels - parts : 0;
    while (wanted > 0 && database.size > 0) {
        size_t size = find_any(database, "/");
        ol__name_put(name, database.data, size);
        ol__name_put(name, ".", 1);
        database = cut_front(database, size < database.size ? size + 1 : size);
        wanted--;
    }
    ol__name_put_text(name, table);
}

static struct ol__span trim(struct ol__span path)
{
    while (path.size > 0 && path.data[0] == '/')
        path = cut_front(path, 1);
    while (path.size > 0 && path.data[path.size - 1] == '/')
        path.size--;
    return path;
}

/* Names from the path, else from the parameters, where some drivers say the database. */
static ol_status put_name(const struct ol__name_scheme *s, struct ol__span tail,
                          const struct ol__name_given *given, struct ol__name_text *name,
                          struct ol_error *err)
{
    static const char *const database_keys[] = {"databaseName", "database", "db", "ProjectId",
                                                NULL};
    static const char *const schema_keys[] = {"schema", "DefaultDataset", NULL};
    char both[1024];
    struct ol__span path = {tail.data, find_any(tail, "?;")}, parameters = tail;
    if (given->is_jdbc) /* db2: /db:user=me; */
        path.size = find_any(path, ":");
    path = trim(path);
    if (given->is_jdbc && find_any(path, "=") < path.size) { /* teradata: /DATABASE=d,USER=u */
        parameters = path;
        path.size = 0;
    }
    if (path.size == 0) {
        struct ol__span database = ol__name_parameter(parameters, database_keys);
        struct ol__span schema = ol__name_parameter(parameters, schema_keys);
        int used = snprintf(both, sizeof both, "%.*s%s%.*s", (int)database.size, database.data,
                            schema.size > 0 ? "/" : "", (int)schema.size, schema.data);
        if (used < 0 || (size_t)used >= sizeof both)
            return ol__error_set(err, OL_INVALID,
                                 "dataset '%s:...': a database name over %zu bytes", s->name,
                                 sizeof both);
        path = trim((struct ol__span){both, (size_t)used});
    }
    if (given->table != NULL)
        put_table(s, path, given->table, name);
    else
        put_joined(name, path);
    return OL_OK;
}

static ol_status name_bare(const struct ol__name_scheme *s, const struct ol__name_given *given,
                           struct ol__name *ret, struct ol_error *err)
{
    struct ol__span tail = given->rest;
    ol__name_put_text(&ret->space, s->canonical);
    if (given->is_jdbc) /* //https://HOST:443;ProjectId=... */
        tail = cut_front(tail, find_any(tail, ";"));
    return put_name(s, tail, given, &ret->name, err);
}

ol_status ol__name_server(const struct ol__name_scheme *s, const struct ol__name_given *given,
                          struct ol__name *ret, struct ol_error *err)
{
    static const char *const server_keys[] = {"serverName", NULL};
    static const char *const port_keys[] = {"portNumber", "port", "DBS_PORT", NULL};
    static const char *const instance_keys[] = {"instanceName", NULL};
    char made[2048];
    struct ol__span rest = given->rest, authority, tail;
    if (s->rule == OL_NAME_BARE)
        return name_bare(s, given, ret, err);
    if (rest.size >= 2 && rest.data[0] == '/' && rest.data[1] == '/')
        rest = cut_front(rest, 2);
    else if (strcmp(s->canonical, "oracle") != 0 || !read_oracle(rest, made, sizeof made, &rest))
        return ol__error_set(err, OL_INVALID, "dataset '%s:...': expected %s://HOST:PORT/NAME",
                             s->name, s->name);
    ol__name_split(rest, true, &authority, &tail);
    authority = cut_front(authority, find_last(authority, '@'));
    if (given->is_jdbc && rest.data != made) {
        struct ol__span server = ol__name_parameter(tail, server_keys);
        struct ol__span port = ol__name_parameter(tail, port_keys);
        struct ol__span instance = ol__name_parameter(tail, instance_keys);
        struct ol__span all = tail.size > 0 && tail.data[0] == '/' ? cut_front(tail, 1) : tail;
        if (port.size == 0)
            port = ol__name_parameter(all, port_keys);
        if (server.size == 0)
            server = authority;
        bool is_ported = port.size > 0 && !has_port(server);
        if (has_port(server) || is_ported) /* the driver then asks nobody for the instance's port */
            instance.size = 0;
        int used = snprintf(made, sizeof made, "%.*s%s%.*s%s%.*s", (int)server.size, server.data,
                            instance.size > 0 ? "\\" : "", (int)instance.size, instance.data,
                            is_ported ? ":" : "", is_ported ? (int)port.size : 0, port.data);
        if (used < 0 || (size_t)used >= sizeof made)
            return ol__error_set(err, OL_INVALID, "dataset '%s:...': a host over %zu bytes",
                                 s->name, sizeof made);
        authority = (struct ol__span){made, (size_t)used};
    }
    ol_status status = put_server(s, authority, given, &ret->space, err);
    return status == OL_OK ? put_name(s, tail, given, &ret->name, err) : status;
}
