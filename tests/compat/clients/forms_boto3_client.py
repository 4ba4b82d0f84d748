"""The payload forms of boto3: hashes over plain HTTP, trailing checksums where it believes in TLS, presigned URLs, parts.

boto3 streams with a trailing checksum over TLS only. Taking the TLS off below its signature shows what a gateway behind a
TLS terminator gets: the signature covers no scheme.
"""

import io
import urllib.request

import boto3
import boto3.s3.transfer
import botocore.config

from forms.proof import (
    ALGORITHMS, BODY, BUCKET, HASH, LARGE, TRAILER, UNSIGNED, Case, digest, every, prove,
)  # fmt: skip
from support import MIB, PREFIX

COMPUTED = (*ALGORITHMS, "sha512", "xxhash64", "xxhash3", "xxhash128")
FULL = ("crc32", "crc32c", "crc64nvme")
COMPOSITE = ("crc32", "crc32c", "sha1", "sha256")

CASES = [
    *every("hash", HASH, "header", COMPUTED),
    *every("trailer", TRAILER, "trailer", COMPUTED),
    *every("full", HASH, "header", FULL, parts="FULL_OBJECT"),
    *every("composite", HASH, "header", COMPOSITE, parts="COMPOSITE"),
    *every("trailer-full", TRAILER, "trailer", FULL, parts="FULL_OBJECT"),
    Case("hash-default", HASH, "crc32", "header"),
    Case("hash-plain", HASH),
    Case("hash-given", HASH, "md5", "header"),
    Case("hash-md5", HASH, md5=True),
    Case("unsigned-md5", UNSIGNED, md5=True),
    Case("transfer", HASH, "crc32", "header", parts="COMPOSITE"),
    Case("presigned", ""),
    Case("presigned-md5", "", md5=True),
    Case("presigned-crc32", "", "crc32", "header"),
]


def client(url, **more):
    settings = botocore.config.Config(
        s3={"addressing_style": "path"}, signature_version="s3v4", retries={"total_max_attempts": 1}, **more
    )
    made = boto3.client("s3", endpoint_url=url, config=settings)
    made.meta.events.register("before-send.s3", without_tls)
    return made


def without_tls(request, **_):
    request.url = request.url.replace("https:", "http:", 1)


def place(name):
    return {"Bucket": BUCKET, "Key": PREFIX + name}


def multipart(s3, name, algorithm, kind):
    """Parts with a checksum each; the object's own goes with the last request where the parts' do not make it."""
    made = s3.create_multipart_upload(**place(name), ChecksumAlgorithm=algorithm, ChecksumType=kind)
    upload = place(name) | {"UploadId": made["UploadId"]}
    field = f"Checksum{algorithm}"
    parts = []
    for number, body in ((1, LARGE[: 5 * MIB]), (2, LARGE[5 * MIB :])):
        part = s3.upload_part(**upload, PartNumber=number, Body=io.BytesIO(body), ChecksumAlgorithm=algorithm)
        parts.append({"PartNumber": number, "ETag": part["ETag"], field: part[field]})
    whole = {field: digest(algorithm.lower(), LARGE)} if kind == "FULL_OBJECT" else {}
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType=kind, **whole)


def presigned(s3, name, headers, **more):
    url = s3.generate_presigned_url("put_object", Params=place(name) | more)
    with urllib.request.urlopen(urllib.request.Request(url, data=BODY, method="PUT", headers=headers)) as answer:
        answer.read()


def encode(url):
    plain, secure = client(url), client(url.replace("http:", "https:"))
    required = client(url, request_checksum_calculation="when_required")
    secure_required = client(url.replace("http:", "https:"), request_checksum_calculation="when_required")
    md5 = digest("md5", BODY)
    for name in COMPUTED:
        plain.put_object(**place(f"hash-{name}"), Body=BODY, ChecksumAlgorithm=name.upper())
        secure.put_object(**place(f"trailer-{name}"), Body=io.BytesIO(BODY), ChecksumAlgorithm=name.upper())
    plain.put_object(**place("hash-default"), Body=BODY)
    required.put_object(**place("hash-plain"), Body=BODY)
    required.put_object(**place("hash-given"), Body=BODY, ChecksumMD5=md5)
    required.put_object(**place("hash-md5"), Body=BODY, ContentMD5=md5)
    secure_required.put_object(**place("unsigned-md5"), Body=io.BytesIO(BODY), ContentMD5=md5)
    for name in FULL:
        multipart(plain, f"full-{name}", name.upper(), "FULL_OBJECT")
        multipart(secure, f"trailer-full-{name}", name.upper(), "FULL_OBJECT")
    for name in COMPOSITE:
        multipart(plain, f"composite-{name}", name.upper(), "COMPOSITE")
    classic = boto3.s3.transfer.TransferConfig(preferred_transfer_client="classic", multipart_chunksize=5 * MIB, multipart_threshold=5 * MIB)
    plain.upload_fileobj(io.BytesIO(LARGE), BUCKET, PREFIX + "transfer", Config=classic)
    presigned(required, "presigned", {"Content-Type": ""})
    presigned(required, "presigned-md5", {"Content-MD5": md5}, ContentMD5=md5)
    crc32 = digest("crc32", BODY)
    presigned(required, "presigned-crc32", {"x-amz-checksum-crc32": crc32}, ChecksumCRC32=crc32)


prove(CASES, encode)
