/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of schemes and the one table of versions; docs/naming.md says the same in words.
 * Promises:
 *  1. A digest is one only with exactly the digits of its algorithm.
 *  2. A tag is looked for behind the last slash only, so a port is none, and only in schemes whose
 *     names have tags; what looks like a mail address is none. */
#include "name_table.h"

#define NONE OL_PORT_NONE
#define AI .needs_no_slashes = true, .versions = OL_VERSIONED_TAG

const struct ol__name_scheme ol__name_schemes[] = {
    /* files and objects */
    {"file", "file", OL_NAME_FILE, .needs_no_slashes = true},
    {"s3", "s3", OL_NAME_OBJECT, .versions = OL_VERSIONED_QUERY},
    {"s3a", "s3", OL_NAME_OBJECT, .versions = OL_VERSIONED_QUERY},
    {"s3n", "s3", OL_NAME_OBJECT, .versions = OL_VERSIONED_QUERY},
    {"gs", "gs", OL_NAME_OBJECT, .versions = OL_VERSIONED_QUERY | OL_VERSIONED_GENERATION},
    {"gcs", "gs", OL_NAME_OBJECT, .versions = OL_VERSIONED_QUERY | OL_VERSIONED_GENERATION},
    {"abfss", "abfss", OL_NAME_OBJECT, .host = OL_HOST_CONTAINER, .versions = OL_VERSIONED_QUERY},
    {"abfs", "abfss", OL_NAME_OBJECT, .host = OL_HOST_CONTAINER, .versions = OL_VERSIONED_QUERY},
    {"wasbs", "wasbs", OL_NAME_OBJECT, .host = OL_HOST_CONTAINER, .versions = OL_VERSIONED_QUERY},
    {"wasb", "wasbs", OL_NAME_OBJECT, .host = OL_HOST_CONTAINER, .versions = OL_VERSIONED_QUERY},
    {"lakefs", "lakefs", OL_NAME_OBJECT, .versions = OL_VERSIONED_REF},
    {"hdfs", "hdfs", OL_NAME_PATH, .port = 0},
    {"dbfs", "dbfs", OL_NAME_PATH, .needs_no_slashes = true},
    {"box", "box", OL_NAME_REST, .segments = 1},
    {"filenet", "filenet", OL_NAME_REST, .segments = 1},
    {"mssharepoint", "mssharepoint", OL_NAME_REST, .segments = 1},
    {"inmemory", "inmemory://", OL_NAME_ID, .port = 0},
    /* databases */
    {"postgres", "postgres", OL_NAME_TABLE, 5432, .levels = 3},
    {"postgresql", "postgres", OL_NAME_TABLE, 5432, .levels = 3},
    {"mysql", "mysql", OL_NAME_TABLE, 3306, .levels = 2},
    {"mariadb", "mariadb", OL_NAME_TABLE, 3306, NONE, .levels = 2},
    {"mssql", "mssql", OL_NAME_TABLE, 1433, .levels = 3},
    {"sqlserver", "sqlserver", OL_NAME_TABLE, 1433, NONE, .levels = 3},
    {"oracle", "oracle", OL_NAME_TABLE, 1521, .levels = 3},
    {"db2", "db2", OL_NAME_TABLE, 50000, 6789, .levels = 3},
    {"teradata", "teradata", OL_NAME_TABLE, 1025, .levels = 2},
    {"hive", "hive", OL_NAME_TABLE, 10000, .levels = 2},
    {"hive2", "hive", OL_NAME_TABLE, 10000, .levels = 2},
    {"oceanbase", "oceanbase", OL_NAME_TABLE, 2881, .levels = 2},
    {"crate", "crate", OL_NAME_TABLE, 5432, .levels = 3},
    {"clickhouse", "clickhouse", OL_NAME_TABLE, 8123, .levels = 2},
    {"ch", "clickhouse", OL_NAME_TABLE, 8123, .levels = 2},
    {"vertica", "vertica", OL_NAME_TABLE, 5433, NONE, .levels = 3},
    {"cassandra", "cassandra", OL_NAME_TABLE, 9042, .levels = 2, .host = OL_HOST_FIRST},
    {"milvus", "milvus", OL_NAME_TABLE, 19530, .levels = 2},
    {"mongodb", "mongodb", OL_NAME_TABLE, 27017, .levels = 2},
    {"elasticsearch", "elasticsearch", OL_NAME_TABLE, 9200, .levels = 1, .host = OL_HOST_FIRST},
    {"opensearch", "opensearch", OL_NAME_TABLE, 9200, .levels = 1, .host = OL_HOST_FIRST},
    {"dynamodb", "dynamodb", OL_NAME_TABLE, .levels = 1},
    {"redshift", "redshift", OL_NAME_TABLE, 5439, NONE, .levels = 3, .host = OL_HOST_REDSHIFT},
    {"snowflake", "snowflake", OL_NAME_TABLE, .levels = 3,
     .host = OL_HOST_SNOWFLAKE | OL_HOST_NO_PORT},
    {"spanner", "spanner", OL_NAME_TABLE, .levels = 3},
    {"trino", "trino", OL_NAME_TABLE, 8080, 443, .levels = 3},
    {"awsathena", "awsathena", OL_NAME_TABLE, .levels = 3, .host = OL_HOST_NO_PORT},
    {"athena", "awsathena", OL_NAME_TABLE, .levels = 3, .host = OL_HOST_NO_PORT},
    {"unitycatalog", "unitycatalog", OL_NAME_TABLE, .levels = 3},
    {"fabric-warehouse", "fabric-warehouse", OL_NAME_TABLE, .levels = 3},
    {"bigquery", "bigquery", OL_NAME_BARE, .levels = 3, .needs_no_slashes = true},
    {"bq", "bigquery", OL_NAME_BARE, .levels = 3, .needs_no_slashes = true},
    {"azurecosmos", "azurecosmos", OL_NAME_REST, .segments = 2},
    {"azurekusto", "azurekusto", OL_NAME_REST, .port = 0},
    {"sqlite", "sqlite", OL_NAME_LOCAL, .needs_no_slashes = true},
    {"duckdb", "duckdb", OL_NAME_LOCAL, .needs_no_slashes = true},
    /* messages */
    {"kafka", "kafka", OL_NAME_TABLE, 9092, .levels = 1, .host = OL_HOST_FIRST,
     .versions = OL_VERSIONED_OFFSETS},
    {"pubsub", "pubsub", OL_NAME_ID, .needs_no_slashes = true},
    /* models and what they are fed */
    {"model", "model", OL_NAME_REST, .type = "MODEL", AI},
    {"models", "model", OL_NAME_REST, .type = "MODEL", .needs_no_slashes = true,
     .versions = OL_VERSIONED_TAG | OL_VERSIONED_LAST},
    {"prompt", "prompt", OL_NAME_REST, .type = "PROMPT", AI},
    {"corpus", "corpus", OL_NAME_REST, .type = "CORPUS", AI},
    {"feature", "feature", OL_NAME_REST, .type = "FEATURE_VIEW", AI},
    {"feature-view", "feature", OL_NAME_REST, .type = "FEATURE_VIEW", AI},
    {"openai", "openai", OL_NAME_ID, .type = "MODEL"},
    {"anthropic", "anthropic", OL_NAME_ID, .type = "MODEL"},
    {"bedrock", "bedrock", OL_NAME_ID, .type = "MODEL"},
    {"mistral", "mistral", OL_NAME_ID, .type = "MODEL"},
    {"cohere", "cohere", OL_NAME_ID, .type = "MODEL"},
    {"ollama", "ollama", OL_NAME_REST, .type = "MODEL", .needs_no_slashes = true,
     .versions = OL_VERSIONED_IMAGE},
    {"hf", "hf", OL_NAME_ID, .type = "MODEL", .versions = OL_VERSIONED_REPO},
    {"huggingface", "hf", OL_NAME_ID, .type = "MODEL", .versions = OL_VERSIONED_REPO},
    {"wandb-artifact", "wandb-artifact", OL_NAME_REST, .versions = OL_VERSIONED_IMAGE},
    {"oci", "oci", OL_NAME_REST, .versions = OL_VERSIONED_IMAGE},
    {"docker", "oci", OL_NAME_REST, .versions = OL_VERSIONED_IMAGE},
};
const size_t ol__name_scheme_count = OL_COUNT(ol__name_schemes);

