/* SPDX-License-Identifier: Apache-2.0 */
/* store_sql FILE SQL: run it on a store the way lineaged writes one, with the checksum of each page
 * right: what a test wants to be there, and not damage. */
#include <sqlite3.h>
#include <stdio.h>
#include "page_sums.h"

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    if (argc != 3 || !page_sums_register())
        return 2;
    int code = sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, PAGE_SUMS_VFS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, argv[2], NULL, NULL, &message);
    if (code != SQLITE_OK)
        fprintf(stderr, "store_sql: %s\n", message != NULL ? message : sqlite3_errmsg(db));
    sqlite3_free(message);
    sqlite3_close(db);
    return code == SQLITE_OK ? 0 : 1;
}
