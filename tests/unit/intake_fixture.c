/* SPDX-License-Identifier: Apache-2.0 */
#include "intake_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *copy(const char *text)
{
    char *c = strdup(text);
    assert_non_null(c);
    return c;
}

void intake_fixture_init(struct intake_fixture *f)
{
    struct ol_error err = {0};
    char text[128];
    *f = (struct intake_fixture){0};
    snprintf(f->directory, sizeof f->directory, "/tmp/test_intake.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->socket, sizeof f->socket, "%s/l.sock", f->directory);
    snprintf(f->unix_address, sizeof f->unix_address, "unix:%s", f->socket);
    assert_int_equal(ol__settings_defaults(agent_settings, &f->config, &err), OL_OK);
    snprintf(text, sizeof text, "%s/spool", f->directory);
    f->config.spool_directory = copy(text);
    f->config.spool_max_bytes = 64 << 20;
    f->config.spool_segment_bytes = 4 << 20;
    f->config.http_max_body = 256 << 10;
    f->config.http_listen.items = calloc(2, sizeof(char *));
    assert_non_null(f->config.http_listen.items);
    f->config.http_listen.items[0] = copy("127.0.0.1:0");
    f->config.http_listen.items[1] = copy(f->unix_address);
    f->config.http_listen.count = 2;
    f->metrics = calloc(1, sizeof *f->metrics);
    assert_non_null(f->metrics);
    log_setup(LOG_LEVEL_ERROR, false);
}

void intake_fixture_add_path(struct intake_fixture *f, const char *path)
{
    f->config.http_paths.items = calloc(1, sizeof(char *));
    assert_non_null(f->config.http_paths.items);
    f->config.http_paths.items[0] = strdup(path);
    assert_non_null(f->config.http_paths.items[0]);
    f->config.http_paths.count = 1;
}

void intake_fixture_start(struct intake_fixture *f)
{
    struct ol_error err = {0};
    const struct spool_options options = {.directory = f->config.spool_directory,
                                          .max_bytes = f->config.spool_max_bytes,
                                          .segment_bytes = f->config.spool_segment_bytes,
                                          .min_free_bytes = -1,
                                          .fs = f->fs,
                                          .no_prepare = f->fs != NULL};
    f->agent = (struct agent){.config = &f->config, .metrics = f->metrics};
    if (spool_open(&options, &f->agent.spool, &err) != OL_OK ||
        intake_open(&f->agent, false, &f->intake, &err) != OL_OK ||
        intake_start(f->intake, &err) != OL_OK)
        fail_msg("%s", err.message);
    const char *address = intake_address(f->intake, 0);
    snprintf(f->tcp, sizeof f->tcp, "%s", address != NULL ? address : "");
}

void intake_fixture_stop(struct intake_fixture *f)
{
    intake_stop(f->intake);
    intake_close(f->intake);
    f->intake = NULL;
    if (f->agent.spool != NULL)
        spool_close(f->agent.spool);
    f->agent.spool = NULL;
}

static int remove_one(const char *path, const struct stat *st OL_UNUSED, int type OL_UNUSED,
                      struct FTW *place OL_UNUSED)
{
    return remove(path);
}

void intake_fixture_release(struct intake_fixture *f)
{
    intake_fixture_stop(f);
    nftw(f->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    config_release(&f->config);
    free(f->metrics);
}

int intake_fixture_post(struct intake_fixture *f, const char *path, const char *fields,
                        const void *body, size_t size, struct http_answer *ret)
{
    struct ol__buf request;
    ol__buf_init(&request, 64u << 20);
    ol__buf_add_format(&request,
                       "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n%s\r\n",
                       path, size, fields);
    assert_int_equal(ol__buf_add(&request, body, size), OL_OK);
    int status = http_client_once(f->tcp, request.data, request.size, ret);
    ol__buf_release(&request);
    return status;
}

/* Walk the event records; @p wanted SIZE_MAX: count them all. */
static size_t walk(struct intake_fixture *f, size_t wanted, struct spool_record *ret)
{
    static char data[1 << 20];
    struct spool_reader *reader = NULL;
    struct spool_record record;
    struct ol_error err = {0};
    size_t count = 0;
    ol_status status;
    assert_int_equal(spool_reader_open(f->agent.spool, 0, &reader, &err), OL_OK);
    while ((status = spool_reader_next(reader, &record, &err)) == OL_OK) {
        if (record.type != SPOOL_EVENT)
            continue;
        if (count++ == wanted) {
            assert_true(record.data.size < sizeof data);
            memcpy(data, record.data.data, record.data.size);
            *ret = record;
            ret->data.data = data;
            break;
        }
    }
    assert_true(status == OL_OK || status == OL_END);
    spool_reader_close(reader);
    return count;
}

struct spool_record intake_fixture_record(struct intake_fixture *f, size_t index)
{
    struct spool_record record = {0};
    assert_int_equal(walk(f, index, &record), index + 1);
    return record;
}

size_t intake_fixture_records(struct intake_fixture *f)
{
    return walk(f, SIZE_MAX, NULL);
}
