"""The payload forms of the AWS SDK for JavaScript, version 3: see forms/js_v3.mjs."""

import pathlib

from forms.proof import HASH, TRAILER, Case, every, program, prove

CASES = [
    *every("hash", HASH, "header"),
    *every("stream", TRAILER, "trailer"),
    Case("hash-default", HASH, "crc32", "header"),
    Case("hash-plain", HASH),
    Case("hash-md5", HASH, md5=True),
    Case("parts", HASH, "crc32", "header", parts="COMPOSITE"),
    Case("parts-stream", HASH, "crc32c", "header", parts="COMPOSITE"),
]

prove(CASES, lambda url: program(url, "node", str(pathlib.Path(__file__).parent / "forms" / "js_v3.mjs")))
