"""Two answers, compared: status, every header, the body; XML as trees. What may differ is listed here, each with its reason."""

import base64
import dataclasses
import datetime
import re
import urllib.parse
import zlib
import xml.etree.ElementTree as ElementTree

# Headers that differ between any two answers to the same request.
IGNORED_HEADERS = {
    "date": "the time of the answer",
    "server": "who answers",
    "x-amz-request-id": "names the request, which each server does itself",
    "x-amz-id-2": "the same for the host",
    "x-forebay-cache": "Forebay's own",
    "x-forebay-node": "Forebay's own",
    "connection": "belongs to the connection",
    "keep-alive": "belongs to the connection",
    "transfer-encoding": "belongs to the connection",
    "trailer": "belongs to the connection",
    "x-ratelimit-remaining": "how much a store (MinIO) has left at that moment",
    "x-ratelimit-limit": "what a store (MinIO) makes of its free memory at that moment",
}
# Elements whose text differs in any two error documents.
IGNORED_ELEMENTS = {
    "RequestId": "names the request, which each server does itself",
    "HostId": "the same for the host",
}
# Errors that Forebay has to find itself, because nothing may go on to the origin until it has: told by status and code alone,
# in each server's own words.
OWN_WORDS = {
    "BadDigest": "a body is verified before its last byte goes on",
    "InvalidDigest": "the same",
    "XAmzContentSHA256Mismatch": "the same",
    "IncompleteBody": "the same",
    "SignatureDoesNotMatch": "a caller is known before the origin hears of him",
    "InvalidAccessKeyId": "the same",
    "AccessDenied": "the same",
    "RequestTimeTooSkewed": "the same",
}
# Where the texts are names that a route may change.
KEY_ELEMENTS = {"Key", "Prefix", "Marker", "NextMarker", "StartAfter", "KeyMarker", "NextKeyMarker"}
ID_ELEMENTS = {
    "VersionId": "version",
    "VersionIdMarker": "version",
    "NextVersionIdMarker": "version",
    "DeleteMarkerVersionId": "version",
    "UploadId": "upload",
    "UploadIdMarker": "upload",
    "NextUploadIdMarker": "upload",
}
TOKEN_ELEMENTS = {"ContinuationToken", "NextContinuationToken"}
CONTROLS = re.compile(rb"&#(x[0-9a-f]{1,2}|[0-9]{1,2});", re.IGNORECASE)
ID_HEADERS = {"x-amz-version-id": "version", "x-amz-copy-source-version-id": "version", "x-amz-abort-rule-id": "rule"}
# Twins are made one after the other: where their dates are those of this run they count as one.
DATE_ELEMENTS = {"LastModified", "Initiated", "CreationDate", "Date"}
DATE_HEADERS = {"last-modified"}


@dataclasses.dataclass(frozen=True)
class Difference:
    """One field that is not the same."""

    field: str
    expected: str
    got: str


class Lens:
    """How a view's names and, between twins, its ids and dates are seen in a comparison."""

    def __init__(self, view, twins):
        self.view, self.twins = view, twins
        pairs = sorted(((name, f"{{{bucket}}}") for bucket, name in view.buckets.items()), key=lambda pair: -len(pair[0]))
        self.names = pairs
        self.prefix = view.prefixes["alias"]

    def text(self, text):
        for name, symbol in self.names:
            text = text.replace(name, symbol)
        return text.replace(self.view.host, "{host}")

    def path(self, text):
        """A text that names an object by bucket and key, without the route's prefix."""
        text = self.text(text)
        return text.replace("{alias}/" + self.prefix, "{alias}/") if self.prefix else text

    def location(self, text):
        """A URL of an object: its path, since the host is where the store is reached, and decoded, since stores differ in that."""
        return self.path(urllib.parse.unquote(re.sub(r"^https?://[^/]*", "", text)))

    def key(self, text):
        text = without_walk(text)
        for written in (self.prefix, self.prefix.replace(" ", "+").replace("a+b", "a%2Bb"), self.prefix.replace(" ", "%20").replace("+", "%2B")):
            if written and text.startswith(written):
                return text[len(written) :]
        return text

    def token(self, text):
        """A token of MinIO's is a marker in base64; no route's prefix is taken from it, since clients only hand it back."""
        try:
            marker = base64.b64decode(text, validate=True).decode()
        except ValueError:
            marker = ""
        return without_walk(marker) if "minio_cache" in marker else self.id("token", text)

    def internal(self, text):
        """A message in which MinIO names the file of a part, which is another for each upload."""
        return re.sub(r"[0-9a-f]{64}/[0-9a-fx-]{36,}", "{file}", text) if self.twins else text

    def id(self, kind, value):
        return self.view.side.name(kind, value) if self.twins else value

    def date(self, value):
        return "{now}" if self.twins and is_recent(value) else value


