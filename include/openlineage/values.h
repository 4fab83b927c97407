/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENLINEAGE_VALUES_H
#define OPENLINEAGE_VALUES_H
/** @file
 * Values that may be absent, and how option and facet structs are filled. Part of
 * <openlineage/openlineage.h>. Threads: plain data.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A pointer to a temporary options or facet struct (C only; it lives to the end of the block).
 * What is left out is absent: OL_MAKE(ol_sql, .query = "select 1"). In C++17: ol_sql sql{};
 * sql.struct_size = sizeof sql; sql.query = "select 1"; and pass &sql. */
#define OL_MAKE(type, ...) (&(const struct type){.struct_size = sizeof(struct type), __VA_ARGS__})
/** One element of an array of such structs; also valid in static initialisers. */
#define OL_ITEM(type, ...)                                                                         \
    {                                                                                              \
        .struct_size = sizeof(struct type), __VA_ARGS__                                            \
    }

/** A whole number, or none: a zeroed struct ol_int is absent, OL_INT(0) is zero. */
struct ol_int {
    bool is_set;   /**< false: absent, whatever the value is */
    int64_t value; /**< where is_set */
};
/** A struct ol_int that is present, zero included. */
#define OL_INT(n)                                                                                  \
    {                                                                                              \
        true, (n)                                                                                  \
    }

/** A real number, or none. NaN and infinities cannot be said in JSON and count as absent. */
struct ol_real {
    bool is_set;  /**< false: absent, whatever the value is */
    double value; /**< where is_set */
};
/** A struct ol_real that is present. */
#define OL_REAL(x)                                                                                 \
    {                                                                                              \
        true, (x)                                                                                  \
    }

/** A truth value, or none. */
enum ol_bool { OL_UNSET = 0, OL_FALSE = 1, OL_TRUE = 2 };
#endif
