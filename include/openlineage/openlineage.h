/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENLINEAGE_OPENLINEAGE_H
#define OPENLINEAGE_OPENLINEAGE_H
/** @file
 * Tell lineage tools what this program reads and writes. Open one client per process, make one run
 * per unit of work, describe it, emit START and one terminal event. The default transport appends
 * to a local file (a journal, which the agent `lineaged` collects): it waits for no other process
 * and no network, only, as any write does, for the filesystem. To look at the events, start the
 * program with OPENLINEAGE__TRANSPORT__TYPE=console in its environment.
 *
 * Threads: a client may be shared; a run and what hangs off it (job, datasets) belong to one thread
 * at a time. Fork: parent and child may both go on with their copies; the child's first emit gives
 * it a journal of its own. A vfork child may only exec. Signals: no function is async-signal-safe;
 * none touches signal dispositions, the locale, or standard streams (the console transport writes
 * to standard output); none exits or forks; none makes a thread, with one exception: to look up a
 * host name, which only the http transport does, libcurl makes one for the time of the look-up, in
 * which all signals but those of a fault are blocked.
 *
 * Structs passed in are read before the call returns; their members are borrowed for the call only.
 * Fill them with OL_MAKE or OL_ITEM: what is left out is absent, and fields are only ever added at
 * the end, told apart by struct_size. Text is UTF-8; bytes that are not become U+FFFD. Handles may
 * be NULL everywhere: such a call does nothing and answers OL_DISABLED (or NULL).
 *
 * The events are OpenLineage 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json).
 */
#include <openlineage/status.h>
#include <openlineage/values.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OL_VERSION_MAJOR 0 /**< Of this header; ol_version() is the library's. */
#define OL_VERSION_MINOR 1 /**< Second part. */
#define OL_VERSION_PATCH 0 /**< Third part. */
/** Version of the library that is running, "0.1.0"; static. Since 0.1. */
OL_API const char *ol_version(void);

struct ol_client;  /* opaque */
struct ol_run;     /* opaque */
struct ol_job;     /* opaque, part of its run */
struct ol_dataset; /* opaque, part of its run */

/** The eventType of a RunEvent. Emit START first and end with one of the last three; RUNNING and
 * OTHER may stand between (OTHER also before START). Checked is only that nothing follows the end.
 */
enum ol_event { OL_START, OL_RUNNING, OL_OTHER, OL_COMPLETE, OL_FAIL, OL_ABORT };

/** What OL_OK of an emit through the journal means. */
enum ol_durability {
    OL_DURABLE_DEFAULT, /**< As configured; PROCESS unless told otherwise. */
    OL_DURABLE_PROCESS, /**< The kernel has it: survives SIGKILL of this process, not a power cut.
                         */
    OL_DURABLE_DISK /**< fdatasync has returned: survives a power cut; costs a disk sync an event.
                     */
};

/* ---- Client ---- */

/** How a client is made; OL_MAKE sets the size, the rest may be left out but for the producer. */
struct ol_client_options {
    size_t struct_size;            /**< Set by OL_MAKE. */
    const char *config_path;       /**< A file to read; NULL: OPENLINEAGE_CONFIG, ./openlineage.yml,
                                        ~/.openlineage/openlineage.yml, then OPENLINEAGE_* variables. */
    const char *producer;          /**< Required: absolute URI of your program and its version, e.g.
                                        "https://example.org/program/1.0". */
    enum ol_durability durability; /**< What OL_OK of an emit means. */
    /** Told about trouble (and, with OL_OK, that it is over), on the thread that met it, under no
     * lock. NULL: silence. */
    void (*log)(void *log_arg, ol_status status, const char *message);
    void *log_arg; /**< For log. */
    const char
        *job_namespace; /**< Default for runs; NULL: OPENLINEAGE_NAMESPACE, else "default". */
    const char *journal_directory; /**< Write the journal here whatever else is configured; made,
                                        with what leads to it, where it is missing. */
    bool infer_abort;        /**< Permit an agent to end this process's runs with an ABORT, marked
                                inferred, if the process dies without ending them. */
    const char *engine_name; /**< processing_engine.name of each event; NULL: "libopenlineage". */
    const char *engine_version; /**< processing_engine.version; NULL: ol_version(). */
    size_t event_max; /**< Bytes of the largest event, 4096 to 16777214, see ol_run_emit(); 0: as
                         configured (event_max_bytes), 16777214 unless told otherwise. */
};

