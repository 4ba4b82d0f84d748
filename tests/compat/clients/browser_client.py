"""Files that browsers upload with forms (boto3's `generate_presigned_post`), sent through Forebay and straight to the origin.

Both must answer alike: status, error code, headers, body. Where a store departs from AWS S3, whose answer Forebay gives to
every form, the store's own answer is in `DEPARTURES`, so that the run notices when it changes.
"""

import base64
import datetime
import html
import urllib.error
import urllib.parse
import urllib.request
import zlib

import botocore.config

import boto
import support
from support import MIB, PREFIX, content, equal, same

BOUNDARY = "----FormBoundary7MA4YWxkTrZu0gW"
CLOSE = f"\r\n--{BOUNDARY}--\r\n"
FIELD_AFTER = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="submit"\r\n\r\nUpload{CLOSE}'
REDIRECT = "http://127.0.0.1:9/done?a=1"
TODAY = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")
TAGS = "<Tagging><TagSet><Tag><Key>stage</Key><Value>a b+c</Value></Tag></TagSet></Tagging>"

gateway = boto.signature_v4_client()
origin = boto.origin_client(config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}))
s3 = boto.client()


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


opener = urllib.request.build_opener(NoRedirects)


def part(name, value):
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def body(fields, file, file_name="dir/photo.bin", end=CLOSE):
    head = b"".join(part(name, value) for name, value in fields.items())
    if file is None:
        return head + f"--{BOUNDARY}--\r\n".encode()
    disposition = f'Content-Disposition: form-data; name="file"; filename="{file_name}"'
    begin = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n"
    return head + begin.encode() + file + end.encode()


def send(url, data, kind=f"multipart/form-data; boundary={BOUNDARY}"):
    request = urllib.request.Request(url, data=data, method="POST", headers={"Content-Type": kind})
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def presigned(client, bucket, key, fields=(), conditions=None, expires=3600):
    """A form whose policy allows its fields, and further conditions."""
    fields = dict(fields)
    covered = [{name: value} for name, value in fields.items()]
    return client.generate_presigned_post(bucket, key, fields, covered + list(conditions or ()), expires)


class Case:
    """A form, and what is done to it after it was signed. Its object lies in a folder of its own."""

    def __init__(self, key="photo.bin", fields=(), conditions=(), change=(), file=b"hello", expires=3600, **more):
        self.key, self.fields, self.conditions, self.change = key, fields, conditions, dict(change)
        self.file, self.expires, self.more = file, expires, more

    def ask(self, client, bucket, folder):
        form = presigned(client, bucket, f"{folder}{self.key}", self.fields, self.conditions, self.expires)
        fields = {name: value for name, value in (form["fields"] | self.change).items() if value is not None}
        kind = self.more.get("kind", f"multipart/form-data; boundary={BOUNDARY}")
        data = body(fields, self.file, end=self.more.get("end", CLOSE))
        return told(*send(form["url"] + self.more.get("path", ""), data, kind))


def told(status, headers, text):
    """What both must say alike. A location's host is each one's own, and whether it writes a slash as %2F too."""
    location = urllib.parse.urlsplit(headers.get("Location", ""))
    answer = {
        "status": status,
        "etag": headers.get("ETag"),
        "type": headers.get_content_type() if text else None,
        "location": urllib.parse.unquote(location.path),
        "query": urllib.parse.parse_qs(location.query),
    }
    return answer | {name: element(text.decode(), name) for name in ("Code", "Bucket", "Key", "ETag")}


def element(text, name):
    found = text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
    return html.unescape(found) or None


