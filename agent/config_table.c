/* SPDX-License-Identifier: Apache-2.0 */
/* Each setting once: the reader, `--print-config` and lineaged.yaml(5) are made from these tables.
 * Defaults that depend on the place (paths, sockets) are put in by config.c and told in the help.
 */
#include "config.h"
#include "metrics.h"

#define AT(member) offsetof(struct route_config, member)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define LATER "comes later"

const struct ol__setting route_settings[] = {
    {.key = "(line)", .type = OL_SETTING_INT, .offset = AT(line)},
    {.key = "name",
     .type = OL_SETTING_TEXT,
     .offset = AT(name),
     .is_required = true,
     .help = "Names the route in status, metrics and on disk: 1 to 64 of a-z, 0-9, '_' and '-', "
             "unique. A route that is renamed begins anew."},
    {.key = "type",
     .type = OL_SETTING_ENUM,
     .offset = AT(type),
     .is_required = true,
     .choices = "http|kafka|file|store",
     .help = "Where it leads: an OpenLineage HTTP endpoint, a Kafka topic, a file of JSON lines, "
             "the embedded store."},
    {.key = "on_lag",
     .type = OL_SETTING_ENUM,
     .offset = AT(on_lag),
     .default_value = "default",
     .choices = "default|pin|detach",
     .help =
         "pin: the spool keeps every event until this route has it, and refuses new ones when "
         "it is full. detach: at half of the spool the route's backlog is given up and counted. "
         "default is pin for the first route and detach for the others."},
    {.key = "url",
     .type = OL_SETTING_TEXT,
     .offset = AT(url),
     .help =
         "http: where events are posted, http:// or https://. To one without a path the profile's "
         "is added: /api/v1/lineage, for datahub /openapi/openlineage/api/v1/lineage, for "
         "openmetadata /api/v1/openlineage/lineage."},
    {.key = "profile",
     .type = OL_SETTING_ENUM,
     .offset = AT(profile),
     .default_value = "generic",
     .choices = "generic|marquez|datahub|openmetadata|lineaged",
     .help = "http: what is known about the other side: its path, which of its answers mean a bad "
             "event, which events it cannot take or would store wrongly (these are parked), and "
             "whether it takes several at once. marquez was tried on 0.51.1; datahub and "
             "openmetadata follow their documentation."},
    {.key = "api_key_file",
     .type = OL_SETTING_TEXT,
     .offset = AT(api_key_file),
     .help = "http: a file with the bearer token, read again when it changes."},
    {.key = "api_key",
     .type = OL_SETTING_TEXT,
     .offset = AT(api_key),
     .is_secret = true,
     .help = "http: the bearer token itself; a file is better."},
    {.key = "timeout",
     .type = OL_SETTING_TIME,
     .offset = AT(timeout_ms),
     .default_value = "30s",
     .min = 100,
     .max = 10 * MINUTE,
     .help =
         "http: how long one request may take. kafka: without any report for so long the route is "
         "shown as retrying."},
    {.key = "max_in_flight",
     .type = OL_SETTING_INT,
     .offset = AT(max_in_flight),
     .default_value = "16",
     .min = 1,
     .max = 256,
     .help = "http: requests under way at once; also how many events a kill may double."},
    {.key = "retry_max",
     .type = OL_SETTING_TIME,
     .offset = AT(retry_max_ms),
     .default_value = "60s",
     .min = SECOND,
     .max = HOUR,
     .help = "http: ceiling of the wait between two tries."},
    {.key = "hold_interval",
     .type = OL_SETTING_TIME,
     .offset = AT(hold_ms),
     .default_value = "60s",
     .min = SECOND,
     .max = HOUR,
     .help = "http: how often a held route (answers 401, 403, 404, 405, refusals of ten runs in a "
             "row) tries one event."},
    {.key = "poison_tries",
     .type = OL_SETTING_INT,
     .offset = AT(poison_tries),
     .default_value = "8",
     .min = 1,
     .max = 1000,
     .help = "http: tries of an event that keeps drawing errors while others pass, before it is "
             "parked among the dead letters."},
    {.key = "dead_letters",
     .type = OL_SETTING_SIZE,
     .offset = AT(dead_letter_bytes),
     .default_value = "64MiB",
     .min = 64 * KIB,
     .max = 64 * GIB,
     .help = "Room for the events that this route will not take; at the limit their runs wait."},
    {.key = "brokers",
     .type = OL_SETTING_TEXT,
     .offset = AT(brokers),
     .help = "kafka: HOST:PORT, or several with commas between."},
    {.key = "topic",
     .type = OL_SETTING_TEXT,
     .offset = AT(topic),
     .help = "kafka: the topic; it is not created by us."},
    {.key = "key",
     .type = OL_SETTING_ENUM,
     .offset = AT(key),
     .default_value = "lane",
     .choices = "lane|job",
     .help =
         "kafka: the message key. lane: the run, so that a run's events stay in order. job: the "
         "convention of other OpenLineage clients."},
    {.key = "properties",
     .type = OL_SETTING_TEXT_LIST,
     .offset = AT(properties),
     .max = 100,
     .help =
         "kafka: settings of librdkafka, each as name=value; file:PATH in place of a value is what "
         "that file holds, env:NAME what that variable does. Passwords and other secrets are "
         "given only so. A changed file is taken for the next producer; at once while the "
         "broker refuses this one. For TLS and a login: security.protocol=SASL_SSL, "
         "ssl.ca.location=PATH, sasl.mechanisms=SCRAM-SHA-512, sasl.username=NAME, "
         "sasl.password=file:PATH."},
    {.key = "path",
     .type = OL_SETTING_TEXT,
     .offset = AT(path),
     .help =
         "file, store: the file; for file, - is standard output. store: lineage.db of the place "
         "unless given."},
    {.key = "rotate_size",
     .type = OL_SETTING_SIZE,
     .offset = AT(rotate_bytes),
     .default_value = "0",
     .min = 0,
     .max = 1024 * GIB,
     .help = "file: begin a new file past this size; 0: never."},
    {.key = "retention",
     .type = OL_SETTING_TIME,
     .offset = AT(retention_ms),
     .default_value = "90d",
     .min = 0,
     .max = 36500 * DAY,
     .help = "store: whole runs older than this are removed; 0: never for their age."},
    {.key = "retention_size",
     .type = OL_SETTING_SIZE,
     .offset = AT(retention_bytes),
     .default_value = "2GiB",
     .min = 0,
     .max = 1024 * GIB,
     .help = "store: whole runs are removed, oldest first, past this size; 0: no limit."},
    {.key = "raw_events",
     .type = OL_SETTING_BOOL,
     .offset = AT(raw_events),
     .default_value = "false",
     .help = "store: keep each event's bytes as well."},
    {.key = NULL}};

