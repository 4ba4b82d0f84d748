"""HTTP/1.1 as bytes: one request and one answer, read and written without changing any of them."""

import dataclasses
import re
import socket

PATIENCE_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it came: the head with its empty line, and the body in its transfer coding."""

    head: bytes
    body: bytes

    @property
    def method(self):
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self):
        return self.head.split(b" ", 2)[1].decode()

    def header(self, name):
        """The header's value, "" where it is absent."""
        found = re.search(rb"(?im)^" + re.escape(name.encode()) + rb":[ \t]*(.*?)[ \t]*\r$", self.head)
        return found.group(1).decode() if found else ""

    def signed(self, name):
        """Whether the signature covers the header."""
        text = self.header("authorization") or self.target
        names = re.search(r"SignedHeaders=([^,&]*)", text)
        return bool(names) and name in re.split(r";|%3B", names.group(1).lower())

    def with_header(self, name, value):
        """The same request with another value of a header that it has."""
        pattern = rb"(?im)^(" + re.escape(name.encode()) + rb":[ \t]*).*\r$"
        head, count = re.subn(pattern, rb"\g<1>" + value.encode() + rb"\r", self.head)
        if count != 1:
            raise AssertionError(f"{count} headers {name}")
        return dataclasses.replace(self, head=head)

    @property
    def chunked(self):
        """Whether the body is in the chunks of HTTP itself."""
        return "chunked" in self.header("transfer-encoding").lower()

    def content(self):
        """The body without the chunks of HTTP itself."""
        if not self.chunked:
            return self.body
        body, rest = b"", self.body
        while True:
            line, rest = rest.split(b"\r\n", 1)
            size = int(line.split(b";")[0], 16)
            if size == 0:
                return body
            body, rest = body + rest[:size], rest[size + 2 :]

    def with_content(self, content):
        """The same request with another body, its framing told rightly."""
        if not self.chunked:
            return dataclasses.replace(self.with_header("content-length", str(len(content))), body=content)
        return dataclasses.replace(self, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))


@dataclasses.dataclass(frozen=True)
class Answer:
    raw: bytes

    @property
    def status(self):
        return int(self.raw.split(b" ", 2)[1])

    @property
    def code(self):
        found = re.search(rb"<Code>(.*?)</Code>", self.raw)
        return found.group(1).decode() if found else ""


class Stream:
    """A connection that is read up to a mark or for a number of bytes."""

    def __init__(self, connection):
        self.connection = connection
        self.pending = b""

    def more(self):
        data = self.connection.recv(1 << 18)
        self.pending += data
        return bool(data)

    def until(self, mark):
        """All up to and with `mark`; None where the stream ends before it began."""
        while mark not in self.pending:
            if not self.more():
                if self.pending:
                    raise AssertionError(f"the stream ended in {self.pending[:200]!r}")
                return None
        taken, mark, self.pending = self.pending.partition(mark)
        return taken + mark

    def exactly(self, count):
        while len(self.pending) < count:
            if not self.more():
                raise AssertionError(f"the stream ended {count - len(self.pending)} bytes early")
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def chunks(self):
        """A body in the chunks of HTTP itself, as it comes."""
        body = b""
        while True:
            line = self.until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += line + self.exactly(size + 2)
            if size == 0:
                return body

    def request(self):
        """The next request, its client told to go on where it waits for that; None where there is none."""
        head = self.until(b"\r\n\r\n")
        if head is None:
            return None
        request = Request(head, b"")
        if request.header("expect"):
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.chunked:
            return Request(head, self.chunks())
        return Request(head, self.exactly(int(request.header("content-length") or 0)))

    def answer(self, method):
        """The final answer to a request."""
        head = self.until(b"\r\n\r\n")
        if head is None:
            raise AssertionError("the connection was closed without an answer")
        fields = Request(head, b"")
        status = Answer(head).status
        if status < 200:
            return self.answer(method)
        if method == "HEAD" or status in (204, 304):
            return Answer(head)
        if fields.chunked:
            return Answer(head + self.chunks())
        return Answer(head + self.exactly(int(fields.header("content-length") or 0)))


def exchange(address, request, ends=False):
    """The answer to a request on a connection of its own; with `ends` the client ends its side after the last byte."""
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(request.head + request.body)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The other side has answered before it had all.
        return Stream(connection).answer(request.method)