def without_walk(marker):
    """MinIO's markers name the walk that they go on with, which each listing begins anew."""
    return re.sub(r"((?:\[|%5B)minio_cache(?::|%3A)\S*?id(?::|%3A))[0-9a-f-]{36}", r"\1{walk}", marker)


def is_recent(value):
    value = re.sub(r"\.\d+Z$", "Z", value)
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%Y-%m-%dT%H:%M:%SZ", "%a %b %d %H:%M:%S %Y"):
        try:
            date = datetime.datetime.strptime(value, form).replace(tzinfo=datetime.UTC)
        except ValueError:
            continue
        return abs(datetime.datetime.now(datetime.UTC) - date) < datetime.timedelta(days=1)
    return False


def differences(step, expected, expected_view, got, got_view, twins=False):
    """What is not the same. With `twins` the answers are about two twins, else about one object."""
    one, other = Lens(expected_view, twins), Lens(got_view, twins)
    refusals = refusal(expected), refusal(got)
    if step.auth not in ("header", "presigned"):
        # A caller who is nobody is refused by whom he asks.
        return fields(*refusals)
    if refusals[0] == refusals[1] and refusals[0]["code"] in OWN_WORDS:
        return []
    if refused_early(step, *refusals):
        return []
    return fields(canonical(step, expected, one), canonical(step, got, other))


def refusal(answer):
    code = re.search(rb"<Code>([^<]*)</Code>", answer.body)
    return {"status": str(answer.status), "code": code.group(1).decode() if code else "", "broken": answer.broken}


def refused_early(step, expected, got):
    """Whether Forebay refused what it has to understand before it goes on, where the origin has some fault to find, too."""
    both = int(expected["status"]) >= 400 and int(got["status"]) >= 400
    # The answer to a HEAD has no code.
    return both and (got["code"] in step.early or bool(step.early and step.method == "HEAD"))


def fields(expected, got):
    names = list(dict.fromkeys([*expected, *got]))
    return [
        Difference(name, expected.get(name, "(absent)"), got.get(name, "(absent)"))
        for name in names
        if expected.get(name) != got.get(name)
    ]


def canonical(step, answer, lens):
    """An answer as a flat table of fields."""
    if answer.broken:
        return {"broken": answer.broken, "status": str(answer.status)}
    table = {"status": str(answer.status)}
    tree = document(step, answer)
    if step.operation == "ListBuckets" and answer.status == 200:
        list_buckets(tree, lens, table)
        return table
    for name, value in answer.headers:
        # A document's length is that of its ids as well.
        if name in IGNORED_HEADERS or (name == "content-length" and tree is not None):
            continue
        if name == "content-length" and step.method == "HEAD" and answer.status >= 400:
            # The length of the document that a GET would get: of ids and names too.
            value = "{length}"
        if name in ID_HEADERS:
            value = lens.id(ID_HEADERS[name], value)
        if name in DATE_HEADERS:
            value = lens.date(value)
        value = lens.path(value)
        field = f"header {name}"
        table[field] = f"{table[field]} | {value}" if field in table else value
    if tree is None:
        table["body"] = blob(answer.body)
    elif isinstance(tree, ElementTree.Element):
        flatten(step, tree, "", lens, table)
    else:
        table["body"] = lens.text(tree)
    return table


