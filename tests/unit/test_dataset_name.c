/* SPDX-License-Identifier: Apache-2.0 */
/* Each spelling of a dataset gives the name space and name of OpenLineage's naming rules; passwords
 * never come out; what has no name is refused. */
#include "emitter_help.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openlineage/openlineage.h>

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct row {
    const char *given, *name_space, *name, *version;
} rows[] = {
    /* paths and file: */
    {"/data/raw.csv", "file", "/data/raw.csv", ""},
    {"/data//x/./y/", "file", "/data/x/y", ""},
    {"/nowhere/a/../b", "file", "/nowhere/b", ""},
    {"/../..", "file", "/", ""},
    {"/", "file", "/", ""},
    {"/odd/a:b#c?d", "file", "/odd/a:b#c?d", ""},
    {"/data/raw.csv#sha256:" SHA, "file", "/data/raw.csv", "sha256:" SHA},
    {"/data/raw.csv#sha256:abc", "file", "/data/raw.csv#sha256:abc", ""},
    {"/data/x#md5:0123456789abcdef0123456789abcdef", "file", "/data/x",
     "md5:0123456789abcdef0123456789abcdef"},
    {"file:///data/a%20b%2Fc", "file", "/data/a b/c", ""},
    {"file:///data/100%", "file", "/data/100%", ""},
    {"FILE:/data/x", "file", "/data/x", ""},
    {"file://localhost/data/x", "file", "/data/x", ""},
    {"file://Host.example/data/../x", "file://host.example", "/x", ""},
    /* object stores */
    {"s3://Bucket/a/b.parquet", "s3://Bucket", "a/b.parquet", ""},
    {"s3a://bucket//a/b/", "s3://bucket", "a/b", ""},
    {"s3n://bucket", "s3://bucket", "/", ""},
    {"s3://bucket/a?b#c@d", "s3://bucket", "a?b#c@d", ""},
    {"s3://bucket/key#sha256:" SHA, "s3://bucket", "key", "sha256:" SHA},
    {"arn:aws:s3:::bucket/a/b", "s3://bucket", "a/b", ""},
    {"gs://bucket/key", "gs://bucket", "key", ""},
    {"gcs://bucket/key", "gs://bucket", "key", ""},
    {"abfss://box@acc.dfs.core.windows.net/a/b", "abfss://box@acc.dfs.core.windows.net", "a/b", ""},
    {"abfs://box@acc.dfs.core.windows.net/a", "abfss://box@acc.dfs.core.windows.net", "a", ""},
    {"wasb://box@acc.dfs.core.windows.net/a", "wasbs://box@acc.dfs.core.windows.net", "a", ""},
    /* file systems */
    {"hdfs://node:8020/warehouse/t/", "hdfs://node:8020", "/warehouse/t", ""},
    {"hdfs:///warehouse/t", "hdfs", "/warehouse/t", ""},
    {"dbfs:/mnt/x", "dbfs", "/mnt/x", ""},
    {"dbfs://shop/mnt/x", "dbfs://shop", "/mnt/x", ""},
    /* databases */
    {"postgres://db:5432/shop.public.users", "postgres://db:5432", "shop.public.users", ""},
    {"postgresql://me:secret@DB/shop/public/users?password=secret", "postgres://db:5432",
     "shop.public.users", ""},
    {"jdbc:postgresql://db/shop.public.users", "postgres://db:5432", "shop.public.users", ""},
    {"postgres:///shop.public.users", "postgres://localhost:5432", "shop.public.users", ""},
    {"postgres://[::1]/a.b.c", "postgres://[::1]:5432", "a.b.c", ""},
    {"postgres://[::1]:99/a.b.c", "postgres://[::1]:99", "a.b.c", ""},
    {"mysql://db:3307/shop/users", "mysql://db:3307", "shop.users", ""},
    {"mssql://db/shop.dbo.t", "mssql://db:1433", "shop.dbo.t", ""},
    {"sqlserver://pool/dbo.t", "sqlserver://pool:1433", "dbo.t", ""},
    {"oracle://db/svc.s.t", "oracle://db:1521", "svc.s.t", ""},
    {"db2://db/d.s.t", "db2://db:50000", "d.s.t", ""},
    {"hive://meta/d.t", "hive://meta:10000", "d.t", ""},
    {"trino://t/c.s.t", "trino://t:8080", "c.s.t", ""},
    {"cassandra://n1,n2/ks.t", "cassandra://n1:9042", "ks.t", ""},
    {"redshift://c.eu-west-1:5439/d.s.t", "redshift://c.eu-west-1:5439", "d.s.t", ""},
    {"snowflake://Org-Acc/D.S.T", "snowflake://Org-Acc", "D.S.T", ""},
    {"awsathena://athena.eu-west-1.amazonaws.com/c/d/t",
     "awsathena://athena.eu-west-1.amazonaws.com", "c.d.t", ""},
    {"spanner://proj:inst/d.s.t", "spanner://proj:inst", "d.s.t", ""},
    {"unitycatalog://h:443/c.s.t", "unitycatalog://h:443", "c.s.t", ""},
    {"kafka://b1:9092,b2:9092/orders.v1", "kafka://b1:9092", "orders.v1", ""},
    {"kafka://b1/orders", "kafka://b1:9092", "orders", ""},
    {"azurecosmos://acc.documents.azure.com/dbs/d/colls/t",
     "azurecosmos://acc.documents.azure.com/dbs/d", "colls/t", ""},
    {"azurekusto://c.kusto.windows.net/d/t", "azurekusto://c.kusto.windows.net", "d/t", ""},
    {"box://h:1/ent/a/b", "box://h:1/ent", "a/b", ""},
    {"bigquery:p.d.t", "bigquery", "p.d.t", ""},
    {"bq://p/d/t", "bigquery", "p.d.t", ""},
    {"pubsub:topic:p:id", "pubsub", "topic:p:id", ""},
    {"inmemory://frame-1", "inmemory://", "frame-1", ""},
    {"arn:aws:glue:eu-west-1:123:table/d/t", "arn:aws:glue:eu-west-1:123", "table/d/t", ""},
    /* anything else */
    {"HTTPS://me:secret@host:8/a/b/?token=secret", "https://host:8", "/a/b", ""},
    {"ftp://host", "ftp://host", "/", ""},
};

