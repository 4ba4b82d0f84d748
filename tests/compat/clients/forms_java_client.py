"""The payload forms of the AWS SDK for Java, version 2, which signs each chunk over plain HTTP: see tests/compat/java."""

import os

from forms.proof import CHUNKS, CHUNKS_TRAILER, HASH, Case, every, program, prove

# Most others take its native library.
ALGORITHMS = ("crc32", "crc32c", "sha1", "sha256", "sha512")
CASES = [
    *every("chunks", CHUNKS_TRAILER, "trailer", ALGORITHMS),
    *every("hash", HASH, "header", ALGORITHMS),
    Case("chunks-default", CHUNKS_TRAILER, "crc32", "trailer"),
    Case("chunks-stream", CHUNKS_TRAILER, "crc32", "trailer"),
    Case("chunks", CHUNKS),
    Case("chunks-md5", CHUNKS, md5=True),
    Case("parts-composite", CHUNKS_TRAILER, "sha256", "trailer", parts="COMPOSITE"),
    Case("parts-full", CHUNKS_TRAILER, "crc32c", "trailer", parts="FULL_OBJECT"),
    Case("presigned", ""),
]
FOLDER = os.environ["COMPAT_JAVA"]

prove(CASES, lambda url: program(url, "java", "-XX:TieredStopAtLevel=1", "-cp", f"{FOLDER}/classes:{FOLDER}/lib/*", "Forms"))
