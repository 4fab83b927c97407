# SPDX-License-Identifier: Apache-2.0
"""A strict reader of OpenMetrics 1.0 text; ValueError says which line breaks which rule.

parse(text) -> {family: Family}; a sample is (name, {label: value}, number).
"""
import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "unknown": ("",), "info": ("_info",),
            "histogram": ("_bucket", "_count", "_sum", "_created")}


class Family:
    def __init__(self, name):
        self.name, self.type, self.help, self.samples = name, None, None, []

    def labels(self):
        return sorted({label for _, labels, _ in self.samples for label in labels} - {"le"})

    def value(self, **labels):
        found = [number for _, had, number in self.samples if had == labels]
        if len(found) != 1:
            raise KeyError("%s%s: %d samples" % (self.name, labels, len(found)))
        return found[0]


def _labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match:
            raise ValueError("bad label at %r in %r" % (text[at:], line))
        if match.group(1) in labels:
            raise ValueError("label %s twice in %r" % (match.group(1), line))
        labels[match.group(1)] = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m.group(1), m.group(1)),
                                        match.group(2))
        at = match.end()
        if at < len(text):
            if text[at] != ",":
                raise ValueError("expected a comma in %r" % line)
            at += 1
    return labels


def _sample(line):
    match = NAME.match(line)
    if not match:
        raise ValueError("no metric name: %r" % line)
    rest, labels = line[match.end():], {}
    if rest.startswith("{"):
        end = re.match(r'\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}', rest)
        if not end:
            raise ValueError("labels without an end: %r" % line)
        labels, rest = _labels(end.group(1), line), rest[end.end():]
    if not re.fullmatch(r" (?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)", rest):
        raise ValueError("expected one space and a number: %r" % line)
    return match.group(0), labels, float(rest)


def _check_histogram(family):
    series = {}
    for name, labels, number in family.samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        part = series.setdefault(key, {"buckets": []})
        if name.endswith("_bucket"):
            part["buckets"].append((float(labels["le"]), number))
        else:
            part[name[len(family.name):]] = number
    for key, part in series.items():
        bounds = [bound for bound, _ in part["buckets"]]
        counts = [count for _, count in part["buckets"]]
        if bounds != sorted(set(bounds)) or bounds[-1:] != [math.inf]:
            raise ValueError("%s%s: buckets %s" % (family.name, key, bounds))
        if counts != sorted(counts) or counts[-1] != part.get("_count") or "_sum" not in part:
            raise ValueError("%s%s: counts %s of %s" % (family.name, key, counts, part.get("_count")))


def parse(text):
    families, family, seen = {}, None, set()
    if not text.endswith("# EOF\n"):
        raise ValueError("does not end in # EOF")
    for line in text[:-1].split("\n")[:-1]:
        if line.startswith("# "):
            match = re.fullmatch(r"# (HELP|TYPE|UNIT) (%s) (.*)" % NAME.pattern, line)
            if not match:
                raise ValueError("bad comment: %r" % line)
            kind, name, rest = match.groups()
            if family is None or family.name != name:
                if name in families:
                    raise ValueError("family %s in two places" % name)
                family = families[name] = Family(name)
            if family.samples or getattr(family, kind.lower(), None) is not None:
                raise ValueError("%s of %s twice, or behind a sample" % (kind, name))
            if kind == "TYPE" and rest not in SUFFIXES:
                raise ValueError("type %s of %s" % (rest, name))
            setattr(family, kind.lower(), rest)
            continue
        name, labels, number = _sample(line)
        if family is None or name not in [family.name + end for end in SUFFIXES[family.type or "unknown"]]:
            raise ValueError("a sample outside its family: %r" % line)
        key = (name, tuple(sorted(labels.items())))
        if key in seen:
            raise ValueError("twice: %r" % line)
        seen.add(key)
        if family.type in ("counter", "histogram") and not number >= 0:
            raise ValueError("a negative count: %r" % line)
        family.samples.append((name, labels, number))
    for family in families.values():
        if family.type == "histogram":
            _check_histogram(family)
    return families
