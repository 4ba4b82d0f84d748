"""Tampered copies of a recorded upload, and the error that S3 answers to each. Pure.

A copy differs in one thing. Where it is shorter than the upload and the signature covers its length, the length stays and
the connection ends.
"""

import base64
import dataclasses
import re

SIGNATURE = "SignatureDoesNotMatch"
HASH = "XAmzContentSHA256Mismatch"
DIGEST = "BadDigest"
SHORT = "IncompleteBody"
TRAILER = "MalformedTrailerError"


@dataclasses.dataclass(frozen=True)
class Copy:
    what: str
    request: object
    code: str
    # The client ends its side early, so that what it announced never comes.
    ends: bool = False


@dataclasses.dataclass(frozen=True)
class Chunk:
    """One aws-chunk: the line with its size, and its bytes."""

    line: bytes
    data: bytes

    def encoded(self):
        return self.line + b"\r\n" + (self.data + b"\r\n" if self.data else b"")


def copies(case, request):
    """All the ways in which an upload of this form can be tampered with and be noticed."""
    if case.payload.startswith("STREAMING-"):
        return list(of_chunks(case, request))
    return list(of_plain(case, request))


def of_plain(case, request):
    body = request.content()
    noticed = HASH if case.payload == "HASH" else DIGEST
    if case.vouched:
        yield Copy("a byte flipped", request.with_content(flipped(body, len(body) // 2)), noticed)
        # Where the length stays, the rest of the body does not come.
        code = SHORT if request.signed("content-length") else noticed
        yield shorter(request, "shorter, and said so", body[:-1000], code)
    yield cut(request)
    if case.where == "header":
        name = f"x-amz-checksum-{case.checksum}"
        yield Copy("another checksum", request.with_header(name, other(request.header(name))), SIGNATURE)


def of_chunks(case, request):
    chunks, trailers = parse(request.content())
    signed = case.payload.startswith("STREAMING-AWS4")
    yield from of_bytes(request, chunks, trailers, signed)
    if signed:
        yield from of_signatures(request, chunks, trailers)
    yield from of_framing(request, chunks, trailers, signed)
    longer = str(int(request.header("x-amz-decoded-content-length")) + 1)
    yield Copy("another decoded length", request.with_header("x-amz-decoded-content-length", longer), SIGNATURE)
    yield cut(request)


def of_bytes(request, chunks, trailers, signed):
    """What is vouched for differs, or what vouches for it."""
    first = chunks[0]
    bad = dataclasses.replace(first, data=flipped(first.data, len(first.data) // 2))
    noticed = SIGNATURE if signed else DIGEST
    yield Copy("a byte flipped", request.with_content(encode([bad, *chunks[1:]], trailers)), noticed)
    for place, line in enumerate(trailers):
        if line.startswith(b"x-amz-checksum-"):
            name, value = line.split(b":", 1)
            forged = [*trailers]
            forged[place] = name + b":" + other(value.decode()).encode()
            yield Copy("another trailing checksum", request.with_content(encode(chunks, forged)), noticed)
    if trailers:
        # Where the length stays, the end of the body does not come.
        code = SHORT if request.signed("content-length") else TRAILER
        yield shorter(request, "no trailer", encode(chunks, []), code)


def of_signatures(request, chunks, trailers):
    first = chunks[0]
    for what, place in (("first chunk's", 0), ("last chunk's", -2), ("end's", -1)):
        forged = [*chunks]
        forged[place] = dataclasses.replace(chunks[place], line=turned(chunks[place].line))
        yield Copy(f"the {what} signature altered", request.with_content(encode(forged, trailers)), SIGNATURE)
    for place, line in enumerate(trailers):
        if line.startswith(b"x-amz-trailer-signature:"):
            forged = [*trailers]
            forged[place] = turned(line)
            yield Copy("the trailer's signature altered", request.with_content(encode(chunks, forged)), SIGNATURE)
    if len(chunks) > 2:
        data = first.data + chunks[1].data
        joined = encode([Chunk(resized(first.line, len(data)), data), *chunks[2:]], trailers)
        yield shorter(request, "two chunks joined", joined, SIGNATURE)


def of_framing(request, chunks, trailers, signed):
    first, last, end = chunks[0], chunks[-2], chunks[-1]
    dropped = encode([*chunks[:-2], end], trailers)
    yield shorter(request, "the last chunk dropped", dropped, SIGNATURE if signed else SHORT)
    for what, more in (("less", -1), ("more", 1)):
        wrong = dataclasses.replace(first, line=resized(first.line, len(first.data) + more))
        altered = encode([wrong, *chunks[1:]], trailers)
        yield shorter(request, f"a chunk's size one {what}", altered, SIGNATURE if signed else SHORT)
    yield shorter(request, "the end missing", b"".join(chunk.encoded() for chunk in chunks[:-1]), SHORT)
    inside = encode(chunks[:-2], [])[:-2] + last.line + b"\r\n" + last.data[:-1000]
    yield shorter(request, "ended inside of a chunk", inside, SHORT)


def shorter(request, what, content, code):
    """A copy with another body, whose length is told rightly where nobody signed it."""
    if request.signed("content-length") and len(content) < len(request.content()):
        return Copy(what, dataclasses.replace(request, body=content), code, ends=True)
    return Copy(what, request.with_content(content), code)


def cut(request):
    """The connection ends in mid-body."""
    short = dataclasses.replace(request, body=request.body[: len(request.body) // 2])
    return Copy("the connection ended in the body", short, SHORT, ends=True)


def parse(content):
    """(chunks with the empty last one, trailers as lines)."""
    chunks = []
    while True:
        line, content = content.split(b"\r\n", 1)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            chunks.append(Chunk(line, b""))
            return chunks, [line for line in content.split(b"\r\n") if line]
        if content[size : size + 2] != b"\r\n":
            raise AssertionError("a chunk without its end")
        chunks.append(Chunk(line, content[:size]))
        content = content[size + 2 :]


def encode(chunks, trailers):
    return b"".join(chunk.encoded() for chunk in chunks) + b"".join(line + b"\r\n" for line in trailers) + b"\r\n"


def resized(line, size):
    """The chunk's line with another size."""
    return re.sub(rb"^[0-9a-fA-F]+", b"%x" % size, line)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def turned(line):
    """A line that ends in hexadecimal digits, with another last one."""
    return re.sub(rb"[0-9a-f]$", lambda digit: b"0" if digit.group() != b"0" else b"1", line)


def other(value):
    """Another checksum of the same width."""
    digest = base64.b64decode(value)
    return base64.b64encode(flipped(digest, 0)).decode()
