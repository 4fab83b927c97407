/* SPDX-License-Identifier: Apache-2.0 */
/* The inferred ABORT (JOURNAL.md J22 to J25).
 *
 *  1. A run is aborted only by the journal that its START stands in, whose writer is gone, and
 * behind every line of it.
 *  2. Each ABORT travels in one group with the position that says so: a crash neither loses nor
 * doubles it. The journal leaves only after that group.
 *  3. When in doubt there is none: too many open runs, a START that cannot be read, an event from
 * elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "inferred.h"
#include "journal_impl.h"
#include "times.h"

#define PLACE_PART (UINT64_C(1) << 40) /* J24: behind all that is kept */
#define ABORT_MAX (16u * 1024u * 1024u)
#define LINES_KEEP (1u << 20)

/* ---- Keys ---- */

static struct ol__uuid abort_key(const struct journal_file *file)
{
    return ol__uuid_v5(&file->key, OL_SPAN_LIT("abort"));
}

static struct ol__uuid shared_key(const struct open_run *run)
{
    struct ol__uuid lane;
    memcpy(lane.bytes, run->lane, sizeof lane.bytes);
    return ol__uuid_v5(&lane, OL_SPAN_LIT("shared"));
}

static uint64_t place_of(const struct open_run *run)
{
    return (run->part != 0 ? PLACE_PART : 0) + run->offset + 1;
}

/* ---- Chains ---- */

static struct open_chain *chain_of_parts_before(const struct journal_dir *dir,
                                                const struct journal_file *file)
{
    for (size_t i = journal_dir_index(dir, file->name); i-- > 0;) {
        const struct journal_file *before = dir->files[i];
        if (before->open != NULL && before->uid == file->uid &&
            memcmp(before->chain.bytes, file->chain.bytes, sizeof file->chain.bytes) == 0)
            return before->open;
    }
    return NULL;
}

static void free_chain(struct journal_intake *ji, struct open_chain *chain)
{
    journal_abort_drop(ji, NULL, chain);
    ji->kept_bytes -= chain->kept_size;
    free(chain);
}

static ol_status new_chain(struct journal_intake *ji, struct journal_dir *dir,
                           const struct journal_file *file, struct open_chain **ret,
                           struct ol_error *err)
{
    char owner[32];
    struct open_chain *chain = calloc(1, sizeof *chain);
    if (chain == NULL)
        return ol__error_set(err, OL_NOMEM, "journal '%s': out of memory", file->name);
    snprintf(owner, sizeof owner, "uid:%u", (unsigned)file->uid);
    chain->key = ol__uuid_v5(&file->chain, ol__span_text(owner));
    ol_status st = OL_OK;
    if (file->part > 1 || file->resumed > 0) /* else there was no part before it */
        st = journal_keep_load(ji, dir, chain, err);
    if (st != OL_OK) {
        free_chain(ji, chain);
        return st;
    }
    *ret = chain;
    return OL_OK;
}

ol_status journal_abort_attach(struct journal_intake *ji, struct journal_dir *dir,
                               struct journal_file *file, struct ol_error *err)
{
    if (file->is_attached)
        return OL_OK;
    if (!file->may_infer || !file->is_local || !ji->agent->config->journal_infer_abort) {
        file->is_attached = true;
        return OL_OK;
    }
    struct open_chain *chain = file->part > 1 ? chain_of_parts_before(dir, file) : NULL;
    bool is_new = chain == NULL;
    ol_status st = is_new ? new_chain(ji, dir, file, &chain, err) : OL_OK;
    if (st != OL_OK || chain == NULL)
        return st;
    file->is_attached = true;
    if (file->part < (int64_t)chain->kept_part) { /* folded, and back: later parts know */
        if (is_new)
            free_chain(ji, chain);
        return OL_OK;
    }
    struct ol__uuid key = abort_key(file);
    if (spool_position(ji->agent->spool, &key, &file->aborted_synced) != OL_OK)
        file->aborted_synced = 0;
    file->aborted = file->aborted_synced;
    file->open = chain;
    chain->files++;
    return OL_OK;
}