#undef AT
#define AT(member) offsetof(struct api_key_config, member)

static const struct ol__setting api_key_settings[] = {
    {.key = "(line)", .type = OL_SETTING_INT, .offset = AT(line)},
    {.key = "name",
     .type = OL_SETTING_TEXT,
     .offset = AT(name),
     .is_required = true,
     .help = "What log, metrics and limits call who has this key: 1 to 64 of a-z, A-Z, 0-9, '.', "
             "'_', '@' and '-'."},
    {.key = "sha256",
     .type = OL_SETTING_TEXT,
     .offset = AT(sum),
     .is_required = true,
     .help = "SHA-256 of the key in hexadecimal, as 'lineage key new NAME' prints it."},
    {.key = NULL}};

#undef AT
#define AT(member) offsetof(struct agent_config, member)

const struct ol__setting agent_settings[] = {
    {.key = "intake.http.listen",
     .type = OL_SETTING_TEXT_LIST,
     .offset = AT(http_listen),
     .max = 16,
     .help = "Where events are taken: unix:PATH, ADDRESS:PORT or [ADDRESS]:PORT; with tls: before "
             "the address, over TLS. One that others than this machine can reach needs keys or a "
             "client_ca (see authentication). Default: "
             "unix:/run/lineaged/lineaged.sock; for a user's own agent "
             "unix:$XDG_RUNTIME_DIR/lineaged.sock, or lineaged.sock under its state directory."},
    {.key = "intake.http.paths",
     .type = OL_SETTING_TEXT_LIST,
     .offset = AT(http_paths),
     .max = 64,
     .help = "Paths on which events are taken besides all that end in /lineage; a path with /batch "
             "behind it takes arrays. * takes events on any path."},
    {.key = "intake.http.max_body",
     .type = OL_SETTING_SIZE,
     .offset = AT(http_max_body),
     .default_value = "16MiB",
     .min = KIB,
     .max = 16 * MIB,
     .help = "Largest body after decompression; a larger one is answered 413."},
    {.key = "intake.http.max_connections",
     .type = OL_SETTING_INT,
     .offset = AT(http_max_connections),
     .default_value = "1024",
     .min = 1,
     .max = 60000,
     .help = "Open connections on each listener; further ones wait to be accepted."},
    {.key = "intake.http.idle_timeout",
     .type = OL_SETTING_TIME,
     .offset = AT(http_idle_ms),
     .default_value = "60s",
     .min = SECOND,
     .max = DAY,
     .help = "A connection on which nothing came for so long is closed; of a listener that has "
             "hardly a place left, after 3 seconds."},
    {.key = "intake.http.authentication",
     .type = OL_SETTING_ENUM,
     .offset = AT(http_authentication),
     .default_value = "remote",
     .choices = "remote|tcp|none",
     .help = "Where a sender must show an API key or a certificate. remote: at every address that "
             "is neither loopback nor a unix socket; lineaged does not start with one and without "
             "keys or client_ca. tcp: on loopback too. none: nowhere, anyone who reaches the "
             "address may send. A wrong key is refused everywhere, where there are keys."},
    {.key = "intake.http.api_keys",
     .type = OL_SETTING_LIST,
     .offset = AT(http_api_keys),
     .max = 256,
     .table = api_key_settings,
     .item_size = sizeof(struct api_key_config),
     .help = "Who may send, with 'Authorization: Bearer KEY'. Only sums of keys stand here."},
    {.key = "intake.http.api_keys_file",
     .type = OL_SETTING_TEXT,
     .offset = AT(http_api_keys_file),
     .help = "A file with more of them, a line each: NAME SHA256; # begins a comment. Read again "
             "when it changes."},
    {.key = "intake.http.tls.certificate",
     .type = OL_SETTING_TEXT,
     .offset = AT(tls_certificate),
     .help = "For addresses with tls: a PEM file with the certificate and those between it and the "
             "root. TLS 1.2 and 1.3. Read again when it changes; connections go on."},
    {.key = "intake.http.tls.key",
     .type = OL_SETTING_TEXT,
     .offset = AT(tls_key),
     .help = "The certificate's private key, a PEM file."},
    {.key = "intake.http.tls.client_ca",
     .type = OL_SETTING_TEXT,
     .offset = AT(tls_client_ca),
     .help = "A PEM file with the authorities whose client certificates count as a key does; the "
             "certificate's common name is the sender's. Read again when it changes."},
    {.key = "intake.http.socket_mode",
     .type = OL_SETTING_TEXT,
     .offset = AT(http_socket_mode),
     .help = "Mode of the unix sockets of intake.http.listen, in octal. Default: 0600, with "
             "--system 0660."},
    {.key = "intake.http.socket_group",
     .type = OL_SETTING_TEXT,
     .offset = AT(http_socket_group),
     .help = "Group of these sockets, by name or number. Default: the agent's."},
    {.key = "intake.http.max_header",
     .type = OL_SETTING_SIZE,
     .offset = AT(http_max_header),
     .default_value = "32KiB",
     .min = 4 * KIB,
     .max = MIB,
     .help = "Memory of a connection for request line and header fields; larger ones are answered "
             "431."},
    {.key = "intake.http.max_ratio",
     .type = OL_SETTING_INT,
     .offset = AT(http_max_ratio),
     .default_value = "200",
     .min = 0,
     .max = 2000,
     .help = "A compressed body that grows more than so many times, and beyond 1 MiB, is answered "
             "413; 0: only max_body counts."},
    {.key = "intake.http.max_connections_per_peer",
     .type = OL_SETTING_INT,
     .offset = AT(http_max_per_peer),
     .default_value = "0",
     .min = 0,
     .max = 60000,
     .help = "Open connections from one address, or of one uid on unix sockets, on all listeners "
             "together; more are closed at once. 0: any from this machine, from others half of "
             "max_connections."},
    {.key = "intake.http.rate",
     .type = OL_SETTING_INT,
     .offset = AT(http_rate),
     .default_value = "0",
     .min = 0,
     .max = 1000000,
     .help =
         "Events a second from one sender (the name of its key or certificate, else its "
         "address or uid); more are answered 429, which many clients do not try again. 0: any."},
    {.key = "intake.http.burst",
     .type = OL_SETTING_INT,
     .offset = AT(http_burst),
     .default_value = "0",
     .min = 0,
     .max = 10000000,
     .help = "Events that one sender may send at once before rate holds; 0: ten seconds' worth."},
    {.key = "intake.http.min_rate",
     .type = OL_SETTING_SIZE,
     .offset = AT(http_min_rate),
     .default_value = "1KiB",
     .min = 0,
     .max = GIB,
     .help = "Bytes a second that a request must arrive with, once it is slow_after old; a slower "
             "one is ended. 0: no limit."},
    {.key = "intake.http.slow_after",
     .type = OL_SETTING_TIME,
     .offset = AT(http_slow_ms),
     .default_value = "10s",
     .min = SECOND,
     .max = HOUR,
     .help = "How long a request may take before min_rate counts."},
    {.key = "intake.max_depth",
     .type = OL_SETTING_INT,
     .offset = AT(max_depth),
     .default_value = "128",
     .min = 8,
     .max = 128,
     .help = "Deepest nesting of objects and lists in an event; a deeper one is refused."},
    {.key = "intake.journal.directories",
     .type = OL_SETTING_TEXT_LIST,
     .offset = AT(journal_directories),
     .max = 16,
     .help = "Directories of journals, drained by this agent alone. Default: journal under the "
             "state directory (/var/lib/lineaged, or $XDG_STATE_HOME/lineaged)."},
    {.key = "intake.journal.orphan_after",
     .type = OL_SETTING_TIME,
     .offset = AT(journal_orphan_after_ms),
     .default_value = "24h",
     .min = MINUTE,
     .max = 3650 * DAY,
     .help = "A journal without an end whose writer cannot be told dead is moved to done/ when it "
             "has not changed for so long."},
    {.key = "intake.journal.poll",
     .type = OL_SETTING_TIME,
     .offset = AT(journal_poll_ms),
     .default_value = "1s",
     .min = 10,
     .max = HOUR,
     .help = "How often directories are looked at where the kernel does not tell of changes."},
    {.key = "intake.validation",
     .type = OL_SETTING_ENUM,
     .offset = AT(validation),
     .default_value = "lenient",
     .choices = "lenient|strict",
     .help = "strict refuses also what is merely loose: no schemaURL, a run id that is no UUID, a "
             "time without zone, facets that break their schema."},
    {.key = "intake.kafka", .type = OL_SETTING_TEXT, .reserved = LATER},
    {.key = "rules", .type = OL_SETTING_TEXT, .reserved = LATER},
    {.key = "spool.directory",
     .type = OL_SETTING_TEXT,
     .offset = AT(spool_directory),
     .help =
         "Where events are kept until they are delivered; one agent a directory. Default: spool "
         "under the state directory."},
    {.key = "spool.max_bytes",
     .type = OL_SETTING_SIZE,
     .offset = AT(spool_max_bytes),
     .default_value = "2GiB",
     .min = MIB,
     .max = 1024 * 1024 * GIB,
     .help =
         "Most that the spool may use on disk; when it is full, events are refused and journals "
         "wait."},
    {.key = "spool.segment_bytes",
     .type = OL_SETTING_SIZE,
     .offset = AT(spool_segment_bytes),
     .default_value = "0",
     .min = 0,
     .max = GIB,
     .help =
         "Size of one file of the spool, at least 64KiB; four must fit into spool.max_bytes. 0: "
         "64MiB, less if spool.max_bytes is small. An event larger than one is refused."},
    {.key = "admin.socket",
     .type = OL_SETTING_TEXT,
     .offset = AT(admin_socket),
     .help = "Where questions are asked. Default: the first unix socket of intake.http.listen with "
             "-admin.sock in place of .sock."},
    {.key = "drain",
     .type = OL_SETTING_TIME,
     .offset = AT(drain_ms),
     .default_value = "5s",
     .min = 0,
     .max = HOUR,
     .help = "On SIGTERM: how long delivery may go on; what is left stays in the spool."},
    {.key = "log.level",
     .type = OL_SETTING_ENUM,
     .offset = AT(log_level),
     .default_value = "info",
     .choices = "error|warning|info|debug",
     .help = "What is written to standard error."},
    {.key = "log.format",
     .type = OL_SETTING_ENUM,
     .offset = AT(log_format),
     .default_value = "text",
     .choices = "text|json",
     .help = "text: one line an event. json: one object a line."},
    {.key = "routes",
     .type = OL_SETTING_LIST,
     .offset = AT(routes),
     .max = ROUTES_MAX,
     .table = route_settings,
     .item_size = sizeof(struct route_config),
     .help = "Where events go, each with its own position. Default: one store named local."},
    {.key = NULL}};
