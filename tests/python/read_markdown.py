"""Reads texts as Markdown: a JSON list of texts in, for each the tags it makes and the text it shows."""

import html.parser
import json
import sys

from markdown_it import MarkdownIt


class Page(html.parser.HTMLParser):
    def __init__(self, markup):
        super().__init__(convert_charrefs=True)
        self.text, self.tags = [], set()
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text.append(data)


pages = [Page(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)) for text in json.load(sys.stdin)]
print(json.dumps([{"tags": sorted(page.tags), "text": "".join(page.text)} for page in pages]))