/** Read the configuration and make a client; options win over it. Opens files, no network.
 *  @param ret  Owned by the caller on OL_OK: end it with ol_client_close(). NULL on any other
 * result.
 *  @return OL_OK; OL_DISABLED: OPENLINEAGE_DISABLED or the file says so; OL_INVALID; OL_CONFIG: err
 * has file, line and key; OL_NOMEM; OL_IO. A host that ignores failure passes the NULL on. Since
 * 0.1. */
OL_API OL_NODISCARD ol_status ol_client_open(const struct ol_client_options *options,
                                             struct ol_client **ret, struct ol_error *err);

/** End @p client, which no thread may use again. Free its runs before: an event of one that is left
 * is refused with OL_INVALID, and it may still be freed. Writes the journal's end line; a process
 * that ends without it loses no event: the agent takes the journal up once the process is gone.
 * Waits at most @p timeout_ms for network transports (0 will do: http has nothing under way between
 * emits), and for the filesystem.
 *  @return OL_OK; OL_DISABLED (NULL); OL_IO: what was not handed over is counted in the log. @p
 * client is gone. Since 0.1. */
OL_API ol_status ol_client_close(struct ol_client *client, int timeout_ms, struct ol_error *err);

/** Events refused so far. The last reason, static text or NULL, goes to @p ret_reason, which may be
 * NULL. Any thread. Since 0.1. */
OL_API uint64_t ol_client_lost(const struct ol_client *client, const char **ret_reason);

/** Values that came from outside, in a variable of the environment (docs/context.md) or through
 * ol_context_extract(), and were not used since they are malformed. Each variable is told to the
 * log function, and the first key of a call. Any thread. Since 0.1. */
OL_API uint64_t ol_client_ignored(const struct ol_client *client);

/** Events so far that a network transport did not hand over and that lie in the journal instead;
 * nothing is lost of them. Any thread. Since 0.1. */
OL_API uint64_t ol_client_diverted(const struct ol_client *client);

/** Events so far that were handed over without some of their facets since they would have been
 * larger than the limit, see ol_run_emit(). The first is told to the log function. Any thread.
 * Since 0.1. */
OL_API uint64_t ol_client_shed(const struct ol_client *client);

/** Where events go, e.g. "journal /home/me/.local/state/lineaged/journal"; borrowed until close.
 * Since 0.1. */
OL_API const char *ol_client_destination(const struct ol_client *client);

/* ---- Runs ---- */

/** How a run is made. */
struct ol_run_options {
    size_t struct_size;        /**< Set by OL_MAKE. */
    const char *job_namespace; /**< NULL: the client's. */
    const char *job_name;      /**< Required. */
    const char *run_id;        /**< UUID text; NULL: a new version 7. */
    bool is_detached; /**< Another process ends it: never infer ABORT when this one dies. */
    bool is_lean; /**< Terminal events carry only what changed since the event before; by default
                     they carry everything the run was told, since some backends read only COMPLETE.
                   */
    const char *foreign_id; /**< Another system's id for this run, in place of run_id: the run's id
                               is what ol_id_from_foreign() makes of it, and the text stays
                               searchable in the lineaged_run facet: task_id, or run_id where it is
                               the run_id of a receipt. NULL: none. */
    const char *foreign_system; /**< Whose id that is; see ol_id_from_foreign(). */
};

/** Describe one execution of a job. Nothing is emitted yet. Unless set with a facet, parent and
 * root come from the environment as it was when the client was opened: OPENLINEAGE_CONTEXT (JSON),
 * else OPENLINEAGE_PARENT_ID and OPENLINEAGE_ROOT_PARENT_ID (NAMESPACE/NAME/UUID), else, in an
 * Airflow task, its AIRFLOW_CTX_ variables; so do trace and scheduler (facets `lineaged_run` and
 * `lineaged_context`; docs/context.md).
 *  @param ret  Owned: end it with ol_run_free(), before its client. NULL on any result but OL_OK.
 *  @return OL_OK, OL_DISABLED (client NULL), OL_INVALID, OL_NOMEM. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_run_new(struct ol_client *client,
                                         const struct ol_run_options *options, struct ol_run **ret,
                                         struct ol_error *err);

/** As ol_run_new(), with the parent facet naming @p parent and its root. It only reads @p parent.
 * Since 0.1. */
