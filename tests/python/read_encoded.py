"""Reads what the encoders wrote as the programs of others do, and finds what is more than text.

In: {"kind": [encoded, ...]}. Out: {"kind": [{"text": what a reader gets, "more": [what is there beside it]}, ...]}.
"""

import datetime
import html.parser
import json
import re
import struct
import sys
import unicodedata
import urllib.parse


class Page(html.parser.HTMLParser):
    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.texts, self.more = [], []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.more.append(f"<{tag}>")
        for name, value in attrs:
            self.more.append(name)
            self.texts.append(value)

    def handle_endtag(self, tag):
        self.more.append(f"</{tag}>")

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        self.more.append("a comment")

    def handle_decl(self, decl):
        self.more.append("a declaration")

    def unknown_decl(self, data):
        self.more.append("a declaration")

    def handle_pi(self, data):
        self.more.append("an instruction")


def read_html(encoded):
    """Once as the value of an attribute, once as content."""
    page = Page(f'<p title="{encoded}">{encoded}</p>')
    attribute, content = (page.texts + [""])[0], "".join(page.texts[1:])
    more = [] if page.more == ["<p>", "title", "</p>"] else page.more
    if attribute != content:
        more.append("the attribute says something else")
    return content, more


def read_slack(encoded):
    """Slack takes <...> for links and mentions, and knows three names."""
    more = re.findall(r"[<>]|&(?!(?:amp|lt|gt);)", encoded)
    names = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
    return re.sub("&(?:amp|lt|gt);", lambda found: names[found.group()], encoded), more


def read_line(encoded):
    """One line of a terminal: what moves the cursor, colours, turns, hides or ends the line is more than text."""
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    # Signs of Arabic, Syriac and Kaithi numbers are seen, whatever their category.
    seen = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
    more = ["another line"] if 1 < len((encoded + "x").splitlines()) else []
    for one in encoded:
        hidden = unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") and one not in seen
        if hidden or unicodedata.bidirectional(one) in turns:
            more.append(f"U+{ord(one):04X}")
    written = r"\\u\{([0-9a-f]{1,6})\}"
    return re.sub(written, lambda found: chr(int(found.group(1), 16)), encoded), more


def read_segment(address):
    """One part of a path, between two that are known."""
    split = urllib.parse.urlsplit(address)
    parts = split.path.split("/")
    more = [part for part in (split.query, split.fragment) if part]
    if len(parts) != 4 or [parts[0], parts[1], parts[3]] != ["", "users", "revoke"] or parts[2] in (".", ".."):
        return "", more + parts
    return urllib.parse.unquote(parts[2], errors="strict"), more


def read_odata(address):
    """The only parameter of an address: a comparison with one literal, by the grammar of the protocol."""
    split = urllib.parse.urlsplit(address)
    pairs = urllib.parse.parse_qsl(split.query, keep_blank_values=True, strict_parsing=True, errors="strict")
    if len(pairs) != 1 or pairs[0][0] != "$filter" or split.fragment:
        return "", [str(pairs), split.fragment]
    found = re.fullmatch(r"name eq '((?:[^']|'')*)'", pairs[0][1], re.DOTALL)
    return (found.group(1).replace("''", "'"), []) if found else ("", [pairs[0][1]])


def read_string(text, at):
    """A string in double quotes of the hunting language, by its documentation: what it is, and where it ends."""
    escapes = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
    digits = {"x": 2, "u": 4, "U": 8}
    if text[at : at + 1] != '"':
        return None
    got, at = "", at + 1
    while at < len(text):
        one, kind = text[at], text[at + 1 : at + 2]
        if one == '"':
            return got, at + 1
        if one in "\r\n":
            return None
        if one != "\\":
            got, at = got + one, at + 1
        elif kind in escapes and kind:
            got, at = got + escapes[kind], at + 2
        elif kind in digits and kind:
            code = text[at + 2 : at + 2 + digits[kind]]
            if not re.fullmatch("[0-9A-Fa-f]{%d}" % digits[kind], code):
                return None
            got, at = got + chr(int(code, 16)), at + 2 + digits[kind]
        else:
            return None
    return None