const struct ol__name_digest ol__name_digests[] = {
    {"sha256", 64}, {"sha512", 128}, {"sha384", 96}, {"sha1", 40}, {"md5", 32}};
const size_t ol__name_digest_count = OL_COUNT(ol__name_digests);

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

size_t ol__name_digest_size(const char *name, size_t size)
{
    for (size_t i = 0; i < ol__name_digest_count; i++) {
        const struct ol__name_digest *d = &ol__name_digests[i];
        size_t algorithm = strlen(d->algorithm), whole = 1 + algorithm + 1 + d->digits;
        if (size <= whole)
            continue;
        const char *at = name + size - whole;
        if ((at[0] != '#' && at[0] != '@') || memcmp(at + 1, d->algorithm, algorithm) != 0 ||
            at[1 + algorithm] != ':')
            continue;
        size_t digits = 0;
        while (digits < d->digits && is_hex(at[whole - d->digits + digits]))
            digits++;
        if (digits == d->digits)
            return whole;
    }
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

#define TAG_MAX 128

static bool is_tag(const char *tag, size_t size)
{
    if (size == 0 || size > TAG_MAX || !(is_letter(tag[0]) || is_digit(tag[0]) || tag[0] == '_'))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_letter(tag[i]) && !is_digit(tag[i]) && strchr("._+-", tag[i]) == NULL)
            return false;
    return true;
}

