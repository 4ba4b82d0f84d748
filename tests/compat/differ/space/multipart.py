"""Multipart uploads: made, filled in any order, listed, completed rightly and wrongly, aborted."""

from differ import payload
from differ.space import keys, reads, writes
from differ.world import Step

SLOTS = 4
PART = 5 * keys.MIB


def key_of(plan, slot):
    """Each slot has a key of its own, so that no two uploads of a key are under way."""
    return plan.keys[slot % len(plan.keys)] if isinstance(slot, int) else plan.big[0]


def bucket_of(plan, slot):
    return "alias" if slot in (1, 3) and plan.aliased else "plain"


def create(dice, plan, slot=None):
    slot = dice.randrange(SLOTS) if slot is None else slot
    headers = writes.metadata(dice)
    if dice.random() < 0.4:
        headers.append(("x-amz-checksum-algorithm", dice.choice(["CRC32", "SHA256", "CRC64NVME", "SHA1", "CRC32C", "NONSENSE"])))
        if dice.random() < 0.4:
            headers.append(("x-amz-checksum-type", dice.choice(["COMPOSITE", "FULL_OBJECT", "NONSENSE"])))

    def learn(side, view, answer):
        id = found(answer.body, "UploadId")
        if answer.status == 200 and id:
            side.uploads[slot] = {"id": id, "parts": {}}

    query = [("uploads", dice.choice(["", None]))]
    return Step("CreateMultipartUpload", "POST", bucket_of(plan, slot), key_of(plan, slot), query, headers, learn=learn)


def found(document, tag):
    start, end = document.find(f"<{tag}>".encode()), document.find(f"</{tag}>".encode())
    return document[start + len(tag) + 2 : end].decode() if 0 <= start < end else ""


def upload_id(dice, slot):
    """The id of a slot's upload, or one of none. Never an empty one: Forebay refuses that before the origin hears of it, since
    MinIO takes an abort with it for a delete of the object, and versitygw a part for one of whichever upload is open."""
    if dice.random() < 0.06:
        return dice.choice(["nonsense", "AAAA"])
    return lambda view: view.upload(slot)


def part(dice, plan):
    slot, number = dice.randrange(SLOTS), dice.choice([1, 1, 2, 2, 3])
    body = keys.small(dice)
    named = str(number) if dice.random() < 0.92 else dice.choice(["0", "-1", "10001", "10000", "x", ""])
    query = [("partNumber", named), ("uploadId", upload_id(dice, slot))]
    step = Step("UploadPart", "PUT", bucket_of(plan, slot), key_of(plan, slot), query, [], body)
    if not (named.isdigit() and 1 <= int(named) <= 10000):
        # There are stores that take a part of no number for a whole object.
        step.early |= {"InvalidArgument"}
    writes.digests(dice, step, body)
    writes.form(dice, step)

    def learn(side, view, answer):
        if answer.status == 200 and slot in side.uploads:
            side.uploads[slot]["parts"][number] = answer.header("etag")

    step.learn = learn
    return step


def copy_part(dice, plan):
    slot, number = dice.randrange(SLOTS), dice.choice([1, 2, 3])
    bucket, key = plan.target(dice)
    headers = [("x-amz-copy-source", lambda view: view.copy_source(bucket, key))]
    if dice.random() < 0.6:
        ranges = ["bytes=0-0", "bytes=0-9", "bytes=5-999999", "bytes=0-", "bytes=-5", "nonsense", "bytes=9-1", "bytes=0-65535"]
        headers.append(("x-amz-copy-source-range", dice.choice(ranges)))
    for name, draw in [("match", reads.tags), ("none-match", reads.tags), ("modified-since", reads.far_dates)]:
        if dice.random() < 0.1:
            headers.append((f"x-amz-copy-source-if-{name}", draw(dice, bucket, key)))

    def learn(side, view, answer):
        etag = found(answer.body, "ETag").replace("&#34;", '"').replace("&quot;", '"')
        if answer.status == 200 and slot in side.uploads and etag:
            side.uploads[slot]["parts"][number] = etag

    query = [("partNumber", str(number)), ("uploadId", upload_id(dice, slot))]
    step = Step("UploadPartCopy", "PUT", bucket_of(plan, slot), key_of(plan, slot), query, headers, learn=learn)
    step.early = writes.source_faults(bucket, key)
    return step