def blob(body):
    if len(body) <= 200:
        return repr(body)
    return f"{len(body)} bytes, {zlib.crc32(body):08x}, {body[:40]!r}..."


def document(step, answer):
    """The XML tree of an answer; its text where it cannot be parsed; none where the body is no document."""
    body = answer.body
    if step.operation == "GetObject" and answer.status in (200, 206):
        return None
    if step.operation == "GetBucketPolicy" and answer.status == 200:
        # JSON, which names the bucket.
        return body.decode(errors="replace")
    if not body.lstrip().startswith(b"<"):
        return None
    try:
        # What XML has not at all, but stores write in keys.
        return ElementTree.fromstring(CONTROLS.sub(visible, body))
    except ElementTree.ParseError:
        text = body.decode(errors="replace")
        for name in IGNORED_ELEMENTS:
            text = re.sub(f"<{name}>[^<]*</{name}>", f"<{name}/>", text)
        return text


def visible(reference):
    """A character reference, or what stands for one that XML does not have."""
    digits = reference.group(1).decode().lower()
    number = int(digits[1:], 16) if digits.startswith("x") else int(digits)
    return reference.group() if number >= 32 or number in (9, 10, 13) else f"[{number}]".encode()


def flatten(step, element, path, lens, table):
    local = element.tag.rsplit("}")[-1]
    children = list(element)
    if local == "TagSet":
        # A set: versitygw gives it in another order every time.
        children.sort(key=lambda child: "".join(child.itertext()))
    table[f"xml {path}/{local}"] = value_of(element, local, bool(children), lens)
    for name, value in element.attrib.items():
        table[f"xml {path}/{local}@{name}"] = value
    counts = {}
    for child in children:
        name = child.tag.rsplit("}")[-1]
        counts[name] = counts.get(name, 0) + 1
        place = f"{path}/{local}"
        inner = {}
        flatten(step, child, place, lens, inner)
        for field, value in inner.items():
            kind, _, rest = field.partition(f" {place}/{name}")
            number = f"#{counts[name]}" if counts[name] > 1 else ""
            table[f"{kind} {place}/{name}{number}{rest}"] = value
    if len(counts) > 1:
        # The order of the children counts too.
        table[f"order {path}/{local}"] = " ".join(child.tag.rsplit("}")[-1] for child in children)


def list_buckets(tree, lens, table):
    """The answer is Forebay's own, a list of all routes under the caller's name: only the round's bucket is compared."""
    names = [name for name, symbol in lens.names if symbol == "{plain}"]
    table["xml root"] = tree.tag
    for bucket in tree.iter():
        texts = {child.tag.rsplit("}")[-1]: child.text for child in bucket}
        if texts.get("Name") in names:
            table["xml bucket"] = lens.date(texts.get("CreationDate", ""))


def value_of(element, local, parent, lens):
    text = element.text or ""
    if local in IGNORED_ELEMENTS:
        return ""
    if parent and not text.strip():
        text = ""
    if local in ID_ELEMENTS:
        text = lens.id(ID_ELEMENTS[local], text)
    elif local in TOKEN_ELEMENTS:
        text = lens.token(text)
    elif local in DATE_ELEMENTS:
        text = lens.date(text)
    elif local in KEY_ELEMENTS:
        text = lens.key(text)
    elif local == "ArgumentValue" and re.fullmatch("[0-9A-Z]{26}|[0-9a-f-]{36}", text):
        text = lens.id("version", text)
    elif local == "Location":
        text = lens.location(text)
    elif local in ("Resource", "Message"):
        text = lens.path(lens.internal(text))
    space = element.tag.rpartition("}")[0]
    return f"{space}}}{lens.text(text)}" if space else lens.text(text)