OL_API OL_NODISCARD ol_status ol_run_new_child(const struct ol_run *parent,
                                               const struct ol_run_options *options,
                                               struct ol_run **ret, struct ol_error *err);

/** Emit @p event, now, with all that the run was told so far. The first failure of a setter since
 * the last emit comes back here as OL_PARTIAL, so setters need no check. Blocks as a write to a
 * file does.
 *
 * An event that is larger than the limit (event_max of the client) is handed over without its
 * largest optional facets, as few as will do, and answers OL_PARTIAL; its facet `lineaged_shed`
 * (ol_shed) lists them. Never left out are datasets and the run's facets `parent`, `errorMessage`,
 * `nominalTime`, `processing_engine` and `lineaged_run` and the job's `jobType`. The run keeps what
 * was left out: the next event tries it again. One that is too large without any of them is
 * refused: OL_TOO_LARGE. So it is with the events of jobs and datasets.
 *  @return OL_OK, OL_PARTIAL, OL_DISABLED; OL_INVALID: after a terminal event, or no such event;
 * OL_NOMEM; OL_FULL; OL_TOO_LARGE; OL_IO. After a negative result nothing was handed over, the run
 * is as before, and the same call may be tried again. Since 0.1. */
OL_API ol_status ol_run_emit(struct ol_run *run, enum ol_event event, struct ol_error *err);

/** As ol_run_emit(), with the event's own time in ms since 1970 UTC. Since 0.1. */
OL_API ol_status ol_run_emit_at(struct ol_run *run, enum ol_event event, int64_t time_ms,
                                struct ol_error *err);

/** UUID text, lower case; borrowed until ol_run_free(). Since 0.1. */
OL_API const char *ol_run_id(const struct ol_run *run);

/** "NAMESPACE/NAME/RUNID" for a child's OPENLINEAGE_PARENT_ID; borrowed until ol_run_free(). Since
 * 0.1. */
OL_API const char *ol_run_parent_id(const struct ol_run *run);
/** The same for OPENLINEAGE_ROOT_PARENT_ID: this run's root, itself if it has none. Since 0.1. */
OL_API const char *ol_run_root_parent_id(const struct ol_run *run);

/** Free @p run and all that hangs off it. Emits nothing. Since 0.1. */
OL_API void ol_run_free(struct ol_run *run);

/** The run's job, for the ol_job_set_ functions; borrowed until ol_run_free(). Since 0.1. */
OL_API struct ol_job *ol_run_job(struct ol_run *run);

/* ---- Context of calls ----
 * A program that calls another one, over HTTP, through a message or in any other way, can hand its
 * run's context on, and the one that is called can take it up: W3C `traceparent` and `tracestate`,
 * and in W3C `baggage` our members `lineage.run_id`, `lineage.step`, `lineage.attempt`,
 * `lineage.parent` (the run that calls) and `lineage.root` (the run at its top). */

/** Where the context of one call is kept: a list of headers, a message, a JSON object. Keys are
 * lower case; header names are to be compared without regard to case. */
struct ol_carrier {
    size_t struct_size; /**< Set by OL_MAKE. */
    /** Value of @p key, NULL if there is none; borrowed until the next call of either function. Of
     * a header that stands there more than once: all values, joined by commas. Required to extract;
     * NULL when injecting: the carrier has nothing yet. */
    const char *(*get)(void *arg, const char *key);
    /** Keep @p value, borrowed for the call, under @p key, in the place of any value that it has
     * there. Printable ASCII without line ends. Required to inject. @return 0; anything else: it
     * could not, and no more keys come. */
    int (*put)(void *arg, const char *key, const char *value);
    void *arg; /**< For both. */
};

/** Put the context of @p run, which is only read, into @p carrier. As `traceparent`, where the
 * carrier has no valid one: the trace that @p run was called in, unchanged (with its `tracestate`),
 * else one that is made of the root run's id and not sampled. As `baggage`: what the carrier has,
 * what @p run was called with, and ours: run_id, step and attempt of the run's facet
 * `lineaged_run`, in their absence the root run's id and the job's name; @p run itself and its
 * root. Calls no function but the carrier's; does not block. From the thread that has the run.
 *  @return OL_OK; OL_PARTIAL: the baggage is at the W3C limits (64 members, 8192 bytes) and lacks
 *  what came last; OL_DISABLED (run NULL); OL_INVALID: no `put`, or @p run describes no run; OL_IO:
 *  `put` failed, what it took before stays; OL_NOMEM. Since 0.1. */