/* name@example.org: a dot, and letters alone behind the last one. v1.rc and 2.beta are tags. */
static bool is_domain(const char *tag, size_t size)
{
    size_t letters = 0;
    if (is_digit(tag[0]) || ((tag[0] == 'v' || tag[0] == 'V') && size > 1 && is_digit(tag[1])))
        return false;
    while (letters < size && is_letter(tag[size - 1 - letters]))
        letters++;
    return letters >= 2 && letters < size && tag[size - 1 - letters] == '.';
}

/* vN, vN.N... */
static bool is_number(const char *tag, size_t size)
{
    if (size < 2 || size > TAG_MAX || tag[0] != 'v' || !is_digit(tag[1]) ||
        !is_digit(tag[size - 1]))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!is_digit(tag[i]) && (tag[i] != '.' || tag[i - 1] == '.'))
            return false;
    return true;
}

static size_t generation_size(const char *name, size_t size)
{
    size_t digits = 0;
    while (digits < size && is_digit(name[size - 1 - digits]))
        digits++;
    bool is_one =
        digits >= 10 && digits <= 20 && size > digits + 1 && name[size - 1 - digits] == '#';
    return is_one ? digits + 1 : 0;
}

/* Up to 19 digits and the mark behind them; 0: it is none. */
static size_t number_size(const char *text, size_t size, char mark)
{
    size_t digits = 0;
    while (digits < size && is_digit(text[digits]))
        digits++;
    bool is_one =
        digits >= 1 && digits <= 19 && (mark == '\0' || (digits < size && text[digits] == mark));
    return !is_one ? 0 : mark == '\0' ? digits : digits + 1;
}

/* TOPIC#0:100-200,1:7-9 */
static size_t offsets_size(const char *name, size_t size)
{
    size_t mark = size;
    while (mark > 0 && name[mark - 1] != '#')
        mark--;
    if (mark < 2)
        return 0;
    for (size_t at = mark;; at++) {
        static const char marks[] = {':', '-', '\0'};
        for (size_t i = 0; i < sizeof marks; i++) {
            size_t used = number_size(name + at, size - at, marks[i]);
            if (used == 0)
                return 0;
            at += used;
        }
        if (at == size)
            return size - mark + 1;
        if (name[at] != ',')
            return 0;
    }
}

size_t ol__name_tag_size(const char *name, size_t size, unsigned forms)
{
    if ((forms & OL_VERSIONED_OFFSETS) != 0)
        return offsets_size(name, size);
    if ((forms & OL_VERSIONED_GENERATION) != 0)
        return generation_size(name, size);
    if ((forms & (OL_VERSIONED_TAG | OL_VERSIONED_IMAGE)) == 0)
        return 0;
    size_t mark = size;
    while (mark > 0 && name[mark - 1] != '/' && name[mark - 1] != '@' && name[mark - 1] != ':')
        mark--;
    /* Behind a slash, or at the start: nothing would be left in front of it. */
    if (mark < 2 || name[mark - 1] == '/' || name[mark - 2] == '/')
        return 0;
    const char *tag = name + mark;
    size_t tag_size = size - mark;
    bool is_version = name[mark - 1] == '@'
                          ? is_tag(tag, tag_size) && !is_domain(tag, tag_size)
                          : ((forms & OL_VERSIONED_IMAGE) != 0 ? is_tag(tag, tag_size)
                                                               : is_number(tag, tag_size));
    return is_version ? tag_size + 1 : 0;
}