void journal_abort_drop(struct journal_intake *ji, struct journal_dir *dir,
                        struct open_chain *chain)
{
    struct open_run *run;
    while ((run = open_runs_next(ji->open, chain, NULL)) != NULL) {
        if (dir != NULL && run->sharing != OPEN_RUN_OWN) {
            struct ol__uuid key = shared_key(run);
            journal_dir_add_gone(dir, &key);
        }
        open_runs_remove(ji->open, run);
    }
}

void journal_abort_release(struct journal_intake *ji, struct journal_file *file)
{
    struct open_chain *chain = file->open;
    file->open = NULL;
    file->is_attached = file->is_waiting = false;
    if (chain == NULL || --chain->files > 0)
        return;
    free_chain(ji, chain);
}

void journal_abort_each_key(struct journal_intake *ji, const struct journal_file *file,
                            void (*each)(void *arg, const struct ol__uuid *key), void *arg)
{
    struct open_run *run = NULL;
    if (file->open == NULL)
        return;
    struct ol__uuid key = abort_key(file);
    each(arg, &key);
    while ((run = open_runs_next(ji->open, file->open, run)) != NULL) {
        key = shared_key(run);
        each(arg, &key);
    }
}

bool journal_abort_is_ready(const struct journal_file *file)
{
    return file->resumed == 0 || file->is_left || file->is_failing ||
           (file->is_attached && (file->open == NULL || file->rechecked >= file->resumed));
}

/* ---- Events ---- */

static void tell_limit(struct journal_intake *ji, struct open_chain *chain, const char *name,
                       const char *why)
{
    metric_add(&ji->agent->metrics->intake.aborts_given_up, 1);
    if (!chain->is_told)
        log_write(LOG_LEVEL_WARNING, "intake",
                  "journal '%s': a run that does not end will get no ABORT: %s", name, why);
    chain->is_told = true;
}

static void end_run(struct journal_intake *ji, struct open_run *run)
{
    if (run->sharing != OPEN_RUN_OWN) {
        struct ol__uuid key = shared_key(run);
        OL_IGNORE(spool_group_forget(ji->agent->spool, &key) != OL_OK, "kept until a start");
    }
    open_runs_remove(ji->open, run);
}

void journal_abort_give_up(struct journal_intake *ji, struct open_run *run, const char *name,
                           const char *why)
{
    tell_limit(ji, run->chain, name, why);
    end_run(ji, run);
}

static void mark_shared(struct journal_intake *ji, const struct open_run *run)
{
    struct ol__uuid key = shared_key(run);
    OL_IGNORE(spool_group_position(ji->agent->spool, &key, 1, NULL) != OL_OK,
              "then it is known until the next start");
}

/* Every event that enters the group, from wherever. */
void journal_abort_saw(void *arg, const struct spool_record *record)
{
    struct journal_intake *ji = arg;
    if ((record->lane_kind != OL_LANE_RUN_UUID && record->lane_kind != OL_LANE_RUN_TEXT) ||
        record->source == SPOOL_FROM_DEAD_LETTER) /* that was here before */
        return;
    const struct open_run *run =
        open_runs_note(ji->open, record->lane, ji->owner != 0 ? ji->owner : JOURNAL_NO_OWNER);
    if (run != NULL)
        mark_shared(ji, run);
}

/* Whether somebody else had it before this START. */
static void judge_past(struct journal_intake *ji, struct open_run *run)
{
    uint64_t position;
    struct ol__uuid key = shared_key(run);
    if (spool_position(ji->agent->spool, &key, &position) == OL_OK) {
        run->sharing = OPEN_RUN_SHARED;
    } else if (open_runs_is_known_of_others(ji->open, run->lane,
                                            open_runs_owner(&run->chain->key))) {
        open_runs_share(ji->open, run);
        mark_shared(ji, run);
    }
}

struct open_run *journal_abort_open(struct journal_intake *ji, struct open_chain *chain,
                                    const uint8_t *lane, const char *name)
{
    struct open_run *run = open_runs_add(ji->open, chain, lane);
    if (run == NULL)
        tell_limit(ji, chain, name, "too many runs are open");
    else
        judge_past(ji, run);
    return run;
}