def complete(dice, plan, slot=None, whole=False):
    slot = dice.randrange(SLOTS) if slot is None else slot
    fault = dice.choices(["", "order", "etag", "missing", "empty", "malformed", "twice"], [70, 5, 6, 6, 4, 5, 4])[0]
    space = dice.choice(["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
    first_only = dice.random() < 0.5
    if whole:
        fault, first_only = "", False

    def body(view):
        parts = sorted(view.parts(slot).items())
        if first_only:
            # All parts but the last have to have 5 MiB: one alone passes.
            parts = parts[:1]
        if fault == "order":
            parts.reverse()
        if fault == "etag":
            parts = [(number, '"0123456789abcdef0123456789abcdef"') for number, _ in parts]
        if fault == "missing":
            parts.append((99, '"0123456789abcdef0123456789abcdef"'))
        if fault == "twice":
            parts += parts
        if fault == "empty":
            parts = []
        if fault == "malformed":
            return b"<CompleteMultipartUpload><Part>"
        entries = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
        return f"<CompleteMultipartUpload{space}>{entries}</CompleteMultipartUpload>".encode()

    step = Step("CompleteMultipartUpload", "POST", bucket_of(plan, slot), key_of(plan, slot), body=body)
    step.query.append(("uploadId", upload_id(dice, slot) if not whole else lambda view: view.upload(slot)))
    if not whole:
        step.headers += writes.only_if(dice, step.bucket, step.key) if dice.random() < 0.5 else []
        step.repeat = dice.choices([1, 2], [80, 20])[0]
    return step


def abort(dice, plan):
    slot = dice.randrange(SLOTS)
    query = [("uploadId", upload_id(dice, slot))]
    step = Step("AbortMultipartUpload", "DELETE", bucket_of(plan, slot), key_of(plan, slot), query)
    step.repeat = dice.choices([1, 2], [70, 30])[0]
    return step


def parts(dice, plan):
    slot = dice.randrange(SLOTS)
    query = [("uploadId", upload_id(dice, slot))]
    if dice.random() < 0.4:
        query.append(("max-parts", dice.choice(["0", "1", "2", "1000", "1001", "-1", "x", "2147483648"])))
    if dice.random() < 0.3:
        query.append(("part-number-marker", dice.choice(["0", "1", "2", "10000", "x", "-1"])))
    return Step("ListParts", "GET", bucket_of(plan, slot), key_of(plan, slot), query)


def big(plan, slot, key, dice):
    """The steps that make an object of several parts."""
    algorithm = dice.choice(["", "", "CRC32", "SHA256", "CRC64NVME"])
    headers = [("x-amz-meta-parts", "two")]
    if algorithm:
        headers.append(("x-amz-checksum-algorithm", algorithm))
    made = create(dice, plan, slot)
    made.headers = headers
    steps, sizes = [made], [PART, dice.choice([1, 65536, 3 * keys.MIB + 17])]
    for number, size in enumerate(sizes, 1):
        # One repeated block: random bytes enough to tell places apart, quick to make.
        block = dice.randbytes(65521)
        body = (block * (size // len(block) + 1))[:size]
        query = [("partNumber", str(number)), ("uploadId", lambda view: view.upload(slot))]
        step = Step("UploadPart", "PUT", "plain", key, query, [], body, form="unsigned")
        if algorithm in ("CRC32", "SHA256"):
            step.headers.append((f"x-amz-checksum-{algorithm.lower()}", payload.checksum(algorithm.lower(), body)))

        def learn(side, view, answer, number=number):
            side.uploads.setdefault(slot, {"id": "", "parts": {}})["parts"][number] = answer.header("etag")

        step.learn = learn
        steps.append(step)
    return [*steps, complete(dice, plan, slot, whole=True)]
