/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_NAME_TABLE_H
#define OL_NAME_TABLE_H
/** @file
 * What is known about the schemes of dataset URIs, and which ends of a name are versions: plain
 * tables, which docs/naming.md repeats for people and a test compares. Threads: constant data.
 */
#include "ol_base.h"

enum ol__name_rule {
    OL_NAME_FILE,   /**< name space file or file://host; name: the path */
    OL_NAME_OBJECT, /**< name: the path without slashes around it; a key may hold ? and # */
    OL_NAME_PATH,   /**< name: the path, absolute */
    OL_NAME_TABLE,  /**< name: the path, its parts joined with dots */
    OL_NAME_REST,   /**< name: the path without its first slash */
    OL_NAME_BARE,   /**< the scheme alone is the name space; name: all the rest, joined with dots */
    OL_NAME_ID,     /**< as BARE, kept as it is */
    OL_NAME_LOCAL   /**< a database in a file: the file, or SCHEME:PATH where a table is named */
};

/** Which versions a scheme's names may end in, beside digests. Bits. */
enum ol__name_version {
    OL_VERSIONED_TAG = 1,        /**< NAME@TAG, NAME:vN */
    OL_VERSIONED_IMAGE = 2,      /**< NAME@TAG, NAME:TAG */
    OL_VERSIONED_QUERY = 4,      /**< ?versionId=, ?generation=, ?snapshot= */
    OL_VERSIONED_GENERATION = 8, /**< KEY#DIGITS */
    OL_VERSIONED_LAST = 16,      /**< NAME/VERSION, when these two segments are all */
    OL_VERSIONED_REF = 32,       /**< //REPOSITORY/REF/PATH */
    OL_VERSIONED_REPO = 64,      /**< OWNER/NAME@REVISION/PATH */
    OL_VERSIONED_OFFSETS = 128   /**< TOPIC#PARTITION:FROM-TO,... */
};

/** How a host is written. Bits. */
enum ol__name_host {
    OL_HOST_FIRST = 1,      /**< of several hosts the first one stands for all */
    OL_HOST_NO_PORT = 2,    /**< a port is left out */
    OL_HOST_CONTAINER = 4,  /**< CONTAINER@ACCOUNT belongs to the name */
    OL_HOST_REDSHIFT = 8,   /**< CLUSTER.x.REGION.redshift.amazonaws.com is CLUSTER.REGION */
    OL_HOST_SNOWFLAKE = 16, /**< without .snowflakecomputing.com */
    OL_HOST_WEB = 32        /**< what follows a # in the path is left out, as are parameters */
};

#define OL_PORT_NONE 0xffffu

struct ol__name_scheme {
    const char *name;      /**< as given, any case */
    const char *canonical; /**< as it stands in the name space */
    enum ol__name_rule rule;
    uint16_t port;         /**< default, written out; 0: none known */
    uint16_t jdbc_port;    /**< where the driver has another one; 0: the same; OL_PORT_NONE: none */
    uint8_t levels;        /**< of a complete table name */
    uint8_t segments;      /**< of the path, which belong to the name space */
    bool needs_no_slashes; /**< "bigquery:..." is one as well */
    uint8_t host;          /**< enum ol__name_host */
    uint8_t versions;      /**< enum ol__name_version */
    const char *type;      /**< of the datasetType facet; NULL: not known */
};
extern const struct ol__name_scheme ol__name_schemes[];
extern const size_t ol__name_scheme_count;

/** Digests that end any name: `#ALGORITHM:DIGITS` and `@ALGORITHM:DIGITS`. */
struct ol__name_digest {
    const char *algorithm;
    size_t digits; /**< hexadecimal, exactly so many */
};
extern const struct ol__name_digest ol__name_digests[];
extern const size_t ol__name_digest_count;

/** How many bytes at the end of @p name are a digest with its mark; 0: none, or there is nothing in
 * front of it. */
size_t ol__name_digest_size(const char *name, size_t size);
/** How many bytes at the end of @p name are a version with its mark, by @p forms (enum
 * ol__name_version: TAG, IMAGE and GENERATION only); 0: none. */
size_t ol__name_tag_size(const char *name, size_t size, unsigned forms);
#endif
