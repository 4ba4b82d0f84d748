"""The world that a round of requests works on, and how one abstract request is written for each way to send it.

Two twins of every bucket lie at the origin. The first gets its writes straight, the second gets the same through Forebay; so
there are three views: `twin` (first, straight), `origin` (second, straight), `forebay` (second, through Forebay). A step names
buckets, keys, versions and uploads abstractly, and each view knows them under its own names and ids.
"""

import dataclasses
import datetime
import random
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree

from differ import payload, sign, wire

# What stands before the keys of the bucket `alias` at the origin: it needs escaping.
PREFIX = "team a+b/"
# A value that says that its parameter or header is not there.
ABSENT = object()
UNKNOWN_UPLOAD = "00000000-0000-4000-8000-000000000000"
UNKNOWN_VERSION = "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"


@dataclasses.dataclass
class Step:
    """One request. Every value in `query`, `headers` and `body` may be a function of the view."""

    operation: str
    method: str
    bucket: str | None = None
    key: str | None = None
    query: list = dataclasses.field(default_factory=list)
    headers: list = dataclasses.field(default_factory=list)
    body: object = b""
    # How the body is sent and signed, and what of it is falsified.
    form: str = "hash"
    trailer: str | None = None
    chunk: int = 8192
    tamper: str = ""
    auth: str = "header"
    # How the key is written in the path: as SigV4 does, or as clients may that the server's signature check still understands.
    spelling: str = ""
    # Whether both twins must give the same answer: not where their dates are looked at too closely.
    twins: bool = True
    # How often it is sent, and what becomes known by the answer: a function of the side and the answer.
    repeat: int = 1
    learn: object = None
    expect: bool = False
    # The codes with which Forebay may refuse it for a fault of its own finding: what it reads before anything goes on.
    early: set = dataclasses.field(default_factory=set)

    @property
    def reads(self):
        return self.method in ("GET", "HEAD", "OPTIONS") or self.operation == "SelectObjectContent"


@dataclasses.dataclass
class Request:
    """A step as it goes to one view."""

    method: str
    target: str
    head: bytes
    body: bytes

    def text(self):
        lines = self.head.decode("latin-1").rstrip("\r\n").split("\r\n")
        shown = repr(self.body[:600]) + (f" ... {len(self.body)} bytes" if len(self.body) > 600 else "")
        return "\n".join([*lines, shown] if self.body else lines)


class Side:
    """What is known of one twin: ids by order of appearance, uploads under way, markers of listings."""

    def __init__(self):
        self.names, self.uploads, self.markers, self.cached = {}, {}, {}, {}

    def forget(self):
        """After a write: what was looked up may have changed."""
        self.cached = {}

    def name(self, kind, value):
        """An id as it is called in comparisons."""
        if value in ("", "null") or value is None:
            return value
        return self.names.setdefault((kind, value), f"{{{kind} {sum(other == kind for other, _ in self.names) + 1}}}")