static bool is_text(struct ol__span text, const char *what)
{
    return text.size == strlen(what) && strncasecmp(text.data, what, text.size) == 0;
}

void journal_abort_line(struct journal_intake *ji, struct journal_file *file,
                        const struct ol__event *event, uint64_t offset, size_t size)
{
    uint8_t lane[OPEN_RUNS_LANE];
    if (file->open == NULL || event->kind != OL_EVENT_RUN)
        return;
    OL_IGNORE(ol__event_lane(event, lane), "a run's, of either kind");
    struct open_run *run = open_runs_find(ji->open, lane);
    bool is_detached = file->has_detached && memcmp(lane, file->detached, sizeof lane) == 0;
    bool is_endless =
        is_text(event->processing_type, "STREAMING") || is_text(event->processing_type, "SERVICE");
    if (ol__event_is_terminal(event->type) || is_detached || is_endless) {
        if (run != NULL && run->chain == file->open)
            end_run(ji, run);
        return;
    }
    if (event->type != OL_TYPE_START || run != NULL)
        return;
    run = journal_abort_open(ji, file->open, lane, file->name);
    if (run != NULL) {
        run->part = (uint32_t)OL_MAX(file->part, 1);
        run->offset = offset;
        run->size = (uint32_t)size;
    }
}

struct note {
    uint8_t lane[OPEN_RUNS_LANE];
    bool has_lane, is_detached;
};

static ol_status note_value(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct note *note = arg;
    (void)err;
    if (v->depth != 1 || v->path[0].is_index)
        return OL_OK;
    if (v->type == OL_JSON_STRING &&
        ol__span_equal(v->path[0].key, OL_SPAN_LIT("ol_journal_run"))) {
        struct ol__event event = {.kind = OL_EVENT_RUN, .run_id = v->text};
        OL_IGNORE(ol__event_lane(&event, note->lane), "a run's, of either kind");
        note->has_lane = true;
    } else if (v->type == OL_JSON_BOOL && ol__span_equal(v->path[0].key, OL_SPAN_LIT("detached"))) {
        note->is_detached = v->boolean;
    }
    return OL_OK;
}

void journal_abort_run_note(struct journal_intake *ji, struct journal_file *file,
                            struct ol__span line)
{
    struct note note = {.has_lane = false};
    if (file->open == NULL ||
        ol__json_read(ji->reader, line, NULL, note_value, &note, NULL) != OL_OK || !note.has_lane ||
        !note.is_detached)
        return;
    file->has_detached = true;
    memcpy(file->detached, note.lane, sizeof file->detached);
}

/* ---- The end of a journal ---- */

/* The writer's process, where its number means something here (J22). */
static bool is_writer_alive(const struct journal_intake *ji, const struct journal_file *file)
{
    char path[64], state;
    struct ol__buf text;
    bool is_alive = false;
    if (file->pid <= 0 || file->pid_ns == 0 || file->pid_ns != ji->pid_ns)
        return false;
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)file->pid);
    ol__buf_init(&text, 4096);
    if (ol__fs_read_file(&ol__fs_real, AT_FDCWD, path, &text, NULL) == OL_OK &&
        ol__buf_add_char(&text, '\0') == OL_OK) {
        const char *p = strrchr(text.data, ')'); /* behind the name, which may hold anything */
        state = p != NULL && p[1] == ' ' ? p[2] : 'X';
        for (int field = 2; p != NULL && field < 22; field++) {
            p = strchr(p, ' ');
            if (p != NULL)
                p++;
        }
        is_alive =
            p != NULL && state != 'Z' && state != 'X' && strtoull(p, NULL, 10) == file->start_ticks;
    }
    ol__buf_release(&text);
    return is_alive;
}

bool journal_abort_is_followed(const struct journal_dir *dir, const struct journal_file *file)
{
    if (file->open == NULL || file->open->files < 2)
        return false;
    for (size_t i = journal_dir_index(dir, file->name); i < dir->count; i++)
        if (dir->files[i]->open == file->open && dir->files[i]->part > file->part)
            return true;
    return false;
}