OL_API ol_status ol_context_inject(const struct ol_run *run, const struct ol_carrier *carrier,
                                   struct ol_error *err);

/** Take up the context of a call that @p run serves, in the place of the environment's; to be done
 * before its first emit. Ids go to the run's facets `lineaged_run` (its other ids stay; setting it
 * later replaces all of them) and `lineaged_context`; all of it is handed on by
 * ol_context_inject() and to children that are made afterwards. The run that calls becomes the
 * parent, unless @p run is a child of ol_run_new_child() or ol_run_set_parent() has named another.
 * A carrier without context changes nothing. From the thread that has the run; does not block.
 *  @return OL_OK; OL_PARTIAL: a key is malformed and was ignored (err names the first, all are
 *  counted in ol_client_ignored()), the others were taken; OL_DISABLED (run NULL); OL_INVALID: no
 *  `get`, or @p run describes no run; OL_NOMEM, OL_TOO_LARGE: nothing, or not all, was taken; go on
 *  without. Since 0.1. */
OL_API ol_status ol_context_extract(struct ol_run *run, const struct ol_carrier *carrier,
                                    struct ol_error *err);

/* ---- Datasets ----
 * How a URI, a path or a connection becomes a name is in docs/naming.md (and openlineage(3)), after
 * OpenLineage's naming rules (https://openlineage.io/docs/spec/naming). User, password and
 * parameters of a URI never become part of a name or an error. Naming asks for the working
 * directory and the links in front of a `..`, nothing else: no network, no existence of files. */

/** Add what the run reads or writes, from a URI or a path; a path becomes absolute (symbolic links
 * kept) in name space "file". A version that the text carries (`#sha256:...`, `@sha256:...`, and
 * `@TAG` or `:vN` in `model:`, `prompt:`, `feature:` and other schemes that have such) becomes the
 * version facet, and never part of the name; where the scheme says that it is a model, prompt,
 * corpus or feature view, the datasetType facet says so, unless the program sets it. The same name
 * again gives the same dataset. Borrowed until ol_run_free(). NULL on failure, which setters accept
 * and the next ol_run_emit() reports. Since 0.1. */
OL_API struct ol_dataset *ol_run_input(struct ol_run *run, const char *uri_or_path);
/** The same for what it writes. Since 0.1. */
OL_API struct ol_dataset *ol_run_output(struct ol_run *run, const char *uri_or_path);

/** As above, a table (topic, collection) behind a connection as its driver takes it:
 * `postgresql://user:password@host/database?...`, `jdbc:...`. @p table may name schema and database
 * as well; what it leaves out comes from the connection. The name is that which the other clients'
 * database integrations give. Since 0.1. */
OL_API struct ol_dataset *ol_run_input_table(struct ol_run *run, const char *connection,
                                             const char *table);
/** The same for what it writes. Since 0.1. */
OL_API struct ol_dataset *ol_run_output_table(struct ol_run *run, const char *connection,
                                              const char *table);

/** As above, by name space and name as OpenLineage has them, unchanged. Since 0.1. */
OL_API struct ol_dataset *ol_run_input_named(struct ol_run *run, const char *dataset_namespace,
                                             const char *name);
/** The same for what it writes. Since 0.1. */
OL_API struct ol_dataset *ol_run_output_named(struct ol_run *run, const char *dataset_namespace,
                                              const char *name);

/* Buffers of these sizes (bytes, with the NUL) hold every name that ol_run_input() takes. */
#define OL_DATASET_NAMESPACE_SIZE 2048 /**< of a name space */
#define OL_DATASET_NAME_SIZE 8192      /**< of a name */
#define OL_DATASET_VERSION_SIZE 1040   /**< of a version */

/** Name space and name that ol_run_input() would use, and the version that the text carries, "" if
 * none. Each is NUL-terminated in the caller's buffer; all three are required, their sizes in
 * bytes. Column lineage and other facets refer to datasets by these names. On failure the buffers
 * hold no name. Any thread, also after fork; does not block on files.
 *  @return OL_OK; OL_INVALID: no such name, err says what was expected: fix the text; OL_TOO_LARGE:
 * a buffer is too small, err says which. Since 0.1. */
