/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_FACET_PLACE_H
#define OL_FACET_PLACE_H
/** @file
 * Where facets are kept between a setter and an emit: each facet once, already written as JSON,
 * under its key. struct ol_run, ol_job and ol_dataset (emitter/) begin with a struct
 * ol__facet_place, so the generated setters reach it by a cast and know nothing else of them.
 * Threads: one at a time per place.
 */
#include "buf.h"
#include "entity.h"
#include "json_read.h"
#include "json_write.h"

/** One facet: `"key":{...}` in the place's text. */
struct ol__facet_slot {
    uint32_t key_offset, key_size; /**< the key, undecoded, inside text */
    uint32_t offset, size;         /**< `"key":{...}` inside text */
    uint32_t splice;  /**< run's tags: where in text more elements can go; 0: has no array */
    uint8_t entity;   /**< enum ol__entity; OL_FACET_MIRROR */
    bool is_required; /**< never shed to meet the size limit (parent, errorMessage, ours) */
    bool is_sent;     /**< ol__facet_mark_sent() since it was set */
};

/** Longest key, in bytes; of letters, digits and `_ . -`. */
#define OL_FACET_JSON_KEY_MAX 128
/** Nesting of a facet given as JSON; the event around it stays below OL_JSON_DEPTH_MAX. */
#define OL_FACET_JSON_DEPTH_MAX 100
/** slot.entity of the one slot that is no facet: elements for the run's tags that mirror the facet
 *  OL_FACET_MIRRORED (ours, DESIGN 14), `{...},{...}`. It is only ever written inside `tags`. */
#define OL_FACET_MIRROR OL_ENTITY_COUNT

/** Set in slot.entity of a facet that is left out of one event (emitter/shed.c): nobody finds it
 * there, so that it costs nothing to look. */
#define OL_FACET_ASIDE 0x80u

/** What configuration makes of a facet before it is kept. */
struct ol__facet_hook {
    /** @p json is the facet's object. @return OL_OK: as it is; OL_AGAIN: @p out is in its place;
     * OL_END: it is left out; OL_NOMEM, OL_TOO_LARGE. */
    ol_status (*change)(void *arg, enum ol__entity entity, const char *key, struct ol__span json,
                        struct ol__buf *out, struct ol_error *err);
    void *arg;
};

/** Shared by all places of a run; owned by it, since a client's runs may be on several threads. */
struct ol__facet_context {
    const char *producer;              /**< borrowed; _producer of every facet written here */
    size_t facet_max;                  /**< bytes; a larger facet is refused with OL_TOO_LARGE */
    struct ol__json_reader *reader;    /**< NULL until a JSON facet is set */
    const struct ol__facet_hook *hook; /**< NULL: every facet is kept as it is; borrowed */
};

struct ol__facet_place {
    enum ol__entity entity;            /**< RUN, JOB or DATASET */
    enum ol__entity side;              /**< of a dataset: INPUT or OUTPUT; COUNT: neither */
    struct ol__facet_context *context; /**< borrowed */
    struct ol__buf text; /**< all facets, back to back, dead ones included until compacted */
    struct ol__facet_slot *slots; /**< owned, sorted by insertion */
    size_t count, cap;
    struct ol_error *first_error; /**< where the first failure of a setter since the last emit is
                                     kept (the run's); borrowed; its status OL_OK: none */
    /* between begin and end: */
    size_t open_offset; /**< where the facet starts in text */
    size_t open_key_size;
    enum ol__entity open_entity;
    size_t dead; /**< bytes of text that no slot covers */
};

void ol__facet_place_init(struct ol__facet_place *place, enum ol__entity entity,
                          enum ol__entity side, struct ol__facet_context *context,
                          struct ol_error *first_error, size_t max);
void ol__facet_place_release(struct ol__facet_place *place);

/** Begin facet @p key: the writer is inside the facet's object with _producer and _schemaURL
 * written.
 *  @return OL_OK, or the failure (kept in first_error too), after which nothing may be written. */
ol_status ol__facet_begin(struct ol__facet_place *place, enum ol__entity entity, const char *key,
                          const char *schema_url, struct ol__json_writer *w);
/** End it: replaces an earlier facet of that entity and key whole, or, if the buffer failed, leaves
 * the earlier one as it was. @return OL_OK, OL_NOMEM, OL_TOO_LARGE; kept in first_error too. */
ol_status ol__facet_end(struct ol__facet_place *place, struct ol__json_writer *w);
/** Drop what ol__facet_begin() opened, e.g. because a required field is missing; keeps the error.
 */
ol_status ol__facet_refuse(struct ol__facet_place *place, struct ol__json_writer *w,
                           ol_status status, const char *facet, const char *field, const char *why);
/** Set from JSON text: one object, checked, put on one line, _producer and _schemaURL filled in. A
 *  facet that is to get the URL of a schema that we know must be what that schema says. */
ol_status ol__facet_set_json(struct ol__facet_place *place, enum ol__entity entity, const char *key,
                             const char *schema_url, struct ol__span json);
/** Say that a facet no longer holds: `_deleted`, which a job's and a dataset's facets may carry.
 *  @p schema_url NULL: as known. @return OL_OK; OL_INVALID: neither known nor given; OL_NOMEM,
 *  OL_TOO_LARGE. */
ol_status ol__facet_delete(struct ol__facet_place *place, enum ol__entity entity, const char *key,
                           const char *schema_url);
/** Forget, as if it had never been set; OL_OK also when there was none. */
ol_status ol__facet_remove(struct ol__facet_place *place, enum ol__entity entity, const char *key);
/** Write `{...}` with all facets of @p entity into @p out. In a run's `tags`, what our own ids
 * mirror follows the tags that the caller set, in whichever order the two were set; a failure shows
 * in @p out. */
void ol__facet_write(const struct ol__facet_place *place, enum ol__entity entity,
                     struct ol__buf *out);
/** As ol__facet_write(), but only what was set since ol__facet_mark_sent(), and what is required.
 */
void ol__facet_write_unsent(const struct ol__facet_place *place, enum ol__entity entity,
                            struct ol__buf *out);
/** Whether anything was set, on any entity, since ol__facet_mark_sent(). */
bool ol__facet_has_unsent(const struct ol__facet_place *place);
/** Of all but those set aside. */
void ol__facet_mark_sent(struct ol__facet_place *place);
bool ol__facet_has(const struct ol__facet_place *place, enum ol__entity entity, const char *key);
#endif