ANYTHING = b'{"expiration": "2999-01-01T00:00:00Z", "conditions": []}'
RANGE = [["content-length-range", 5, 10]]
CASES = {
    "plain": Case(),
    "file name": Case("in/${filename}"),
    "odd key": Case("a b+c%25/\u00fc"),
    "empty file": Case(file=b""),
    "status 200": Case(fields={"success_action_status": "200"}),
    "status 201": Case("deep/photo.bin", fields={"success_action_status": "201"}),
    "status 404": Case(fields={"success_action_status": "404"}),
    "redirect": Case("deep/photo.bin", fields={"success_action_redirect": REDIRECT}),
    "redirect to nowhere": Case(fields={"success_action_redirect": "/relative"}),
    "metadata": Case(fields={"x-amz-meta-run": "42", "Content-Type": "image/png", "Cache-Control": "max-age=7"}),
    "tags": Case(fields={"tagging": TAGS}),
    "tags that are none": Case(fields={"tagging": "no XML"}),
    "checksum": Case(fields={"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()}),
    "wrong checksum": Case(fields={"x-amz-checksum-crc32": "AAAAAA=="}),
    "field after the file": Case(end=FIELD_AFTER),
    "no last line end": Case(end=f"\r\n--{BOUNDARY}--"),
    "ignored field": Case(change={"x-ignore-me": "1"}),
    "capital letters": Case(change={"X-Amz-Meta-Run": "1"}, conditions=[["starts-with", "$x-amz-meta-run", ""]]),
    "smallest": Case(conditions=RANGE, file=b"12345"),
    "largest": Case(conditions=RANGE, file=b"1234567890"),
    "too small": Case(conditions=RANGE, file=b"1234"),
    "too large": Case(conditions=RANGE, file=b"12345678901"),
    "expired": Case(expires=-10),
    "field without a condition": Case(change={"x-amz-meta-a": "1"}),
    "condition broken": Case(change={"x-amz-meta-a": "2"}, conditions=[{"x-amz-meta-a": "1"}]),
    "prefix broken": Case(change={"Content-Type": "text/plain"}, conditions=[["starts-with", "$Content-Type", "image/"]]),
    "another key": Case(change={"key": f"{PREFIX}another key/other.bin"}),
    "wrong signature": Case(change={"x-amz-signature": "0" * 64}),
    "another policy": Case(change={"policy": base64.b64encode(ANYTHING).decode()}),
    "unknown access key": Case(change={"x-amz-credential": f"NOBODY/{TODAY}/us-east-1/s3/aws4_request"}),
    "malformed credential": Case(change={"x-amz-credential": "NOBODY"}),
    "no signature": Case(change={"x-amz-signature": None}),
    "no policy": Case(change={"policy": None}),
    "no key": Case(change={"key": None}),
    "empty key": Case(change={"key": ""}),
    "no file": Case(file=None),
    "no boundary": Case(kind="multipart/form-data"),
    "no form": Case(kind="text/plain"),
    "to a key": Case(path="/key"),
    "unsigned": Case(change=dict.fromkeys(
        ("policy", "x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date")
    )),
    "too many fields": Case(change={"x-ignore-me": "x" * 30_000}),
    "no end": Case(end=""),
}  # fmt: skip


def refused(status, code):
    return {"status": status, "Code": code, "etag": None, "type": "application/xml", "location": "", "query": {}}


# What each store answers otherwise than AWS S3 and Forebay (AWS S3 API Reference, "POST Object", "POST Policy").
DEPARTURES = {
    "minio": {
        "redirect to nowhere": {"status": 303, "location": "/relative"},
        "tags that are none": refused(400, "MalformedPOSTRequest"),
        "wrong checksum": refused(400, "XAmzContentChecksumMismatch"),
        "malformed credential": refused(400, "AuthorizationQueryParametersError"),
        "no signature": refused(403, "SignatureDoesNotMatch"),
        "no policy": refused(403, "SignatureDoesNotMatch"),
        "no key": refused(400, "MalformedPOSTRequest"),
        "empty key": refused(403, "AccessDenied"),
        "no file": refused(400, "MalformedPOSTRequest"),
        "no form": refused(400, "BadRequest"),
        "unsigned": refused(400, "AuthorizationQueryParametersError"),
        "too many fields": {"status": 204},
    },
    "versitygw": {
        "file name": {"location": f"/compat/{PREFIX}file name/in/${{filename}}"},
        "redirect": {"etag": None},
        "redirect to nowhere": {"status": 303, "etag": None, "location": "/relative"},
        "field after the file": refused(403, "AccessDenied"),
        "no last line end": refused(500, "InternalError"),
        "too many fields": {"status": 204},
        "no end": refused(500, "InternalError"),
    },
}


def compared(name, case):
    """A refused form stores nothing; where a store departs, what it says is known."""
    folder = f"{PREFIX}{name}/"
    ours = case.ask(gateway, "compat", folder)
    stored = origin.list_objects_v2(Bucket="compat", Prefix=folder)["KeyCount"]
    equal(f"{name}: objects stored", stored, 1 if ours["status"] < 400 else 0)
    theirs = case.ask(origin, "compat", folder)
    departure = {} if support.DIRECT else DEPARTURES[support.ORIGIN].get(name, {})
    departs = {field: theirs[field] for field in departure}
    equal(f"{name}: how {support.ORIGIN} departs", departs, departure)
    if not departure:
        equal(f"{name}: through Forebay", ours, theirs)


def life(bucket):
    """An object that a form makes is there at once, with all that the form said of it."""
    key = f"{PREFIX}life/photo.bin"
    s3.put_object(Bucket=bucket, Key=key, Body=b"old")
    same("before", s3.get_object(Bucket=bucket, Key=key)["Body"].read(), b"old")
    fields = {"Content-Type": "image/png", "Cache-Control": "max-age=7", "x-amz-meta-run": "42", "success_action_status": "201"}
    for size in (0, 1000, 3 * MIB + 1):
        file = content(size, bucket)
        form = presigned(gateway, bucket, key, fields, [["content-length-range", 0, 4 * MIB]])
        status, headers, text = send(form["url"], body(form["fields"], file))
        equal(f"{size} bytes", status, 201)
        place = f"{support.ENDPOINT}/{bucket}/{urllib.parse.quote(key, safe='')}"
        equal("Location", (headers["Location"], element(text.decode(), "Location")), (place, place))
        equal("names", (element(text.decode(), "Bucket"), element(text.decode(), "Key")), (bucket, key))
        answer = s3.get_object(Bucket=bucket, Key=key)
        same(f"{size} bytes", answer["Body"].read(), file)
        equal("ETag", answer["ETag"], headers["ETag"])
        kept = (answer["ContentType"], answer["CacheControl"], answer["Metadata"])
        equal("headers", kept, ("image/png", "max-age=7", {"run": "42"}))
    s3.delete_object(Bucket=bucket, Key=key)


def long_forms():
    """A file that is too long to be read ahead ends the form, or nothing is stored."""
    key = f"{PREFIX}long"
    form = presigned(gateway, "compat", key)
    for end in (FIELD_AFTER, f"\r\n--{BOUNDARY}--"):
        status, _, text = send(form["url"], body(form["fields"], content(MIB, end), end=end))
        equal("a long form that goes on", (status, element(text.decode(), "Code")), (400, "MalformedPOSTRequest"))
        equal("stored", origin.list_objects_v2(Bucket="compat", Prefix=key)["KeyCount"], 0)


def tags():
    form = presigned(gateway, "compat", f"{PREFIX}tagged", {"tagging": TAGS})
    equal("tags", send(form["url"], body(form["fields"], b"x"))[0], 204)
    found = origin.get_object_tagging(Bucket="compat", Key=f"{PREFIX}tagged")["TagSet"]
    equal("tags", found, [{"Key": "stage", "Value": "a b+c"}])


for each in CASES.items():
    compared(*each)
tags()
if not support.DIRECT:
    long_forms()
    for each in support.BUCKETS:
        life(each)