OL_API ol_status ol_dataset_name(const char *uri_or_path, char *ret_namespace,
                                 size_t namespace_size, char *ret_name, size_t name_size,
                                 char *ret_version, size_t version_size, struct ol_error *err);

/** The same for ol_run_input_table().
 *  @return as ol_dataset_name(); OL_INVALID also where @p connection leads to no database. Since
 * 0.1. */
OL_API ol_status ol_dataset_name_table(const char *connection, const char *table,
                                       char *ret_namespace, size_t namespace_size, char *ret_name,
                                       size_t name_size, struct ol_error *err);

/** What the scheme says the dataset is: "MODEL", "PROMPT", "CORPUS", "FEATURE_VIEW"; static text.
 * NULL: it does not say, or the text has no name. Any thread. Since 0.1. */
OL_API const char *ol_dataset_name_type(const char *uri_or_path);

/* ---- Ids ----
 * A run's id is a new UUID version 7 unless it is given. These compute one, so that programs that
 * share facts but no channel name the same run. Any thread, also after fork; nothing blocks,
 * nothing is allocated. The rules, with values to check against: docs/naming.md, "Ids". */

#define OL_ID_SIZE 37 /**< bytes of a UUID's text with the NUL */

/** Whose rule: the two clients give different ids for the same facts. */
enum ol_id_rule {
    OL_ID_PYTHON, /**< generate_static_uuid() of openlineage-python, which Airflow uses. */
    OL_ID_JAVA    /**< UUIDUtils.generateStaticUUID() of openlineage-java. */
};

/** The id of what happened at @p instant, with @p size bytes of @p data. The instant is RFC 3339
 * with a zone, years 1685 to 2254; Python's rule drops digits past the microsecond, Java's past the
 * nanosecond.
 *  @param ret_id  Gets the UUID's text, lower case; untouched on failure.
 *  @return OL_OK; OL_INVALID: no such instant, or a NULL: fix the caller. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_id_derive(enum ol_id_rule rule, const char *instant,
                                           const void *data, size_t size, char ret_id[OL_ID_SIZE],
                                           struct ol_error *err);

/** One try of a task of Airflow, as its provider names it. */
struct ol_airflow_task {
    size_t struct_size;        /**< Set by OL_MAKE. */
    const char *job_namespace; /**< Of the provider; NULL: "default". */
    const char *dag_id;        /**< Required. */
    const char *task_id;       /**< Required. */
    const char *logical_date;  /**< Required: RFC 3339, as AIRFLOW_CTX_LOGICAL_DATE has it. */
    int64_t try_number;        /**< From 1. */
    struct ol_int map_index;   /**< Of a mapped task. Absent: -1, not mapped. */
};
/** The run id that Airflow's provider gives this try. @return as ol_id_derive(). Since 0.1. */
OL_API OL_NODISCARD ol_status ol_id_derive_airflow_task(const struct ol_airflow_task *task,
                                                        char ret_id[OL_ID_SIZE],
                                                        struct ol_error *err);
/** The run id that Airflow's provider gives a DAG run. @p job_namespace NULL: "default";
 * @p clear_number: how often the DAG run was cleared, 0 at first. @return as ol_id_derive(). Since
 * 0.1. */
OL_API OL_NODISCARD ol_status ol_id_derive_airflow_dag(const char *job_namespace,
                                                       const char *dag_id, const char *logical_date,
                                                       int64_t clear_number,
                                                       char ret_id[OL_ID_SIZE],
                                                       struct ol_error *err);

/** The UUID that stands for another system's id. A UUID (any case, in braces, behind `urn:uuid:`)
 * and 32 hexadecimal digits (MLflow's), alone or behind a time and `_`, are those 128 bits; any
 * other text is version 5 in a name space of ours. @p system says whose id such a text is, e.g.
 * "slurm:cluster-a"; NULL or "" if it is unique as it is; no '/'.
 *  @return OL_OK; OL_INVALID: @p text is empty or longer than 4096 bytes, or a '/' in @p system.
 * Since 0.1. */
OL_API OL_NODISCARD ol_status ol_id_from_foreign(const char *system, const char *text,
                                                 char ret_id[OL_ID_SIZE], struct ol_error *err);

