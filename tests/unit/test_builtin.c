/* SPDX-License-Identifier: Apache-2.0 */
/* The patterns that redaction knows by name, on texts as they stand in events: what each takes out,
 * and what it leaves. Every sample also proves that the filter before the expressions lets it
 * through, alone and inside of an event with escapes. The secrets are made up, and cut in pieces so
 * that no scanner takes them for real ones. */
#include "rules_help.h"

#include <stdio.h>
#include <stdlib.h>
#include "builtin.h"
#include "json_write.h"

struct sample {
    const char *name, *text, *left; /* left NULL: nothing is taken out */
};

#define A20 "abcdefghij0123456789"
#define A36 "abcdefghij0123456789ABCDEFGHIJ012345"

static const struct sample samples[] = {
    {"ssn", "patient 078-05-1120, Ohio", "patient [redacted:ssn], Ohio"},
    {"ssn", "078-05-1120", "[redacted:ssn]"},
    {"ssn", "WHERE ssn IN ('219-09-9999','457-55-5462')",
     "WHERE ssn IN ('[redacted:ssn]','[redacted:ssn]')"},
    {"ssn", "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000", NULL},
    {"ssn", "2024-01-1234", NULL},
    {"ssn", "1123-45-67890", NULL},
    {"ssn", "order-123-45-6789-x", NULL},

    {"card", "4111111111111111", "[redacted:card]"},
    {"card", "pay 4111 1111 1111 1111 12/29", "pay [redacted:card] 12/29"},
    {"card", "5500-0055-5555-5559 and 378282246310005", "[redacted:card] and [redacted:card]"},
    {"card", "6011111111111117,3530111333300000,30569309025904",
     "[redacted:card],[redacted:card],[redacted:card]"},
    {"card", "2223003122003222 4222222222222", "[redacted:card] [redacted:card]"},
    {"card", "4111111111111112", NULL},                     /* the check digit is wrong */
    {"card", "1700000000000000000 1234567890123456", NULL}, /* times in ns, counters */
    {"card", "550e8400-e29b-41d4-a716-446655440000", NULL},
    {"card", "0.4111111111111111 4111111111111111.25", NULL},
    {"card", "id_4111111111111111x", NULL},

    {"email", "mail jane.doe+etl@example.co.uk now", "mail [redacted:email] now"},
    {"email", "owner: J\xc3\xb6rg@example.de", "owner: [redacted:email]"},
    {"email", "<a@b.io>,c_d@e-f.org.", "<[redacted:email]>,[redacted:email]."},
    {"email", "user=x@y.com&z", "user=[redacted:email]&z"},
    {"email", "/x?mail=jane.doe%40example.com&y=1", "/x?mail=[redacted:email]&y=1"},
    {"email", "100%40 of it, a%40b", NULL},
    {"email", "git@github.com:org/repo.git", NULL},
    {"email", "abfss://raw@account.dfs.core.windows.net/x", NULL},
    {"email", "postgres://etl@db.example.com:5432/x", NULL},
    {"email", "org.apache.spark.sql.Foo@1a2b3c", NULL},
    {"email", "left-pad@1.3.0 @Override a@b", NULL},

    {"bearer", "Authorization: Bearer abc.DEF-123_x==", "Authorization: Bearer [redacted:bearer]"},
    {"bearer", "curl -H 'authorization: token " A20 "' x",
     "curl -H 'authorization: token [redacted:bearer]' x"},
    {"bearer", "basic dXNlcjpwYXNzd29yZA==", "basic [redacted:bearer]"},
    {"bearer", "the bearer of certificates; basic authentication works", NULL},

    {"jwt", "t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fw;",
     "t=[redacted:jwt];"},
    {"jwt", "eyJ is how it begins", NULL},

    {"aws",
     "key AKI"
     "AIOSFODNN7EXAMPLE used",
     "key [redacted:aws] used"},
    {"aws", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "AWS_SECRET_ACCESS_KEY=[redacted:aws]"},
    {"aws", "fs.s3a.secret.key: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
     "fs.s3a.secret.key: '[redacted:aws]'"},
    {"aws", "https://b.s3.amazonaws.com/k?X-Amz-Signature=0123abcd&X-Amz-Expires=9",
     "https://b.s3.amazonaws.com/k?X-Amz-Signature=[redacted:aws]&X-Amz-Expires=9"},
    {"aws", "arn:aws:iam::123456789012:role/AKIA s3://bucket/ASIA/session=1", NULL},

    {"gcp",
     "key=AIza"
     "SyA-abcdefghijklmnopqrstuvwxyz01234",
     "key=[redacted:gcp]"},
    {"gcp", "ya29." A20 A20, "[redacted:gcp]"},
    {"gcp",
     "GOCSPX-"
     "abcdefghijklmnopqrstuvwxyz12",
     "[redacted:gcp]"},
    {"gcp", "bigquery AIzaSy short", NULL},

    {"azure",
     "DefaultEndpointsProtocol=https;AccountName=a;AccountKey="
     "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmn==;"
     "EndpointSuffix=core.windows.net",
     "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=[redacted:azure];"
     "EndpointSuffix=core.windows.net"},
    {"azure", "https://a.blob.core.windows.net/c?sv=2022&sig=abcdefghij0123456789%2B%3D&se=1",
     "https://a.blob.core.windows.net/c?sv=2022&sig=[redacted:azure]&se=1"},
    {"azure",
     "secret abc8Q~"
     "abcdefghijklmnopqrstuvwxyz0123456 end",
     "secret [redacted:azure] end"},
    {"azure", "~/x 8Q~ short", NULL},

    {"github",
     "https://x:gh"
     "p_" A36 "@github.com/a/b",
     "https://x:[redacted:github]@github.com/a/b"},
    {"github",
     "github"
     "_pat_11ABCDEFG0abcdefghijkl_mnop",
     "[redacted:github]"},
    {"github", "https://github.com/OpenLineage/x ghp_short", NULL},
    {"gitlab",
     "CI gl"
     "pat-" A20,
     "CI [redacted:gitlab]"},
    {"gitlab", "glpat-short", NULL},
    {"slack",
     "xo"
     "xb-123456789012-abcdefABCDEF",
     "[redacted:slack]"},
    {"slack", "https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX",
     "https://hooks.slack.com/services/[redacted:slack]"},
    {"slack", "xoxo, love; https://hooks.slack.com/docs", NULL},
    {"stripe",
     "s"
     "k_live_" A20 "!",
     "[redacted:stripe]!"},
    {"stripe", "task_live_ok", NULL},
    {"llm",
     "OPENAI=s"
     "k-proj-" A36,
     "OPENAI=[redacted:llm]"},
    {"llm",
     "h"
     "f_" A36,
     "[redacted:llm]"},
    {"llm", "task-abcdefghij0123456789abc sk-learn sk-something-without-any-figure", NULL},
    {"databricks",
     "dap"
     "i0123456789abcdef0123456789abcdef",
     "[redacted:databricks]"},
    {"databricks", "dapi is short", NULL},
    {"packages",
     "np"
     "m_" A36,
     "[redacted:packages]"},
    {"packages", "npm_config_cache", NULL},

    {"private_key",
     "k=-----BEGIN RSA PRIVATE"
     " KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----;x",
     "k=[redacted:private_key];x"},
    {"private_key",
     "-----BEGIN PRIVATE"
     " KEY-----\ncut off",
     "[redacted:private_key]"},
    {"private_key", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----", NULL},

    {"url_password", "postgresql://etl:s3cr3t@db.example.com:5432/dwh",
     "postgresql://etl:[redacted:url_password]@db.example.com:5432/dwh"},
    {"url_password", "mysql://u:p@ss@h/d", "mysql://u:[redacted:url_password]@h/d"},
    {"url_password", "see redis://:pw@cache:6379/0",
     "see redis://:[redacted:url_password]@cache:6379/0"},
    {"url_password", "https://h/x?id=1&access_token=abc123&y=2",
     "https://h/x?id=1&access_token=[redacted:url_password]&y=2"},
    {"url_password", "https://h/x?token=a#top", "https://h/x?token=[redacted:url_password]#top"},
    {"url_password", "jdbc:sqlserver://h:1433;databaseName=d;user=u;password=p{w;encrypt=true",
     "jdbc:sqlserver://h:1433;databaseName=d;user=u;password=[redacted:url_password];encrypt=true"},
    {"url_password", "jdbc:postgresql://h/d?user=u&Password=Pw",
     "jdbc:postgresql://h/d?user=u&Password=[redacted:url_password]"},
    {"url_password", "jdbc:oracle:thin:scott/tiger@//h:1521/x",
     "jdbc:oracle:thin:scott/[redacted:url_password]@//h:1521/x"},
    {"url_password", "http://h:8080/a?mail=x@y.org", NULL},
    {"url_password", "s3://bucket/token=1/sig http://[::1]:80/@", NULL},

    {"password", "password=hunter2 user=x", "password=[redacted:password] user=x"},
    {"password", "{\"api_key\": \"abc def\", \"n\": 1}",
     "{\"api_key\": \"[redacted:password]\", \"n\": 1}"},
    {"password", "CREATE USER u IDENTIFIED BY 'pw' x",
     "CREATE USER u IDENTIFIED BY '[redacted:password]' x"},
    {"password", "ALTER ROLE u PASSWORD 'a b'", "ALTER ROLE u PASSWORD '[redacted:password]'"},
    {"password", "tool --token abc --user x", "tool --token [redacted:password] --user x"},
    {"password", "secret: x\nother: y", "secret: [redacted:password]\nother: y"},
    {"password", "SELECT password FROM users", NULL},
    {"password", "prompt_tokens and secrets", NULL},
};

static void make_event(const char *text, bool is_escaped, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__buf_reset(out);
    ol__buf_add_text(out, "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"eventType\":\"START\","
                          "\"producer\":\"https://e.org/p\",\"run\":{\"runId\":"
                          "\"0190a1b2-0000-7000-8000-000000000001\"},\"job\":{\"namespace\":\"n\","
                          "\"name\":\"j\",\"facets\":{\"x\":{\"v\":");
    if (is_escaped) { /* as a client writes it that escapes what it need not */
        ol__buf_add_char(out, '"');
        for (const char *s = text; *s != '\0'; s++) {
            if ((unsigned char)*s >= 0x80 || strchr("\"\\\n", *s) == NULL)
                ol__buf_add_format(out, (unsigned char)*s < 0x80 ? "\\u%04x" : "%c",
                                   (unsigned char)*s);
            else
                ol__buf_add_format(out, *s == '\n' ? "\\n" : "\\%c", *s);
        }
        ol__buf_add_char(out, '"');
    } else {
        ol__json_writer_init(&w, out);
        ol__json_text(&w, text);
    }
    assert_int_equal(ol__buf_add_text(out, "}}}}"), OL_OK);
}

static void check_sample(struct rules_world *w, const struct sample *s, bool is_escaped)
{
    struct ol__buf event, expected;
    ol__buf_init(&event, 1 << 20);
    ol__buf_init(&expected, 1 << 20);
    make_event(s->text, is_escaped, &event);
    make_event(s->left != NULL ? s->left : s->text, s->left == NULL && is_escaped, &expected);
    rules_world_expect(w, event.data, expected.data);
    ol__buf_release(&event);
    ol__buf_release(&expected);
}

static void each_takes_out_what_it_should_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        struct rules_world w;
        char yaml[128];
        snprintf(yaml, sizeof yaml, "{ name: r, type: redact, builtin: [%s] }", s->name);
        rules_world_init(&w, yaml);
        check_sample(&w, s, false);
        check_sample(&w, s, true);
        rules_world_release(&w);
    }
}

