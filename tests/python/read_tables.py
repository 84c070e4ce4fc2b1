"""Reads what the encoders of tables and events wrote, as programs of others do.

In: {"csv": text, "cef": [lines]}. Out: {"csv": records, "cef": [[header, extension]]}. The reader of events is written
after the standard alone: a header of seven parts, then keys before an equals sign, each up to the next key.
"""

import csv
import io
import json
import re
import sys

NEXT_KEY = re.compile(r"(?:^| )([A-Za-z0-9_]+)(?<!\\)=")


def header(line):
    parts, part, at = [], "", 0
    while len(parts) < 7:
        c = line[at]
        if c == "\\" and line[at + 1] in "\\|":
            part, at = part + line[at + 1], at + 2
        elif c == "|":
            parts, part, at = parts + [part], "", at + 1
        else:
            part, at = part + c, at + 1
    return parts, line[at:]


def unescape(text):
    words = {"\\": "\\", "=": "=", "n": "\n", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: words[found.group(1)], text)


def extension(text):
    found = list(NEXT_KEY.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {match.group(1): unescape(text[match.end():end]) for match, end in zip(found, ends)}


def event(line):
    assert "\n" not in line and "\r" not in line, line
    parts, rest = header(line)
    return [parts, extension(rest)]


given = json.load(sys.stdin)
records = list(csv.reader(io.StringIO(given["csv"], newline=""), strict=True))
json.dump({"csv": records, "cef": [event(line) for line in given["cef"]]}, sys.stdout)