class View:
    """One way to the objects of one side."""

    def __init__(self, name, side, address, identity, buckets, prefixes, direct=None):
        self.name, self.side, self.buckets, self.prefixes = name, side, buckets, prefixes
        self.address, self.identity = address, identity
        self.connection = wire.Connection(address)
        self.direct = direct or self

    @property
    def host(self):
        return f"{self.address[0]}:{self.address[1]}"

    def key(self, bucket, key):
        return self.prefixes[bucket] + key

    def copy_source(self, bucket, key, version=None, slash=True, quoted=True):
        """The value of x-amz-copy-source."""
        path = f"{self.buckets[bucket]}/{self.key(bucket, key)}"
        path = sign.encode(path, "/") if quoted else path.encode().decode("latin-1")
        suffix = f"?versionId={urllib.parse.quote(version, safe='')}" if version is not None else ""
        return ("/" if slash else "") + path + suffix

    # What is looked up goes straight to the side's twin at the origin.

    def look(self, method, bucket, key, query=(), headers=()):
        step = Step("look", method, bucket, key, list(query), list(headers))
        return send(self.direct, build(step, self.direct, datetime.datetime.now(datetime.UTC)))

    def head(self, bucket, key):
        place = ("head", bucket, key)
        if place not in self.side.cached:
            self.side.cached[place] = self.look("HEAD", bucket, key)
        return self.side.cached[place]

    def etag(self, bucket, key):
        return self.head(bucket, key).header("etag") or '"0123456789abcdef0123456789abcdef"'

    def modified(self, bucket, key, seconds):
        """The object's date, moved by some seconds, as HTTP has it."""
        value = self.head(bucket, key).header("last-modified") or "Mon, 02 Jan 2023 03:04:05 GMT"
        date = datetime.datetime.strptime(value, "%a, %d %b %Y %H:%M:%S GMT")
        return (date + datetime.timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    def version(self, bucket, key, number):
        """The id of one of the key's versions, delete markers among them, the latest being 0."""
        place = ("versions", bucket, key)
        if place not in self.side.cached:
            query = [("versions", ""), ("prefix", self.direct.key(bucket, key))]
            answer = self.look("GET", bucket, None, query)
            self.side.cached[place] = version_ids(answer.body, self.direct.key(bucket, key))
        ids = self.side.cached[place]
        return ids[number % len(ids)] if ids else UNKNOWN_VERSION

    def upload(self, slot):
        found = self.side.uploads.get(slot)
        return found["id"] if found else UNKNOWN_UPLOAD

    def parts(self, slot):
        found = self.side.uploads.get(slot)
        return found["parts"] if found else {}

    def marker(self, kind, default=""):
        return self.side.markers.get(kind, default)


def version_ids(document, key):
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        return []
    found = []
    for element in root:
        texts = {child.tag.rsplit("}")[-1]: child.text or "" for child in element}
        if texts.get("Key") == key and "VersionId" in texts:
            found.append(texts["VersionId"])
    return found


def resolve(value, view):
    return value(view) if callable(value) else value


def resolved(pairs, view):
    values = [(name, resolve(value, view)) for name, value in pairs]
    return [(name, value) for name, value in values if value is not ABSENT]


def build(step, view, now):
    """The request as bytes."""
    path = "/"
    if step.bucket is not None:
        path += view.buckets[step.bucket]
    key = "/" + sign.encode(view.key(step.bucket, step.key), "/") if step.key is not None else ""
    place, path = path, path + key
    query, headers = resolved(step.query, view), [("host", view.host), *resolved(step.headers, view)]
    body = resolve(step.body, view)
    access_key, secret_key, region = view.identity
    if step.auth == "wrong-secret":
        secret_key += "x"
    if step.auth == "unknown-key":
        access_key = "NOBODYKNOWSTHIS"
    if step.auth == "old":
        now -= datetime.timedelta(hours=2)
    signer = sign.Signer(access_key, secret_key, region, now)
    if step.auth == "anonymous":
        frame(step, headers, body)
    elif step.auth in ("presigned", "presigned-expired"):
        if step.auth == "presigned-expired":
            signer = sign.Signer(access_key, secret_key, region, now - datetime.timedelta(minutes=5))
        query = signer.presign(step.method, path, query, headers, 60)
        frame(step, headers, body)
    else:
        body = seal(step, signer, path, query, headers, body)
    if step.auth == "tampered":
        query = [*query, ("x-id", "Tampered")]
    pairs = [sign.encode(name) + ("" if value is None else "=" + sign.encode(value)) for name, value in query]
    target = place + spelt(key, step.spelling) + ("?" + "&".join(pairs) if pairs else "")
    lines = [f"{step.method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return Request(step.method, target, head, body)


def spelt(path, spelling):
    """The same path in other letters."""
    if spelling == "lower":
        return re.sub("%[0-9A-F]{2}", lambda escape: escape.group().lower(), path)
    if spelling == "escaped":
        return "/".join("".join(f"%{ord(it):02X}" if it in "-_.~aeiou" else it for it in part) for part in path.split("/"))
    if spelling == "raw":
        return re.sub("%(21|24|26|27|28|29|2A|2B|2C|3A|3B|3D|40)", lambda escape: chr(int(escape.group(1), 16)), path)
    return path


def frame(step, headers, body):
    if step.method in ("PUT", "POST") or body:
        headers.append(("content-length", str(len(body))))
    if step.expect:
        headers.append(("expect", "100-continue"))


def seal(step, signer, path, query, headers, body):
    """Adds what the form of the body demands, and the signature; returns the body as it is sent."""
    forms = {
        "hash": payload.hashlib.sha256(body).hexdigest(),
        "unsigned": "UNSIGNED-PAYLOAD",
        "streaming": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "streaming-trailer": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "unsigned-trailer": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
    digest = forms[step.form]
    if step.tamper == "hash":
        digest = payload.hashlib.sha256(body + b"x").hexdigest()
    chunked = step.form not in ("hash", "unsigned")
    headers.append(("x-amz-date", signer.time))
    headers.append(("x-amz-content-sha256", digest))
    if chunked:
        headers.append(("x-amz-decoded-content-length", str(len(body))))
        has_coding = any(name == "content-encoding" for name, _ in headers)
        if not has_coding:
            headers.append(("content-encoding", "aws-chunked"))
    if step.trailer and chunked:
        headers.append(("x-amz-trailer", f"x-amz-checksum-{step.trailer}"))
    value, signature = signer.authorization(step.method, path, query, headers, digest)
    headers.append(("authorization", value))
    if chunked:
        trailer = None
        if step.trailer:
            claimed = body + b"x" if step.tamper == "trailer-checksum" else body
            trailer = (f"x-amz-checksum-{step.trailer}", payload.checksum(step.trailer, claimed))
        signed = step.form != "unsigned-trailer"
        body = payload.chunked(signer, signature, body, step.chunk, trailer, signed, step.tamper)
    frame(step, headers, body)
    return body


def send(view, request):
    return view.connection.send(request.head, request.body, request.method)


def dice(*parts):
    """A source of random numbers that depends on nothing but its name."""
    return random.Random(":".join(map(str, parts)))