static void every_name_has_samples_of_both_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; rules_builtin_name(i) != NULL; i++) {
        size_t taken = 0, left = 0;
        if (builtin_find(rules_builtin_name(i)) == builtin_named_bit())
            continue; /* see below */
        for (size_t k = 0; k < OL_COUNT(samples); k++) {
            bool is_its = strcmp(samples[k].name, rules_builtin_name(i)) == 0;
            taken += is_its && samples[k].left != NULL;
            left += is_its && samples[k].left == NULL;
        }
        if (taken == 0 || left == 0)
            fail_msg("%s: %zu samples that it takes, %zu that it leaves", rules_builtin_name(i),
                     taken, left);
        assert_true(strlen(rules_builtin_help(i)) > 0);
    }
}

/* With all names at once nothing of a secret is left, and again changes nothing. */
static void all_together_take_out_every_sample(void **state)
{
    struct rules_world w;
    struct ol__buf event, again;
    struct ol__span left;
    (void)state;
    rules_world_init(&w, "{ name: r, type: redact, builtin: [all] }");
    ol__buf_init(&event, 1 << 20);
    ol__buf_init(&again, 1 << 20);
    for (size_t i = 0; i < OL_COUNT(samples); i++) {
        if (samples[i].left == NULL)
            continue;
        make_event(samples[i].text, false, &event);
        assert_int_equal(rules_world_apply(&w, (struct ol__span){event.data, event.size}, &left),
                         OL_AGAIN);
        ol__buf_reset(&again);
        ol__buf_add(&again, left.data, left.size);
        assert_non_null(strstr(again.data, "[redacted:"));
        if (rules_world_apply(&w, (struct ol__span){again.data, again.size}, &left) != OL_OK)
            fail_msg("%s\nbecame %s\nthen   %.*s", event.data, again.data, (int)left.size,
                     left.data);
    }
    ol__buf_release(&event);
    ol__buf_release(&again);
    rules_world_release(&w);
}