/** The START of @p run. @return OL_OK; OL_END: it cannot be read any more; OL_NOMEM. */
static ol_status read_start(struct journal_intake *ji, struct journal_dir *dir,
                            const struct journal_file *file, int fd, const struct open_run *run,
                            struct ol__buf *out, struct ol_error *err)
{
    ol__buf_reset(out);
    if (run->part == 0)
        return journal_keep_read(dir, file->open, run, out, err);
    if ((int64_t)run->part != OL_MAX(file->part, 1))
        return OL_END;
    (void)ji;
    return journal_keep_read_at(fd, run, out, err);
}

/** One ABORT into the group. @return OL_OK: or there is none to be; else as intake_take(). */
static ol_status take_abort(struct journal_intake *ji, struct journal_dir *dir,
                            struct journal_file *file, int fd, const struct open_run *run,
                            struct ol__buf *start, struct ol__buf *out, struct ol_error *err)
{
    const struct ol__event *event;
    struct ol_error why = {.status = OL_OK};
    struct inferred inferred = {.journal = file->name,
                                .last_change_ms = (int64_t)file->modified.tv_sec * 1000 +
                                                  file->modified.tv_nsec / 1000000,
                                .now_ms = ol__time_now_ms()};
    ol__buf_reset(out);
    ol_status st = read_start(ji, dir, file, fd, run, start, &why);
    struct ol__span line = {.data = start->data, .size = start->size};
    if (st == OL_OK)
        st = intake_check(ji->taker, line, &event, &why);
    if (st == OL_OK)
        st = inferred_abort_write(ji->reader, line, event, &inferred, out, &why);
    if (st == OL_OK) {
        struct ol__uuid key = abort_key(file);
        struct spool_record record = {.source = SPOOL_FROM_AGENT,
                                      .source_position = place_of(run),
                                      .uid = file->uid,
                                      .data = {.data = out->data, .size = out->size}};
        memcpy(record.source_id, key.bytes, sizeof record.source_id);
        ji->owner = open_runs_owner(&file->open->key);
        st = intake_take(ji->taker, &record, NULL, &why);
        ji->owner = 0;
        if (st == OL_END) /* a rule does not want it */
            return OL_OK;
    }
    if (st == OL_OK) {
        file->aborted = place_of(run);
        file->is_in_group = dir->has_group = true;
        metric_add(&ji->agent->metrics->intake.aborts_inferred, 1);
        OL_CRASHPOINT("journal.abort_taken");
    } else if (st == OL_END || st == OL_INVALID || st == OL_TOO_LARGE) { /* promise 3 */
        tell_limit(ji, file->open, file->name, st == OL_END ? "its START is gone" : why.message);
        st = OL_OK;
    } else if (err != NULL) {
        *err = why;
    }
    return st;
}

static ol_status take_aborts(struct journal_intake *ji, struct journal_dir *dir,
                             struct journal_file *file, int fd, size_t *bytes, struct ol_error *err)
{
    struct ol__buf start, out;
    struct open_run *run = NULL;
    ol_status st = OL_OK;
    size_t taken = 0;
    ol__buf_init(&start, JOURNAL_LINE_MAX);
    ol__buf_init(&out, ABORT_MAX);
    while (st == OL_OK && (run = open_runs_next(ji->open, file->open, run)) != NULL) {
        if (run->sharing != OPEN_RUN_OWN || place_of(run) <= file->aborted)
            continue;
        if (taken >= JOURNAL_TURN) {
            st = OL_AGAIN;
            break;
        }
        st = take_abort(ji, dir, file, fd, run, &start, &out, err);
        taken += start.size;
    }
    *bytes += taken;
    ol__buf_release(&start);
    ol__buf_release(&out);
    return st;
}

