#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the installed library promises, looked at from outside. promises.py CHECK BUILD SOURCE [PROGRAM]

null      every exported function, called with a NULL handle, does nothing and says so
imports   the library binds to nothing that a good guest leaves alone, and all that may fail is failed
          by tests/fault (PROGRAM --list)
headers   each installed header compiles alone, as C11, C17 and C++17, with gcc and clang
manual    openlineage(3) names each function
size      text below 400 KB; linked: libc, libuuid, yajl
abi       nothing that a program was built with is gone or moved (emitter/libopenlineage.abi)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HEADERS = ("status.h", "values.h", "facets.h", "openlineage.h", "answer.h", "call.h", "collect.h")
SKIP = 77
# May fail without a word, or cannot fail: nothing to be tried there.
HARMLESS = set("""
 __asprintf_chk __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc __cxa_finalize __environ environ __errno_location
 __explicit_bzero_chk explicit_bzero __longjmp_chk __memcpy_chk __memmove_chk __memset_chk __snprintf_chk __stack_chk_fail __strcpy_chk __strcat_chk
 __strncpy_chk __vsnprintf_chk _setjmp setjmp longjmp asprintf snprintf vsnprintf clock_gettime closedir fclose free
 __sched_cpucount gnu_get_libc_version dlclose dlsym getauxval getenv geteuid getpid munmap
 memchr memcmp memcpy memmem memmove memrchr memset qsort bsearch sched_yield secure_getenv strcasecmp strchr strchrnul strcmp
 strcspn strsep regerror regfree strerrordesc_np strlen strncasecmp strncmp strnlen strpbrk strrchr strspn strstr strtod strtok_r strtol
 strtoll strtoul strtoull tolower toupper pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock
 fabs floor fmod frexp ldexp round trunc nextafter __isnan __isinf gmtime_r timegm""".split())
# Of the writing thread's mask only: emitter/quiet_write.c.
MASK = set("pthread_sigmask sigaddset sigemptyset sigismember sigpending sigtimedwait".split())
WEAK = {"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__gmon_start__"}
CRASH_POINTS = {"kill", "pause"}  # base/error.c, in test builds only


def fail(text):
    print("FAILED: " + text)
    sys.exit(1)


def run(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True, **more).stdout


def skip(reason):
    if os.environ.get("LINEAGED_TESTS_REQUIRE") == "all":
        fail(reason)
    print("SKIP: " + reason)
    sys.exit(SKIP)


class Place:
    def __init__(self, build, source):
        self.build, self.source = build, source
        self.library = os.path.join(build, "emitter", "libopenlineage.so")
        self.include = (os.path.join(source, "include"), os.path.join(build, "generated"))

    def header(self, name):
        for folder in self.include:
            path = os.path.join(folder, "openlineage", name)
            if os.path.exists(path):
                return path
        fail("no header " + name)

    def exported(self):
        lines = run("nm", "-D", "--defined-only", self.library).splitlines()
        return {line.split()[-1].split("@")[0] for line in lines if line.split()[-2] != "A"}

    def flags(self):
        return ["-I" + folder for folder in self.include]


# ---- null ----

class Function:
    def __init__(self, result, name, parameters):
        self.result, self.name = result, name
        self.parameters = [p.strip() for p in parameters.split(",")] if parameters.strip() != "void" else []

    def takes_handle(self):
        return bool(self.parameters) and bool(
            re.match(r"(const )?struct ol_(client|run|job|dataset|serving|call) \*\w+$", self.parameters[0]))