static ol_status name(const char *given, char *space, char *out, char *version,
                      struct ol_error *err)
{
    return ol_dataset_name(given, space, 256, out, PATH_MAX, version, 256, err);
}

static void each_spelling_has_its_name(void **state)
{
    (void)state;
    char space[256], out[PATH_MAX], version[256];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ol_error err = {.message = ""};
        if (name(rows[i].given, space, out, version, &err) != OL_OK)
            fail_msg("%s: %s", rows[i].given, err.message);
        if (strcmp(space, rows[i].name_space) != 0 || strcmp(out, rows[i].name) != 0 ||
            strcmp(version, rows[i].version) != 0)
            fail_msg("%s: '%s' '%s' '%s', expected '%s' '%s' '%s'", rows[i].given, space, out,
                     version, rows[i].name_space, rows[i].name, rows[i].version);
        assert_null(strstr(space, "secret"));
        assert_null(strstr(out, "secret"));
    }
}

static void relative_paths_become_absolute(void **state)
{
    (void)state;
    char space[256], out[PATH_MAX], version[256], want[PATH_MAX + 32], before[PATH_MAX],
        here[PATH_MAX];
    char *directory = help_directory();
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(directory), 0);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(mkdir("real", 0700), 0);
    assert_int_equal(mkdir("real/deep", 0700), 0);
    assert_int_equal(symlink("real/deep", "link"), 0);
    static const char *const pairs[][2] = {
        {"raw.csv", "/raw.csv"},
        {"./a/../b", "/b"},
        {"link/x", "/link/x"},
        {"link/../x", "/real/x"},
        /* as open(2) would find it */ {"a b", "/a b"},
        {"s3:bucket", "/s3:bucket"},
        {"C:/x", "/C:/x"},
        {"file:rel", "/rel"},
        {".", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        assert_int_equal(name(pairs[i][0], space, out, version, NULL), OL_OK);
        snprintf(want, sizeof want, "%s%s", here, pairs[i][1]);
        assert_string_equal(out, want);
        assert_string_equal(space, "file");
    }
    assert_int_equal(chdir(before), 0);
    help_remove(directory);
}

static void what_has_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "postgres://db", "postgres://db/", "kafka://b1:9092/?x=y",
        "bigquery:",  "file:///a%00b", "arn:aws:s3",     "file:",
        "file://host"};
    char space[256], out[PATH_MAX], version[256];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ol_error err = {.message = ""};
        if (name(bad[i], space, out, version, &err) != OL_INVALID)
            fail_msg("'%s' was taken as '%s' '%s'", bad[i], space, out);
        assert_string_not_equal(err.message, "");
    }
    assert_int_equal(name(NULL, space, out, version, NULL), OL_INVALID);
}

static void small_buffers_are_told(void **state)
{
    (void)state;
    static const char given[] = "s3://bucket/some/key#md5:0123456789abcdef0123456789abcdef";
    char space[256], out[256], version[256];
    for (size_t n = 1; n < 40; n++) {
        memset(space, 'x', sizeof space);
        ol_status status = ol_dataset_name(given, space, n, out, 256, version, 256, NULL);
        assert_int_equal(status, n < sizeof "s3://bucket" ? OL_TOO_LARGE : OL_OK);
        assert_int_equal(space[n], 'x');
        memset(out, 'x', sizeof out);
        status = ol_dataset_name(given, space, 256, out, n, version, 256, NULL);
        assert_int_equal(status, n < sizeof "some/key" ? OL_TOO_LARGE : OL_OK);
        assert_int_equal(out[n], 'x');
        status = ol_dataset_name(given, space, 256, out, 256, version, n, NULL);
        assert_int_equal(status, n < 37 ? OL_TOO_LARGE : OL_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_spelling_has_its_name),
        cmocka_unit_test(relative_paths_become_absolute),
        cmocka_unit_test(what_has_no_name_is_refused),
        cmocka_unit_test(small_buffers_are_told),
    };
    return cmocka_run_group_tests_name("dataset_name", tests, NULL, NULL);
}
