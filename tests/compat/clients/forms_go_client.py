"""The payload forms of the AWS SDKs for Go, versions 1 and 2: see tests/compat/go/forms."""

import os

from forms.proof import HASH, TRAILER, UNSIGNED, Case, every, program, prove

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512")
CASES = [
    *every("hash", HASH, "header", ALGORITHMS),
    *every("trailer", TRAILER, "trailer", ALGORITHMS),
    *every("unseekable", TRAILER, "trailer", ALGORITHMS),
    Case("hash", HASH),
    Case("unsigned", UNSIGNED),
    Case("presigned", ""),
    Case("presigned-hash", HASH),
    Case("parts-composite", HASH, "sha256", "header", parts="COMPOSITE"),
    Case("parts-full", TRAILER, "crc64nvme", "trailer", parts="FULL_OBJECT"),
]

prove(CASES, lambda url: program(url, os.environ["COMPAT_GO"] + "/forms"))
