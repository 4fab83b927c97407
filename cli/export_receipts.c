/* SPDX-License-Identifier: Apache-2.0 */
/* What the formats that are made of receipts share. */
#include "export.h"

#include <stdlib.h>
#include <sys/stat.h>
#include "receipt/folder.h"
#include "receipt/listing.h"

static ol_status read_all(struct receipt_folder *folder, export_receipt_handler *each, void *arg,
                          struct ol_error *err)
{
    struct receipt_listing listing = {0};
    ol_status st = receipt_list(folder, &listing, err);
    for (size_t i = 0; st == OL_OK && i < listing.count; i++) {
        const char *name = listing.items[i].path, *end = strstr(name, "/attempt-");
        const char *file = end != NULL ? strchr(end + 1, '/') : NULL;
        struct json_doc doc;
        if (file == NULL || strcmp(file, "/receipt.json") != 0)
            continue;
        st = receipt_get_doc(folder->fd, name, RECEIPT_FILE_MAX, &doc, err);
        if (st != OL_OK)
            break;
        st = each(arg, doc.root, name, err);
        json_doc_release(&doc);
    }
    receipt_listing_release(&listing);
    return st;
}

ol_status export_open_folder(const char *x, struct receipt_folder *ret, struct ol_error *err)
{
    struct stat s;
    char *path = stat(x, &s) == 0 && S_ISDIR(s.st_mode) ? realpath(x, NULL) : NULL;
    char *slash = path != NULL ? strrchr(path, '/') : NULL;
    ol_status st = OL_END;
    if (slash != NULL && receipt_is_run_id(slash + 1)) {
        *slash = '\0';
        st = receipt_folder_open(path, slash + 1, ret, err);
    }
    free(path);
    return st;
}

ol_status export_each_receipt(const char *x, export_receipt_handler *each, void *arg,
                              struct ol_error *err)
{
    struct receipt_folder folder;
    ol_status st = export_open_folder(x, &folder, err);
    if (st != OL_OK)
        return st;
    st = read_all(&folder, each, arg, err);
    receipt_folder_close(&folder);
    return st;
}

void export_add_uri(struct ol__buf *out, const struct json_node *artifact)
{
    static const char in_names[] = "/:@?=&%#+,;!$'()*[]"; /* have a meaning in URIs already */
    const char *space = json_get_text(artifact, "namespace");
    const char *name = json_get_text(artifact, "name");
    bool is_file = space != NULL && strcmp(space, "file") == 0;
    if (is_file)
        ol__buf_add_text(out, "file://");
    else if (space != NULL)
        ol__buf_add_format(out, "%s%s", space, name != NULL && name[0] == '/' ? "" : "/");
    client_add_percent(out, name != NULL ? name : "", is_file ? "/" : in_names);
}