ol_status journal_abort_judge(struct journal_intake *ji, struct journal_dir *dir,
                              struct journal_file *file, int fd, size_t *bytes, bool *ret_is_over,
                              struct ol_error *err)
{
    int64_t now = ol__time_monotonic_ms();
    *ret_is_over = true;
    if (file->open == NULL || file->open->count == 0 || journal_abort_is_followed(dir, file)) {
        file->is_waiting = false;
        return OL_OK;
    }
    *ret_is_over = false;
    if (!file->is_waiting || file->waiting_at != file->size) {
        file->is_waiting = true;
        file->waiting_at = file->size;
        file->grace_from = 0;
    }
    dir->has_waiting = true;
    if (file->grace_from == 0)
        ji->must_look_at_graces = true;
    if (file->grace_from == 0 || now < file->grace_from + ji->agent->config->journal_abort_grace_ms)
        return OL_OK;
    if (is_writer_alive(ji, file)) { /* it closed its descriptors */
        file->grace_from = 0;
        ji->must_look_at_graces = true;
        return OL_OK;
    }
    ol_status st = take_aborts(ji, dir, file, fd, bytes, err);
    *ret_is_over = st == OL_OK;
    file->is_waiting = st != OL_OK;
    return st;
}

void journal_abort_leave(struct journal_intake *ji, struct journal_dir *dir,
                         struct journal_file *file)
{
    if (file->open == NULL)
        return;
    if (file->aborted > 0) {
        struct ol__uuid key = abort_key(file);
        journal_dir_add_gone(dir, &key);
    }
    if (file->is_rotated || journal_abort_is_followed(dir, file))
        return; /* what is open was kept, or the later part has it in memory */
    journal_keep_remove(ji, dir, file->open);
    journal_abort_drop(ji, dir, file->open);
}

/* ---- Grace ---- */

static void each_waiting(struct journal_intake *ji,
                         void (*each)(struct journal_intake *ji, struct journal_dir *dir,
                                      struct journal_file *file, int64_t now),
                         int64_t now)
{
    for (size_t d = 0; d < ji->dir_count; d++) {
        struct journal_dir *dir = &ji->dirs[d];
        bool is_left = false;
        for (size_t i = 0; dir->has_waiting && i < dir->count; i++) {
            if (!dir->files[i]->is_waiting)
                continue;
            is_left = true;
            each(ji, dir, dir->files[i], now);
        }
        dir->has_waiting = is_left;
    }
}

static void wake(struct journal_intake *ji, struct journal_dir *dir, struct journal_file *file,
                 int64_t now)
{
    if (file->grace_from != 0 &&
        file->grace_from + ji->agent->config->journal_abort_grace_ms <= now)
        journal_dir_mark(dir, file);
}

static void begin_grace(struct journal_intake *ji, struct journal_dir *dir,
                        struct journal_file *file, int64_t now)
{
    int64_t grace = ji->agent->config->journal_abort_grace_ms;
    (void)dir;
    if (file->grace_from == 0 || file->grace_from + grace <= now)
        file->grace_from = now; /* the latter was woken and could not be read: another time */
    ji->abort_due = OL_MIN(ji->abort_due, file->grace_from + grace);
}

static void end_grace(struct journal_intake *ji, struct journal_dir *dir, struct journal_file *file,
                      int64_t now)
{
    (void)ji, (void)dir, (void)now;
    file->grace_from = 0;
}

static void let_pass(struct journal_intake *ji, struct journal_dir *dir, struct journal_file *file,
                     int64_t now)
{
    int64_t changed_ms = (int64_t)file->modified.tv_sec * 1000;
    if (journal_is_past(ji, changed_ms, ji->agent->config->journal_abort_grace_ms)) {
        file->grace_from = OL_MAX(now - ji->agent->config->journal_abort_grace_ms, 1);
        journal_dir_mark(dir, file);
    }
}

void journal_abort_wake(struct journal_intake *ji, int64_t now)
{
    if (now < ji->abort_due)
        return;
    ji->must_look_at_graces = true;
    each_waiting(ji, wake, now);
}

void journal_abort_caught_up(struct journal_intake *ji, int64_t now)
{
    if (!ji->must_look_at_graces)
        return;
    ji->must_look_at_graces = false;
    ji->abort_due = INT64_MAX;
    each_waiting(ji, begin_grace, now);
}

void journal_abort_begin_anew(struct journal_intake *ji)
{
    if (ji->abort_due != INT64_MAX)
        each_waiting(ji, end_grace, 0);
    ji->abort_due = INT64_MAX;
    ji->must_look_at_graces = true;
}

void journal_abort_let_pass(struct journal_intake *ji)
{
    each_waiting(ji, let_pass, ol__time_monotonic_ms());
}
