"""Proves at the start of every run that the comparison sees what it is there to see: each of these falsified answers must be
told apart from the true one, and answers that differ in what may differ must not."""

import base64
import copy

from differ import compare, world
from differ.wire import Answer

# The bucket is called `b` at the origin, `renamed` where it is asked for through Forebay.
DOCUMENT = (
    b'<?xml version="1.0"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    b"<Contents><Key>a</Key><Size>1</Size></Contents><Contents><Key>c</Key><Size>2</Size></Contents></ListBucketResult>"
)
WALK = b"a[minio_cache:v2,id:6256ef18-b4ff-4857-b89d-f0f7f83d1653,p:0,s:0]"
OTHER_WALK = WALK.replace(b"6256ef18", b"0233c499")
TOKEN = b"<NextContinuationToken>%s</NextContinuationToken></ListBucketResult>"
ERROR = b"<Error><Code>NoSuchKey</Code><Message>gone</Message><RequestId>1</RequestId><HostId>h</HostId></Error>"


class Blind(Exception):
    """The comparison does not see a difference, or sees one where there is none."""


def answer(status, body, *headers):
    return Answer(status, [("date", "now"), ("x-amz-request-id", "1"), *headers], body)


def replace(it, old, new):
    if old not in it.body:
        raise Blind(f"nothing to falsify: {old}")
    it.body = it.body.replace(old, new)


OBJECT = answer(200, b"content", ("etag", '"e"'), ("content-length", "7"), ("x-amz-meta-a", "1"), ("x-amz-meta-a", "2"))
LISTING = answer(200, DOCUMENT, ("content-type", "application/xml"), ("content-length", str(len(DOCUMENT))))
PAGE = answer(200, DOCUMENT.replace(b"</ListBucketResult>", TOKEN % base64.b64encode(WALK)), ("content-type", "application/xml"))
POLICY = answer(200, b'{"Resource":"arn:aws:s3:::b/*","Effect":"Allow"}', ("content-type", "application/json"))
REFUSAL = answer(404, ERROR, ("content-type", "application/xml"))

# True answer, what is falsified in it.
FALSIFIED = [
    (OBJECT, lambda it: setattr(it, "status", 206)),
    (OBJECT, lambda it: setattr(it, "body", b"Content")),
    (OBJECT, lambda it: setattr(it, "broken", "in the body")),
    (OBJECT, lambda it: it.headers.append(("expires", "never"))),
    (OBJECT, lambda it: it.headers.remove(("etag", '"e"'))),
    (OBJECT, lambda it: it.headers.remove(("x-amz-meta-a", "2"))),
    (OBJECT, lambda it: it.headers.__setitem__(2, ("etag", '"f"'))),
    (OBJECT, lambda it: it.headers.__setitem__(3, ("content-length", "8"))),
    (LISTING, lambda it: replace(it, b"<Size>2", b"<Size>3")),
    (LISTING, lambda it: replace(it, b"<Key>c", b"<Key>d")),
    (LISTING, lambda it: replace(it, b"<Key>c</Key><Size>2</Size>", b"<Size>2</Size><Key>c</Key>")),
    (LISTING, lambda it: replace(it, b"<Size>2</Size>", b"")),
    (LISTING, lambda it: replace(it, b"<Size>2</Size>", b"<Size>2</Size><Odd/>")),
    (LISTING, lambda it: replace(it, b"2006-03-01", b"2007-03-01")),
    (LISTING, lambda it: setattr(it, "body", it.body[:-1])),
    (LISTING, lambda it: replace(it, b"<Name>renamed<", b"<Name>b<")),
    (PAGE, lambda it: replace(it, base64.b64encode(WALK), base64.b64encode(WALK.replace(b"a[", b"b[")))),
    (POLICY, lambda it: replace(it, b"Allow", b"Deny")),
    (POLICY, lambda it: replace(it, b":renamed/", b":other/")),
    (REFUSAL, lambda it: replace(it, b"NoSuchKey", b"NoSuchBucket")),
    (REFUSAL, lambda it: replace(it, b"gone", b"lost")),
    (REFUSAL, lambda it: setattr(it, "body", b"")),
]
# What may differ.
SAME = [
    (OBJECT, lambda it: it.headers.__setitem__(0, ("date", "later"))),
    (OBJECT, lambda it: it.headers.append(("x-forebay-cache", "memory"))),
    (LISTING, lambda it: replace(it, b"<Contents>", b"<Contents>\n  ")),
    (LISTING, lambda it: None),
    (PAGE, lambda it: replace(it, base64.b64encode(WALK), base64.b64encode(OTHER_WALK))),
    (POLICY, lambda it: None),
    (REFUSAL, lambda it: replace(it, b"<HostId>h", b"<HostId>i")),
]


def check():
    """Raises Blind."""
    views = [
        world.View(name, world.Side(), ("h", 1), None, {"plain": bucket, "alias": "x"}, {"plain": "", "alias": ""})
        for name, bucket in (("origin", "b"), ("forebay", "renamed"))
    ]
    for cases, wanted in ((FALSIFIED, True), (SAME, False)):
        for number, (true, falsify) in enumerate(cases):
            other = copy.deepcopy(true)
            other.body = other.body.replace(b"<Name>b<", b"<Name>renamed<").replace(b":::b/", b":::renamed/")
            falsify(other)
            operation = "GetObject" if true is OBJECT else "GetBucketPolicy" if true is POLICY else "ListObjects"
            step = world.Step(operation, "GET", "plain", "key" if true is OBJECT else None)
            if bool(compare.differences(step, true, views[0], other, views[1])) != wanted:
                raise Blind(f"case {number} of {'those that differ' if wanted else 'those that are the same'}")