def hidden_in(encoded):
    """What a person who reads the query does not see, of the characters that have an escape."""
    return [more for more in read_line(encoded.replace("\\", ""))[1] if not re.fullmatch("U[+].{5,}", more)]


def read_kql(encoded):
    """One string literal of the hunting language, and nothing beside it."""
    found = read_string(encoded, 0)
    if found is None or found[1] != len(encoded):
        return "", [encoded]
    return found[0], hidden_in(encoded)


def read_kql_list(encoded):
    """A list of two equal texts, once as the language reads its strings and once as JSON."""
    inner = re.fullmatch(r"dynamic\(\[(.*)\]\)", encoded, re.DOTALL)
    first = read_string(inner.group(1), 0) if inner else None
    second = read_string(inner.group(1), first[1] + 1) if first else None
    if not second or inner.group(1)[first[1]] != "," or second[1] != len(inner.group(1)):
        return "", [encoded]
    try:
        texts = json.loads(f"[{inner.group(1)}]")
    except json.JSONDecodeError:
        return first[0], ["what is no JSON"]
    return first[0], hidden_in(encoded) + ([] if texts == [first[0], second[0]] and first[0] == second[0] else [texts])


LONGS = range(-(2**63), 2**63)
TICKS_OF_A_DAY = 24 * 60 * 60 * 10**7


def ticks_of_day(hour, minute, second, ticks):
    if 23 < hour or 59 < minute or 59 < second:
        return None
    return ((hour * 60 + minute) * 60 + second) * 10**7 + ticks


def long_of(digits):
    return f"long {int(digits)}" if int(digits) in LONGS else None


def real_of(number):
    """What it is, bit by bit; all that are no numbers are one."""
    number = float(number)
    return "real nan" if number != number else "real " + struct.pack(">d", number).hex()


def datetime_of(*parts):
    """Ticks since 1970, reckoned by days: the calendar of the language begins with year 1."""
    year, month, day, *rest = (int(part) for part in parts)
    ticks = ticks_of_day(*rest)
    try:
        days = datetime.date(year, month, day).toordinal() - datetime.date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    return None if ticks is None else f"datetime {days * TICKS_OF_A_DAY + ticks}"


def timespan_of(sign, days, *rest):
    ticks = ticks_of_day(*(int(part) for part in rest))
    if ticks is None:
        return None
    ticks = int(sign + "1") * (int(days) * TICKS_OF_A_DAY + ticks)
    return f"timespan {ticks}" if ticks in LONGS else None


# By the documentation of each type. A number with a sign is no literal but in the parentheses of its type.
LITERALS = [
    (r"(true|false)", lambda truth: f"bool {truth}"),
    (r"([0-9]+[.][0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)", real_of),
    (r"real[(](nan|[+]inf|-inf|[+-]?[0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?)[)]", real_of),
    (r"([0-9]+)", long_of),
    (r"long[(](-?[0-9]+)[)]", long_of),
    (
        r"datetime[(]([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})[.]([0-9]{7})Z[)]",
        datetime_of,
    ),
    (r"timespan[(](-?)([0-9]+)[.]([0-9]{2}):([0-9]{2}):([0-9]{2})[.]([0-9]{7})[)]", timespan_of),
]


def read_value(encoded):
    """One literal of another type than text: the type, and the value in a form of its own."""
    for pattern, of in LITERALS:
        found = re.fullmatch(pattern, encoded)
        value = found and of(*found.groups())
        if value:
            return value, []
    return "", [encoded]


def read_values(encoded):
    """A list of such literals, of which none has a comma inside."""
    inner = re.fullmatch(r"dynamic\(\[(.*)\]\)", encoded, re.DOTALL)
    if not inner:
        return "", [encoded]
    read = [read_value(item) for item in inner.group(1).split(",")]
    return ", ".join(value for value, _ in read), [found for _, more in read for found in more]


READERS = {
    "html": read_html,
    "slack": read_slack,
    "line": read_line,
    "segment": read_segment,
    "odata": read_odata,
    "kql": read_kql,
    "kqlList": read_kql_list,
    "kqlValue": read_value,
    "kqlValues": read_values,
}

given = json.load(sys.stdin)
read = {kind: [dict(zip(("text", "more"), READERS[kind](one))) for one in all] for kind, all in given.items()}
json.dump(read, sys.stdout)
