/* SPDX-License-Identifier: Apache-2.0 */
/* openlineage.yml(5) as man(7) source, from the table. */
#include "config_keys.h"
#include "config_report.h"

static void add_escaped(struct ol__buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            ol__buf_add_text(out, "\\e");
        else if (*text == '-')
            ol__buf_add_text(out, "\\-");
        else
            ol__buf_add_char(out, *text);
    }
}

static void add_line(struct ol__buf *out, const char *text)
{
    ol__buf_add_text(out, "\\&"); /* a dot or quote in front is no request then */
    add_escaped(out, text);
    ol__buf_add_char(out, '\n');
}

static void add_kinds(const struct ol__key_info *info, struct ol__buf *out)
{
    bool is_first = true;
    if (info->kinds == 0)
        return;
    ol__buf_add_text(out, "Of ");
    for (int kind = OL_KIND_JOURNAL; kind <= OL_KIND_TRANSFORM; kind++) {
        if ((info->kinds & OL_KIND_BIT(kind)) == 0)
            continue;
        ol__buf_add_format(out, "%s%s", is_first ? "" : ", ",
                           ol__transport_kind_name((enum ol__transport_kind)kind));
        is_first = false;
    }
    ol__buf_add_text(out, ". ");
}

static void add_key(const struct ol__key_info *info, struct ol__buf *out)
{
    static const char *const types[] = {
        [OL_KEY_TEXT] = "text",
        [OL_KEY_BOOL] = "true or false",
        [OL_KEY_MS] = "milliseconds",
        [OL_KEY_SECONDS] = "seconds",
        [OL_KEY_INT] = "number",
        [OL_KEY_CHOICE] = NULL,
        [OL_KEY_TEXTS] = "list",
        [OL_KEY_MAP] = "mapping",
        [OL_KEY_TAGS] = "mapping or list of KEY:VALUE:SOURCE",
        [OL_KEY_ITEMS] = "list of mappings",
        [OL_KEY_TRANSPORTS] = "list, or mapping by name",
        [OL_KEY_SECTION] = "mapping",
        [OL_KEY_ANY] = "anything",
    };
    ol__buf_add_text(out, ".TP\n.B ");
    add_escaped(out, info->path != NULL ? info->path : info->variable);
    ol__buf_add_text(out, "\n");
    add_kinds(info, out);
    if (info->path != NULL)
        add_line(out, info->type == OL_KEY_CHOICE ? info->choices : types[info->type]);
    if (info->default_value != NULL) {
        ol__buf_add_text(out, "(default: ");
        add_escaped(out, info->default_value);
        ol__buf_add_text(out, ")\n");
    }
    if (info->aliases != NULL) {
        ol__buf_add_text(out, "Also written: ");
        add_escaped(out, info->aliases);
        ol__buf_add_text(out, ".\n");
    }
    if (info->path != NULL && info->variable != NULL) {
        ol__buf_add_text(out, "Also the variable ");
        add_escaped(out, info->variable);
        ol__buf_add_text(out, ".\n");
    }
    ol__buf_add_text(out, ".br\n");
    if (info->use != OL_USE_YES)
        ol__buf_add_text(out, info->use == OL_USE_NONE ? "Not used here, which the log is told: "
                                                       : "Means the journal: ");
    add_line(out, info->help);
}

static void add_keys(enum ol__key_scope scope, bool has_path, struct ol__buf *out)
{
    for (size_t i = 0; i < OL_KEY_COUNT; i++)
        if (ol__keys[i].scope == scope && (ol__keys[i].path != NULL) == has_path)
            add_key(&ol__keys[i], out);
}

ol_status ol__config_manual(struct ol__buf *out)
{
    ol__buf_add_text(
        out,
        ".\\\" SPDX-License-Identifier: Apache-2.0\n"
        ".TH OPENLINEAGE.YML 5 2026-11 \"lineaged " OL_VERSION "\" \"File Formats\"\n"
        ".SH NAME\nopenlineage.yml \\- what a client of libopenlineage is told\n"
        ".SH DESCRIPTION\n"
        "A client reads one file: the one its program names, else OPENLINEAGE_CONFIG, else\n"
        ".IR ./openlineage.yml ,\nelse\n.IR ~/.openlineage/openlineage.yml .\n"
        "A variable OPENLINEAGE__A__B says what the key a.b of the file says; the file wins, and\n"
        "of two variables the one with fewer steps. A value that begins with { or [ is JSON.\n"
        "In keys the letter case, the underscore and the hyphen do not count:\n"
        ".BR custom_headers ,\n.B CUSTOMHEADERS\nand\n.B customHeaders\nare one. So a file written "
        "for the Python or the Java client means the same here,\n"
        "as far as the library can do what it says; what it cannot is told to the log function,\n"
        "with file and line, and\n.BR \"lineage config\" (1)\nshows all of it.\n"
        ".PP\nA file has at most 1 MiB, 10,000 values and 16 levels; a value at most 64 KiB.\n"
        "Aliases are not taken.\n"
        ".SH KEYS\n");
    add_keys(OL_SCOPE_ROOT, true, out);
    ol__buf_add_text(out, ".SH TRANSPORTS\nKeys below\n.BR transport ,\nand below each of "
                          "several in\n.BR transport.transports .\n");
    add_keys(OL_SCOPE_TRANSPORT, true, out);
    ol__buf_add_text(out, ".SH FILTERS\nKeys of each element of\n.BR filters .\n");
    add_keys(OL_SCOPE_FILTER, true, out);
    ol__buf_add_text(out, ".SH REDACTIONS\nKeys of each element of\n.BR redactions .\n");
    add_keys(OL_SCOPE_REDACTION, true, out);
    ol__buf_add_text(out, ".SH ENVIRONMENT\n");
    add_keys(OL_SCOPE_ROOT, false, out);
    ol__buf_add_text(out, ".SH \"SEE ALSO\"\n.BR openlineage (3),\n.BR lineage (1)\n");
    return out->status;
}
