"""A mail server for one test: says its port, then what it received, one JSON line each.

What it received has passed Python's own mail parser and HTML parser, so the test compares against a
reader that shares no code with the writer.
"""

import argparse
import asyncio
import concurrent.futures
import email
import email.policy
import html.parser
import json
import os
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

# The library warns about settings that are right for this test.
warnings.simplefilter("ignore")


class Page(html.parser.HTMLParser):
    """Collects the text of a page, its tags and the names of their attributes."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.attributes, self.hidden = [], set(), set(), 0

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _value in attrs)
        self.hidden += tag in ("style", "title")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "title")

    def handle_data(self, data):
        if not self.hidden:
            self.text.append(data)


# The test reads a mail after it has been accepted, and a pipe holds less than a large mail: writing must
# not hold up the answer.
speaker = concurrent.futures.ThreadPoolExecutor(max_workers=1)


def say(**line):
    speaker.submit(print, json.dumps(line), flush=True)


class Handler:
    """Reads each mail aloud."""

    def __init__(self, options):
        self.options = options

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if self.options.silent:
            await asyncio.sleep(3600)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        if address.startswith("busy@"):
            return "451 mailbox is locked"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        raw = envelope.content
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        parts = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
        markup = parts["text/html"].get_content()
        page = Page()
        page.feed(markup)
        page.close()
        say(
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            user=getattr(session.auth_data, "login", b"").decode() if session.auth_data else None,
            encrypted=session.ssl is not None or self.options.mode == "implicit",
            headers=[[name, str(value)] for name, value in mail.items()],
            kinds=[part.get_content_type() for part in mail.walk()],
            plain=parts["text/plain"].get_content(),
            html=markup,
            html_text="".join(page.text),
            html_tags=sorted(page.tags),
            html_attributes=sorted(page.attributes),
            defects=[str(defect) for part in mail.walk() for defect in part.defects],
            longest_line=max(len(line) for line in raw.split(b"\r\n")),
            bare_newlines=raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"),
            size=len(raw),
        )
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"huntbook" and data.password == b"correct horse"
    if good:
        session.auth_data = data
    return AuthResult(success=good, handled=False, auth_data=data if good else None)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["plain", "starttls", "implicit"], required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--auth", action="store_true")
    parser.add_argument("--silent", action="store_true", help="say nothing more after the login")
    options = parser.parse_args()

    context = None
    if options.mode != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)

    def protocol():
        starttls = options.mode == "starttls"
        return SMTP(
            Handler(options),
            hostname="mail.contoso.example",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_required=options.auth,
            # With implicit TLS the library does not know that the connection is encrypted.
            auth_require_tls=starttls,
            authenticator=authenticate if options.auth else None,
            data_size_limit=None,
        )

    loop = asyncio.get_running_loop()
    implicit = context if options.mode == "implicit" else None
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
    say(port=server.sockets[0].getsockname()[1])
    # The test holds our standard input open for as long as it wants us.
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