def functions(place):
    found = []
    for name in HEADERS:
        with open(place.header(name), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        for match in re.finditer(r"^OL_API\s+(?:OL_NODISCARD\s+)?([\w\s*]+?)\b(ol_\w+)\(([^;]*)\);", text, re.M):
            result, name, parameters = (re.sub(r"\s+", " ", part).strip() for part in match.groups())
            found.append(Function(result, name, parameters))
    return found


def argument(parameter, is_plausible):
    """A C expression for it: 0 of its type, or what a caller might pass."""
    kind = re.sub(r"\w+(\[\w+\])?$", "", parameter).strip()
    if "[" in parameter:
        return "text" if is_plausible else "NULL"
    if not is_plausible or kind.startswith("enum"):
        return "0" if "*" not in kind else "NULL"
    if re.match(r"struct ol_(client|run|dataset|serving|call) \*\*", kind):
        return "(void *)&" + re.search(r"ol_(client|run|dataset|serving|call)", kind).group(1)
    if kind == "struct ol_error *":
        return "&error"
    if kind == "struct ol_call_result *":
        return "(void *)zeroes"
    if kind == "const char **":
        return "&reason"
    if kind.startswith("const struct"):
        return "(const void *)zeroes"
    if kind == "const char *" or kind == "const void *":
        return '"x"'
    return "text" if kind == "char *" else "1"


def call(function, is_plausible):
    """C code that calls it with a NULL handle and checks what came of it."""
    arguments = ["NULL"] + [argument(p, is_plausible) for p in function.parameters[1:]]
    expression = "%s(%s)" % (function.name, ", ".join(arguments))
    makes = any("**" in p and "char" not in p for p in function.parameters)
    if function.result == "void":
        return "    %s;" % expression
    if function.result == "ol_status":
        want = "OL_INVALID" if makes and not is_plausible else "OL_DISABLED"
    else:
        want = "NULL" if "*" in function.result else "0"
    lines = ['    EXPECT(%s == %s);' % (expression, want)]
    if makes and is_plausible:
        lines += ["    EXPECT(%s == NULL);" % re.search(r"ol_(\w+) \*\*", p).group(1)
                  for p in function.parameters if re.search(r"\*\*ret(_dataset)?$", p)]
        lines.append("    run = RUN_JUNK; dataset = SET_JUNK; serving = SERVING_JUNK; call = CALL_JUNK;")
    return "\n".join(lines)


NULL_PROGRAM = """
#include <openlineage/openlineage.h>
#include <stdio.h>
#include <string.h>
#define EXPECT(c) do { checks++; if (!(c)) { failures++; printf("FAILED: %%s\\n", #c); } } while (0)
#define RUN_JUNK ((struct ol_run *)&junk)
#define SET_JUNK ((struct ol_dataset *)&junk)
#define SERVING_JUNK ((struct ol_serving *)&junk)
#define CALL_JUNK ((struct ol_call *)&junk)
static _Alignas(16) char zeroes[4096];
int main(void)
{
    static int junk;
    int failures = 0, checks = 0;
    char text[4096] = "";
    const char *reason = text;
    struct ol_error error;
    struct ol_client *client = NULL;
    struct ol_run *run = RUN_JUNK;
    struct ol_dataset *dataset = SET_JUNK;
    struct ol_serving *serving = SERVING_JUNK;
    struct ol_call *call = CALL_JUNK;
    (void)call; (void)client; (void)reason; (void)error; (void)serving;
%s
    /* The functions without a handle, with nothing at all. */
    EXPECT(ol_client_open(NULL, &client, &error) == OL_INVALID && client == NULL);
    EXPECT(ol_client_open(NULL, NULL, NULL) == OL_INVALID);
%s
    printf("%%d calls\\n", checks);
    return failures != 0;
}
"""


def check_null(place):
    known = functions(place)
    missing = place.exported() ^ {f.name for f in known}
    if missing:
        fail("exported, but in no installed header, or the other way round: " + " ".join(sorted(missing)))
    handled = [f for f in known if f.takes_handle()]
    others = [f for f in known if not f.takes_handle() and f.name != "ol_client_open"]
    calls = "\n".join(call(f, is_plausible) for f in handled for is_plausible in (False, True))
    rest = []
    for f in others:
        expression = "%s(%s)" % (f.name, ", ".join(argument(p, False) for p in f.parameters))
        if f.result == "ol_status":
            rest.append("    EXPECT(%s == OL_INVALID);" % expression)
        elif "*" in f.result and f.name not in ("ol_version", "ol_status_name"):
            rest.append("    EXPECT(%s == NULL);" % expression)
        elif "*" in f.result:
            rest.append("    EXPECT(%s[0] != '\\0');" % expression)
        else:
            rest.append("    (void)%s;" % expression)
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "null.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(NULL_PROGRAM % (calls, "\n".join(rest)))
        program = os.path.join(folder, "null")
        run(os.environ.get("CC", "cc"), "-std=c17", "-w", "-O0", "-o", program, source, *place.flags(), place.library,
            "-Wl,-rpath," + os.path.dirname(place.library))
        done = subprocess.run([program], stdout=subprocess.PIPE, universal_newlines=True, check=False)
        print(done.stdout.strip())
        if done.returncode != 0:
            fail("a function minds a NULL handle (status %d)" % done.returncode)
    print("%d functions, %d of them with a handle" % (len(known), len(handled)))


# ---- the others ----

def check_imports(place, program):
    tried = set(run(program, "--list").split())
    lines = run("nm", "-D", "--undefined-only", place.library).splitlines()
    names = {line.split()[-1].split("@")[0] for line in lines}
    ours = {n for n in names if n.startswith(("yajl_", "uuid_"))}
    unknown = names - ours - tried - HARMLESS - MASK - WEAK - CRASH_POINTS
    if unknown:
        fail("the library binds to %s: a call that can fail belongs into tests/fault/fault_calls.c, a harmless one "
             "into HARMLESS here, and what prints, exits, makes threads or processes, or changes signals or the "
             "locale does not belong into the library" % " ".join(sorted(unknown)))
    print("%d names, %d of them failed in tests/fault" % (len(names), len(names & tried)))


def check_headers(place, _program=None):
    tried = 0
    compilers = [("gcc", "-xc", ("c11", "c17")), ("clang", "-xc", ("c11", "c17")), ("g++", "-xc++", ("c++17",)),
                 ("clang++", "-xc++", ("c++17",))]
    for compiler, language, standards in compilers:
        if shutil.which(compiler) is None:
            skip("no " + compiler)
        for standard in standards:
            for name in HEADERS:
                done = subprocess.run(
                    [compiler, language, "-std=" + standard, "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic",
                     "-Wconversion", "-Wshadow", "-Werror", "-Wno-pragma-once-outside-header", *place.flags(), "-"],
                    input="#include <openlineage/%s>\n#include <openlineage/%s>\nextern int not_empty;\n" % (name, name),
                    universal_newlines=True, stderr=subprocess.PIPE, check=False)
                tried += 1
                if done.returncode != 0:
                    fail("%s alone, %s -std=%s:\n%s" % (name, compiler, standard, done.stderr))
    print("%d ways to include a header" % tried)


def check_manual(place, _program=None):
    with open(os.path.join(place.build, "emitter", "openlineage.3"), encoding="utf-8") as file:
        words = set(re.findall(r"ol_\w+", file.read().replace("\\", "")))
    missing = place.exported() - words
    if missing:
        fail("openlineage(3) says nothing of " + " ".join(sorted(missing)))
    gone = {word for word in words if word.startswith(("ol_run_", "ol_job_", "ol_dataset_", "ol_client_", "ol_id_"))}
    gone -= place.exported() | {"ol_run_options", "ol_client_options", "ol_id_rule"}
    gone = {word for word in gone if not word.endswith("_")}
    if gone:
        fail("openlineage(3) speaks of what there is not: " + " ".join(sorted(gone)))
    print("%d functions" % len(place.exported()))


def check_size(place, _program=None):
    text = int(run("size", place.library).splitlines()[1].split()[0])
    needed = re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", place.library))
    extra = [n for n in needed if not re.match(r"lib(c|m|uuid|yajl)\.so\.\d+$|ld-linux", n)]
    print("text %d bytes; needs %s" % (text, " ".join(needed)))
    if extra:
        fail("needs more than libc, libuuid, yajl: " + " ".join(extra))
    if text > 400 * 1024:
        fail("text above 400 KB")


# Of abidiff's report, what leads to a change, and the one change that is allowed: a struct that grew at its
# end, told apart by struct_size. (Its own suppressions for that make abidiff 2.2 crash.)
PATH_TO_CHANGE = re.compile(
    r"(Functions|Variables) changes summary|\d+ functions? with some indirect sub-type change|\[C\] 'function|"
    r"parameter \d+ of type .* has sub-type changes|in (pointed to|unqualified underlying) type|"
    r"type of '.*' changed:$|\d+ data member insertions?:|details were reported earlier|")
SIZE = re.compile(r"type size changed from (\d+) to (\d+) \(in bits\)")
INSERTION = re.compile(r"'.*', at offset (\d+) \(in bits\)")


def only_grew(report):
    size = None
    for line in report.splitlines():
        line = line.strip()
        grown, inserted = SIZE.match(line), INSERTION.match(line)
        if grown and int(grown[2]) > int(grown[1]):
            size = int(grown[1])
        elif inserted and size is not None and int(inserted[1]) >= size:
            continue
        elif not PATH_TO_CHANGE.match(line) or (line and PATH_TO_CHANGE.match(line)[0] == ""):
            return False
    return True


def check_abi(place, _program=None):
    if shutil.which("abidiff") is None:
        skip("no abidiff (Debian: abigail-tools)")
    dump = os.path.join(place.source, "emitter", "libopenlineage.abi")
    done = subprocess.run(["abidiff", "--no-added-syms", dump, place.library], stdout=subprocess.PIPE,
                          universal_newlines=True, check=False)
    if done.returncode != 0 and (done.returncode != 4 or not only_grew(done.stdout)):
        fail("a program that was built earlier would break (abidiff: %d). If nothing was released since: "
             "scripts/abi-dump, and say so in the commit.\n%s" % (done.returncode, done.stdout))
    print("nothing is gone or moved")


def main():
    check, build, source = sys.argv[1:4]
    place = Place(build, source)
    program = sys.argv[4] if len(sys.argv) > 4 else None
    if check == "null":
        check_null(place)
    else:
        {"imports": check_imports, "headers": check_headers, "manual": check_manual, "size": check_size,
         "abi": check_abi}[check](place, program)


main()
