#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Become the Java or the Python client that bench_clients talks to: peer.py [--show] java|python URL.

Replaces itself by that program, so that its process id stays; exit 77 with a reason where it cannot be had.
--show: print the words of that program instead, one a line.
"""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parent / "support/clients")]

import cache  # noqa: E402
import clients  # noqa: E402


def java(url):
    cache.need("java", "javac")
    pom, source = HERE.parent / "support/clients/java/pom.xml", HERE / "java/BenchEmit.java"
    jars = cache.jars("java-client", pom)

    def make(work):
        cache.run(["javac", "-nowarn", "-encoding", "UTF-8", "-cp", str(jars / "*"), "-d", str(work),
                   str(source)], "javac")

    classes = cache.directory("java-bench-classes", [pom, source], make)
    return ["java", "-cp", "%s:%s/*" % (classes, jars), "BenchEmit", url]


def python(url):
    return [str(clients.PythonClient().python), str(HERE / "emit_python.py"), url]


def main():
    makers = {"java": java, "python": python}
    is_shown = sys.argv[1:2] == ["--show"]
    words = sys.argv[2 if is_shown else 1:]
    if len(words) != 2 or words[0] not in makers:
        print("usage: peer.py [--show] java|python URL", file=sys.stderr)
        return 2
    try:
        argv = makers[words[0]](words[1])
    except cache.Cannot as reason:
        print("cannot: %s" % reason, file=sys.stderr)
        return cache.CANNOT_EXIT
    if is_shown:
        print(*argv, sep="\n")
        return 0
    # Nothing of the caller's own configuration may steer the clients.
    for name in list(os.environ):
        if name.upper().startswith(("OPENLINEAGE", "PYTHON", "JAVA", "HTTP_PROXY", "HTTPS_PROXY")):
            del os.environ[name]
    os.environ["NO_PROXY"] = "*"
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    sys.exit(main())