/* A text that no pattern knows, by its key or by the name beside it. */
static void what_a_name_calls_a_secret_is_taken_out(void **state)
{
#define IN_FACET(members)                                                                          \
    "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\",\"job\":{"           \
    "\"namespace\":\"n\",\"name\":\"j\",\"facets\":{\"x\":{" members "}}}}"
#define OUT "\"[redacted:named]\""
    static const struct {
        const char *event, *left;
    } rows[] = {
        {IN_FACET("\"db_password\":\"zebra\",\"n\":\"zebra\""),
         IN_FACET("\"db_password\":" OUT ",\"n\":\"zebra\"")},
        {IN_FACET("\"spark.hadoop.fs.s3a.secret.key\":\"zebra\""),
         IN_FACET("\"spark.hadoop.fs.s3a.secret.key\":" OUT)},
        {IN_FACET("\"accessToken\":[\"a\",\"b\"],\"api.key\":{\"a\":\"b\"}"),
         IN_FACET("\"accessToken\":[" OUT "," OUT "],\"api.key\":{\"a\":\"b\"}")},
        {IN_FACET("\"v\":[{\"name\":\"PGPASSWORD\",\"value\":\"zebra\"},"
                  "{\"name\":\"HOME\",\"value\":\"/root\"},{\"value\":\"x\"}]"),
         IN_FACET("\"v\":[{\"name\":\"PGPASSWORD\",\"value\":" OUT "},"
                  "{\"name\":\"HOME\",\"value\":\"/root\"},{\"value\":\"x\"}]")},
        {IN_FACET("\"v\":{\"key\":\"client_secret\",\"m\":{\"a\":1},\"value\":\"zebra\"}"),
         IN_FACET("\"v\":{\"key\":\"client_secret\",\"m\":{\"a\":1},\"value\":" OUT "}")},
        {IN_FACET("\"tokenizer\":\"bpe\",\"prompt_tokens\":12,\"secretary\":\"Ann\",\"key\":\"k\""),
         NULL},
        {IN_FACET("\"password\":\"\",\"pwd\":null"), NULL},
    };
    struct rules_world w;
    (void)state;
    rules_world_init(&w, "{ name: r, type: redact, builtin: [named] }");
    for (size_t i = 0; i < OL_COUNT(rows); i++)
        rules_world_expect(&w, rows[i].event, rows[i].left != NULL ? rows[i].left : rows[i].event);
    rules_world_release(&w);
}

/* Wherever a secret begins, odd or even, at an end or in the middle, the filter sees it. */
static void the_filter_sees_a_secret_at_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(samples); i++) {
        uint32_t bit = builtin_find(samples[i].name);
        struct builtin_filter *f = builtin_filter_new(bit);
        assert_non_null(f);
        for (int before = 0; before < 40 && samples[i].left != NULL; before++)
            for (int after = 0; after < 3; after++) {
                char text[1024];
                int size =
                    snprintf(text, sizeof text, "%*s%s%*s", before, "", samples[i].text, after, "");
                struct ol__span span = {text, (size_t)size};
                if (builtin_filter_find(f, span, false) != bit)
                    fail_msg("not seen: %s '%s'", samples[i].name, text);
            }
        builtin_filter_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_takes_out_what_it_should_and_nothing_else),
        cmocka_unit_test(every_name_has_samples_of_both_kinds),
        cmocka_unit_test(all_together_take_out_every_sample),
        cmocka_unit_test(what_a_name_calls_a_secret_is_taken_out),
        cmocka_unit_test(the_filter_sees_a_secret_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
