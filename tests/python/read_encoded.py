"""Reads what the encoders wrote as the programs of others do, and finds what is more than text.

In: {"kind": [encoded, ...]}. Out: {"kind": [{"text": what a reader gets, "more": [what is there beside it]}, ...]}.
"""

import html.parser
import json
import re
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


READERS = {"html": read_html, "slack": read_slack, "line": read_line, "segment": read_segment, "odata": read_odata}

given = json.load(sys.stdin)
read = {kind: [dict(zip(("text", "more"), READERS[kind](one))) for one in all] for kind, all in given.items()}
json.dump(read, sys.stdout)