/* ---- Events without a run ---- */

/** Describe a job as it is designed. ol_run_job(), inputs and outputs as above tell more of the
 * returned object, which carries no run: only ol_job_event_emit() sends it. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_job_event_new(struct ol_client *client, const char *job_namespace,
                                               const char *job_name, struct ol_run **ret,
                                               struct ol_error *err);
/** Emit a JobEvent: the whole of what it was told, each time. @return as ol_run_emit(). Since 0.1.
 */
OL_API ol_status ol_job_event_emit(struct ol_run *job_event, struct ol_error *err);
/** The same, with the event's own time in ms since 1970 UTC. Since 0.1. */
OL_API ol_status ol_job_event_emit_at(struct ol_run *job_event, int64_t time_ms,
                                      struct ol_error *err);

/** Describe a dataset as it is. The dataset is borrowed from @p ret. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_dataset_event_new(struct ol_client *client,
                                                   const char *uri_or_path, struct ol_run **ret,
                                                   struct ol_dataset **ret_dataset,
                                                   struct ol_error *err);
/** As above, by name space and name as OpenLineage has them, unchanged. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_dataset_event_new_named(struct ol_client *client,
                                                         const char *dataset_namespace,
                                                         const char *name, struct ol_run **ret,
                                                         struct ol_dataset **ret_dataset,
                                                         struct ol_error *err);
/** Emit a DatasetEvent. @return as ol_run_emit(). Since 0.1. */
OL_API ol_status ol_dataset_event_emit(struct ol_run *dataset_event, struct ol_error *err);
/** The same, with the event's own time in ms since 1970 UTC. Since 0.1. */
OL_API ol_status ol_dataset_event_emit_at(struct ol_run *dataset_event, int64_t time_ms,
                                          struct ol_error *err);

/* ---- Facets ----
 * One struct and one setter for each place and facet, generated: <openlineage/facets.h>. A setter
 * copies, replaces an earlier value whole, and refuses a struct without a required field
 * (OL_INVALID). */

/** Set any facet, known to this version or not. The @p key of one of your own is a prefix that is
 * yours, `_` and a name; @p schema_url is where its JSON Schema stands, which nobody fetches. @p
 * json is one object of @p size bytes, at most 100 deep; it is checked and stored on one line; a
 * missing _producer and _schemaURL are filled in
 * (@p schema_url; required for keys that this version does not know). A facet that this version
 * knows and whose schema URL is left to it must be what that schema says: types and required
 * members are checked.
 *  @return OL_OK, OL_DISABLED (NULL object), OL_INVALID (err of the next emit says where, by JSON
 * pointer), OL_TOO_LARGE, OL_NOMEM. Since 0.1. */
OL_API ol_status ol_run_set_facet_json(struct ol_run *run, const char *key, const char *schema_url,
                                       const char *json, size_t size);
/** The same on the job. Since 0.1. */
OL_API ol_status ol_job_set_facet_json(struct ol_job *job, const char *key, const char *schema_url,
                                       const char *json, size_t size);
/** In dataset.facets. */
OL_API ol_status ol_dataset_set_facet_json(struct ol_dataset *dataset, const char *key,
                                           const char *schema_url, const char *json, size_t size);
/** In inputFacets or outputFacets, whichever side the dataset is on. */
OL_API ol_status ol_dataset_set_side_facet_json(struct ol_dataset *dataset, const char *key,
                                                const char *schema_url, const char *json,
                                                size_t size);

/** Say that a facet of a job or dataset no longer holds: it is sent as `_deleted`, in place of one
 * that was set before, until it is set again. @p schema_url NULL: for keys that this version knows.
 *  @return OL_OK, OL_DISABLED (NULL object), OL_INVALID (no such key and no URL), OL_NOMEM,
 * OL_TOO_LARGE. Since 0.1. */
OL_API ol_status ol_job_delete_facet(struct ol_job *job, const char *key, const char *schema_url);
/** The same for a dataset's facet. Since 0.1. */
OL_API ol_status ol_dataset_delete_facet(struct ol_dataset *dataset, const char *key,
                                         const char *schema_url);

#ifdef __cplusplus
}
#endif
#include <openlineage/answer.h>
#include <openlineage/call.h>
#include <openlineage/collect.h>
#include <openlineage/facets.h>
#endif
