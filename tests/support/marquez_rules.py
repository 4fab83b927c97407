# SPDX-License-Identifier: Apache-2.0
"""What Marquez 0.51.1 answers to one POST /api/v1/lineage, as a pure function of its bytes.

Every rule was seen on a running server, except those marked "taken": these were not tried there, and
tests must not lean on them.

 1. 201 has no body. 422 has {"errors": [...]}. What Jackson cannot read is 500 with JSON and code 400.
    What PostgreSQL or the model code cannot take is 500 with an HTML page.
 2. Only the end of schemaURL picks the type; anything unknown is a RunEvent.
 3. A missing eventType is 500 HTML, and the raw row is stored all the same.
"""
import datetime
import hashlib
import json
import re
import uuid
from dataclasses import dataclass

JSON_TYPE = "application/json"
HTML_TYPE = "text/html;charset=iso-8859-1"

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?"
                   r"(?:Z|[+-]\d\d:?\d\d(?::\d\d)?)?(?:\[[^\]]+\])?")


@dataclass(frozen=True)
class Verdict:
    """The answer, and what the server kept of the event."""
    status: int
    content_type: str = ""
    body: bytes = b""
    stored: bool = False
    kind: str = ""        # RunEvent, DatasetEvent, JobEvent where the bytes got that far
    run_id: str = ""      # as sent
    event_type: str = ""  # as sent


class _Unreadable(Exception):
    """Jackson throws: 500, code 400."""


class _NotValid(Exception):
    """The bean validation complains: 422."""


def unreadable(message="Unable to process JSON"):
    """The answer to what cannot be read as JSON, or not as this type."""
    body = json.dumps({"code": 400, "message": message}).encode()
    return Verdict(500, JSON_TYPE, body)


def server_error(**kept):
    """The servlet container's own error page."""
    body = (b"<html><head><title>Error 500</title></head>"
            b"<body><h2>HTTP ERROR 500 Request failed.</h2></body></html>\n")
    return Verdict(500, HTML_TYPE, body, **kept)


def not_valid(errors):
    return Verdict(422, JSON_TYPE, json.dumps({"errors": errors}).encode())


def json_error(status, message):
    return Verdict(status, JSON_TYPE, json.dumps({"code": status, "message": message}).encode())


def is_time(text):
    """A date-time as the server reads it: the zone may be absent."""
    if not isinstance(text, str):
        return False
    found = _TIME.fullmatch(text)
    if not found:
        return False
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return False
    return True


def stored_run_id(text):
    """The id under which the server keeps a run: a text that is no UUID is hashed to one."""
    try:
        if len(text) == 36:
            return str(uuid.UUID(text))
    except ValueError:
        pass
    digest = bytearray(hashlib.md5(text.encode()).digest())
    digest[6] = digest[6] & 0x0F | 0x30
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))


def _constant(name):
    raise ValueError("'%s' is no JSON" % name)


def _parse(body):
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_constant)
    except RecursionError:
        raise _Unreadable("nested too deeply") from None
    except ValueError as bad:  # bad UTF-8 too
        raise _Unreadable(str(bad)) from None


def _has_nul(value):
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            todo.extend(item.keys())
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return False


def _member(where, holder, key, kind, errors, required=True):
    """holder[key] if it is a `kind`; a missing one is noted in errors, another type is unreadable."""
    value = holder.get(key)
    if value is None:
        if required:
            errors.append("%s%s must not be null" % (where, key))
        return None
    if not isinstance(value, kind):
        raise _Unreadable("%s%s: unexpected type" % (where, key))
    return value


def _check_parent(facet, errors):
    if not isinstance(facet, dict):
        raise _Unreadable("run.facets.parent: unexpected type")
    where = "run.facets.parent."
    run = _member(where, facet, "run", dict, errors)
    job = _member(where, facet, "job", dict, errors)
    if run is not None:
        _member(where + "run.", run, "runId", str, errors)
    if job is not None:
        _member(where + "job.", job, "namespace", str, errors)
        _member(where + "job.", job, "name", str, errors)


def _check_run(event, errors):
    run = _member("", event, "run", dict, errors)
    if run is None:
        return ""
    run_id = _member("run.", run, "runId", str, errors)
    facets = _member("run.", run, "facets", dict, errors, required=False) or {}
    nominal = facets.get("nominalTime")
    if isinstance(nominal, dict):
        for key in ("nominalStartTime", "nominalEndTime"):
            if nominal.get(key) is not None and not is_time(nominal[key]):
                raise _Unreadable("run.facets.nominalTime.%s: no time" % key)
    for key in ("parent", "parentRun"):
        if facets.get(key) is not None:
            _check_parent(facets[key], errors)
    return run_id or ""


def _check_named(where, thing, errors):
    if thing is not None:
        _member(where, thing, "namespace", str, errors)  # taken
        _member(where, thing, "name", str, errors)


def _check_datasets(event, errors):
    for key in ("inputs", "outputs"):
        for index, item in enumerate(_member("", event, key, list, errors, required=False) or []):
            if not isinstance(item, dict):
                raise _Unreadable("%s[%d]: unexpected type" % (key, index))
            _check_named("%s[%d]." % (key, index), item, errors)  # taken


def _check(event, kind, errors):
    """Fill errors; return (run id, event type)."""
    run_id = event_type = ""
    time = event.get("eventTime")
    if time is None:
        errors.append("eventTime must not be null")
    elif not is_time(time):
        raise _Unreadable("eventTime: no time")
    _member("", event, "producer", str, errors)
    if kind == "DatasetEvent":
        _check_named("dataset.", _member("", event, "dataset", dict, errors), errors)
        return run_id, event_type
    if kind == "RunEvent":
        run_id = _check_run(event, errors)
        event_type = _member("", event, "eventType", str, errors, required=False) or ""
    _check_named("job.", _member("", event, "job", dict, errors), errors)
    _check_datasets(event, errors)
    return run_id, event_type


def _kind(event):
    url = event.get("schemaURL")
    tail = url.rsplit("/", 1)[-1] if isinstance(url, str) else ""
    return tail if tail in ("DatasetEvent", "JobEvent") else "RunEvent"


def judge(body):
    """The verdict over one decoded request body."""
    if not body.strip(b" \t\r\n"):
        return not_valid(["The request body must not be null"])
    try:
        event = _parse(body)
        if event is None:
            return not_valid(["The request body must not be null"])
        if not isinstance(event, dict):
            raise _Unreadable("an object was expected")
        kind = _kind(event)
        errors = []
        run_id, event_type = _check(event, kind, errors)
    except _Unreadable as bad:
        return unreadable(str(bad))
    if errors:
        return not_valid(errors)
    kept = {"kind": kind, "run_id": run_id, "event_type": event_type}
    if b"\\u0000" in body and _has_nul(event):
        return server_error(**kept)
    if kind == "RunEvent" and not event_type:
        return server_error(stored=True, **kept)
    return Verdict(201, stored=True, **kept)
