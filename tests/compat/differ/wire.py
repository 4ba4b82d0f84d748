"""HTTP/1.1 as bytes: requests go out exactly as they are written, answers come back with every header as it came.

Keeps one connection per address. A request that meets a connection which the server has closed is sent again on a new one.
"""

import dataclasses
import socket

TIMEOUT_SECONDS = 60
MOST_OF_A_HEAD = 1 << 20


class Broken(Exception):
    """The connection ended where an answer should have come or gone on."""


@dataclasses.dataclass
class Answer:
    """An answer; `broken` tells why there is none, or none whole."""

    status: int = 0
    headers: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    broken: str = ""

    def header(self, name):
        return next((value for other, value in self.headers if other == name), None)


class Connection:
    """A connection to one server, opened when it is needed."""

    def __init__(self, address):
        self.address = address
        self.socket = None
        self.buffer = b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.buffer = None, b""

    def send(self, head, body, method):
        """Sends a request and reads its answer."""
        for attempt in (0, 1):
            reused = self.socket is not None
            try:
                return self.exchange(head, body, method)
            except (Broken, OSError) as problem:
                untouched = reused and not self.buffer and not isinstance(problem, TimeoutError)
                self.close()
                if attempt or not untouched:
                    return Answer(broken=type(problem).__name__)
        raise AssertionError("the second attempt returns")

    def exchange(self, head, body, method):
        if self.socket is None:
            self.socket = socket.create_connection(self.address, TIMEOUT_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.socket.sendall(head + body)
        except (BrokenPipeError, ConnectionResetError):
            # A server may answer before it has read all, and close.
            pass
        answer = self.read_head()
        while 100 <= answer.status < 200:
            answer = self.read_head()
        try:
            self.read_body(answer, method)
        except (Broken, OSError) as problem:
            answer.broken = f"in the body: {type(problem).__name__}"
            self.close()
        if (answer.header("connection") or "").lower() == "close":
            self.close()
        return answer

    def read_head(self):
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if len(self.buffer) > MOST_OF_A_HEAD:
                raise Broken("an endless head")
            self.receive()
        head, self.buffer = self.buffer[:end].decode("latin-1"), self.buffer[end + 4 :]
        first, *lines = head.split("\r\n")
        headers = []
        for line in lines:
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
        return Answer(int(first.split(" ", 2)[1]), headers)

    def read_body(self, answer, method):
        if method == "HEAD" or answer.status in (204, 304):
            return
        length = answer.header("content-length")
        if "chunked" in (answer.header("transfer-encoding") or "").lower():
            answer.body = self.read_chunks()
        elif length is not None:
            answer.body = self.take(int(length))
        else:
            answer.body = self.read_to_end()

    def read_chunks(self):
        parts = []
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                while self.line():
                    pass
                return b"".join(parts)
            parts.append(self.take(size))
            if self.line():
                raise Broken("a chunk without its end")

    def line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            self.receive()
        line, self.buffer = self.buffer[:end], self.buffer[end + 2 :]
        return line

    def take(self, count):
        parts, missing = [self.buffer[:count]], count - len(self.buffer)
        self.buffer = self.buffer[count:]
        while missing > 0:
            data = self.socket.recv(min(missing, 1 << 20))
            if not data:
                raise Broken("the body is short")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def read_to_end(self):
        parts = [self.buffer]
        self.buffer = b""
        while data := self.socket.recv(1 << 16):
            parts.append(data)
        self.close()
        return b"".join(parts)

    def receive(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Broken("the connection ended")
        self.buffer += data
