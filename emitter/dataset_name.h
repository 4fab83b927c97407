/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_DATASET_NAME_H
#define OL_DATASET_NAME_H
/** @file
 * The name of a dataset while it is put together. dataset_name.c knows the ways in, paths and
 * objects; name_path.c paths and files; name_server.c what has a host and
 * tables; name_table.c the schemes and versions. Threads:
 * one at a time per object.
 */
#include "name_table.h"

/** A buffer of the caller's; what does not fit shows in is_cut, and nothing after it is taken. */
struct ol__name_text {
    char *out;
    size_t size, used;
    bool is_cut;
};
void ol__name_put(struct ol__name_text *t, const char *data, size_t size);
void ol__name_put_text(struct ol__name_text *t, const char *text);
void ol__name_put_lower(struct ol__name_text *t, const char *data, size_t size);

struct ol__name {
    struct ol__name_text space, name, version;
    const char *type; /**< static, or NULL */
};

/** What was asked for, taken apart as far as its scheme. */
struct ol__name_given {
    struct ol__span rest; /**< behind the scheme's colon */
    const char *table;    /**< behind a connection; NULL: the text names it all */
    bool is_jdbc;
    bool is_srv; /**< scheme+srv: hosts come from the DNS, ports too */
};

/** All of it; see ol_dataset_name() and ol_dataset_name_table(). @p table NULL: @p text names it.
 * @return OL_OK, OL_INVALID, OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__name_make(const char *text, const char *table, struct ol__name *ret,
                                     struct ol_error *err);
/** As the kernel would find @p path, which ends with a NUL behind @p size bytes.
 * @return OL_OK, OL_INVALID. */
OL_NODISCARD ol_status ol__name_path(const char *path, size_t size, struct ol__name_text *name,
                                     struct ol_error *err);
/** What follows `file:`. @return OL_OK, OL_INVALID, OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__name_file(struct ol__span rest, struct ol__name *ret,
                                     struct ol_error *err);
/** A database that is a file (OL_NAME_LOCAL). @return OL_OK, OL_INVALID, OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__name_local(const struct ol__name_scheme *s,
                                      const struct ol__name_given *given, struct ol__name *ret,
                                      struct ol_error *err);
/** Name space and name of what a server holds (OL_NAME_TABLE, OL_NAME_BARE).
 * @return OL_OK, OL_INVALID. */
OL_NODISCARD ol_status ol__name_server(const struct ol__name_scheme *s,
                                       const struct ol__name_given *given, struct ol__name *ret,
                                       struct ol_error *err);
/** `HOST/PATH?QUERY` apart: the authority with what stands in front of its last @, and what
 * follows. A password may hold what should have been escaped. */
void ol__name_split(struct ol__span rest, bool has_tables, struct ol__span *ret_authority,
                    struct ol__span *ret_tail);
/** The value of the parameter of one of @p keys (NULL-terminated, any case) in @p text, whose
 * parameters are parted by any of `?&;,`; size 0: none. */
struct ol__span ol__name_parameter(struct ol__span text, const char *const *keys);
#endif
