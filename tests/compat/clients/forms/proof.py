"""What is proven of each form: its tampered copies are refused and leave nothing, it arrives with its checksum."""

import base64
import dataclasses
import hashlib
import re
import subprocess
import urllib.parse
import zlib

import awscrt.checksums
import botocore.exceptions

import boto
import support
from forms import tamper
from forms.recorder import Recorder
from forms.wire import exchange
from support import MIB, PREFIX, SCRATCH, content, equal, same

BUCKET = support.BUCKETS[0]
# Two chunks of the SDK that makes the largest (128 KiB), the second not full.
BODY = content(150_001, "forms")
# Part 1 has the least size that S3 takes, part 2 is the body above.
LARGE = content(5 * MIB, "forms") + BODY
UPSTREAM = (support.HOST.split(":")[0], int(support.HOST.split(":")[1]))


@dataclasses.dataclass(frozen=True)
class Case:
    """A form by its name, which is the end of its key, and how it must look on the wire."""

    name: str
    # `x-amz-content-sha256`; HASH for a hash, "" for none (presigned).
    payload: str
    # The checksum's algorithm as in its header's name.
    checksum: str = ""
    # "header" or "trailer"; "" without a checksum.
    where: str = ""
    md5: bool = False
    # "COMPOSITE" or "FULL_OBJECT": the object is made of two parts, of which the second is looked at.
    parts: str = ""

    @property
    def vouched(self):
        """Whether a flipped byte can be noticed at all."""
        return bool(self.payload == "HASH" or self.checksum or self.md5)


HASH = "HASH"
UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")
# MinIO knows nothing of these.
NEWER = ("md5", "sha512", "xxhash64", "xxhash3", "xxhash128")


def every(prefix, payload, where, algorithms=ALGORITHMS, **more):
    """One case for each algorithm."""
    return [Case(f"{prefix}-{name}", payload, name, where, **more) for name in algorithms]


def digest(algorithm, body):
    """The checksum in base64."""
    big_endian = lambda number, width: number.to_bytes(width, "big")
    digests = {
        "md5": lambda: hashlib.md5(body).digest(),
        "crc32": lambda: big_endian(zlib.crc32(body), 4),
        "crc32c": lambda: big_endian(awscrt.checksums.crc32c(body), 4),
        "crc64nvme": lambda: big_endian(awscrt.checksums.crc64nvme(body), 8),
        "sha1": lambda: hashlib.sha1(body).digest(),
        "sha256": lambda: hashlib.sha256(body).digest(),
        "sha512": lambda: hashlib.sha512(body).digest(),
        "xxhash64": lambda: awscrt.checksums.XXHash.compute_xxhash64(body),
        "xxhash3": lambda: awscrt.checksums.XXHash.compute_xxhash3_64(body),
        "xxhash128": lambda: awscrt.checksums.XXHash.compute_xxhash3_128(body),
    }
    return base64.b64encode(digests[algorithm]()).decode()


def prove(cases, encode):
    """`encode(url)` makes the SDK upload every case through the recorder at `url`."""
    origin = boto.origin_client()
    awaited = {case.name: case for case in cases}
    seen = set()

    def look(request):
        path, _, query = request.target.partition("?")
        name = urllib.parse.unquote(path).removeprefix(f"/{BUCKET}/{PREFIX}")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        case = awaited.get(name)
        if request.method != "PUT" or case is None or query.get("partNumber") == "1":
            return
        if bool(case.parts) != ("partNumber" in query):
            raise AssertionError(f"{name}: {request.target}")
        seen.add(name)
        form(case, request)
        for copy in tamper.copies(case, request):
            refused(origin, case, copy, query)

    (SCRATCH / "body").write_bytes(BODY)
    (SCRATCH / "large").write_bytes(LARGE)
    with Recorder(UPSTREAM, look) as recorder:
        try:
            encode(f"http://127.0.0.1:{recorder.address[1]}")
        finally:
            for mistake in recorder.mistakes:
                raise mistake
    equal("forms never sent", sorted(set(awaited) - seen), [])
    for case in cases:
        arrived(origin, case)


def form(case, request):
    """The SDK must speak the form that the case is about."""
    payload = request.header("x-amz-content-sha256")
    equal(f"{case.name}, payload", HASH if len(payload) == 64 else payload, case.payload)
    in_headers = [name.lower() for name in re.findall(r"(?im)^x-amz-checksum-(crc\w+|md5|sha\d+|xxhash\d+):", request.head.decode())]
    equal(f"{case.name}, checksum in a header", in_headers, [case.checksum] if case.where == "header" else [])
    trailer = request.header("x-amz-trailer").lower().removeprefix("x-amz-checksum-")
    equal(f"{case.name}, checksum in a trailer", trailer, case.checksum if case.where == "trailer" else "")
    equal(f"{case.name}, Content-MD5", bool(request.header("content-md5")), case.md5)


def refused(origin, case, copy, query):
    what = f"{case.name}, {copy.what}"
    try:
        answer = exchange(UPSTREAM, copy.request, copy.ends)
    except (AssertionError, OSError) as problem:
        raise AssertionError(f"{what}: {problem}") from problem
    left = stored(origin, case, query)
    if support.DIRECT:
        # What the store itself makes of it, for the log.
        print(f"{what}: {answer.status} {answer.code}, {'stored' if left else 'nothing stored'}", flush=True)
        return
    equal(f"{what}, stored", left, False)
    equal(f"{what}, code", answer.code, copy.code)


def stored(origin, case, query):
    """Whether the origin has the object, or the part."""
    place = {"Bucket": BUCKET, "Key": PREFIX + case.name}
    if case.parts:
        listed = origin.list_parts(**place, UploadId=query["uploadId"]).get("Parts", [])
        return any(part["PartNumber"] == 2 for part in listed)
    try:
        origin.head_object(**place)
    except botocore.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def arrived(origin, case):
    """The bytes, and the checksum that the SDK computed, at the origin and through Forebay."""
    body = LARGE if case.parts else BODY
    for name, client in (("origin", origin), ("Forebay", boto.client())):
        what = f"{case.name} at {name}"
        answer = client.get_object(Bucket=BUCKET, Key=PREFIX + case.name, ChecksumMode="ENABLED")
        same(what, answer["Body"].read(), body)
        if case.where and not (case.checksum in NEWER and support.ORIGIN == "minio"):
            checksum = answer.get(f"Checksum{case.checksum.upper()}")
            equal(f"{what}, checksum", checksum, expected(case, body))
        if case.parts:
            equal(f"{what}, type", answer.get("ChecksumType"), case.parts)


def expected(case, body):
    if case.parts != "COMPOSITE":
        return digest(case.checksum, body)
    parts = b"".join(base64.b64decode(digest(case.checksum, part)) for part in (body[: 5 * MIB], body[5 * MIB :]))
    return digest(case.checksum, parts) + "-2"


def program(url, *command, **environment):
    """Runs an encoder that is a program of its own."""
    told = {"FORMS_ENDPOINT": url, "FORMS_BUCKET": BUCKET, "FORMS_PREFIX": PREFIX}
    told |= {"FORMS_BODY": str(SCRATCH / "body"), "FORMS_LARGE": str(SCRATCH / "large")}
    done = subprocess.run(command, env=support.environment(**told, **environment), capture_output=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"{command[0]}: {done.stdout.decode()}{done.stderr.decode()}")
