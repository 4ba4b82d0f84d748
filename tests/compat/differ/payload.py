"""Bodies: S3's checksums, and the forms in which a signed body may be sent (plain, unsigned, in chunks, with trailers)."""

import base64
import functools
import hashlib
import zlib

# Reflected polynomials: Castagnoli (RFC 3720, appendix B.4) and NVME (NVM Express command set specification, 64-bit CRC).
CRC32C_POLYNOMIAL = 0x82F63B78
CRC64NVME_POLYNOMIAL = 0x9A6C9329AC4BC9B5


@functools.cache
def table(polynomial):
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        entries.append(value)
    return entries


def crc(polynomial, width, data):
    entries, ones = table(polynomial), (1 << width) - 1
    value = ones
    for byte in data:
        value = (value >> 8) ^ entries[(value ^ byte) & 0xFF]
    return (value ^ ones).to_bytes(width // 8, "big")


ALGORITHMS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: crc(CRC32C_POLYNOMIAL, 32, data),
    "crc64nvme": lambda data: crc(CRC64NVME_POLYNOMIAL, 64, data),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


def checksum(algorithm, data):
    return base64.b64encode(ALGORITHMS[algorithm](data)).decode()


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def chunked(signer, seed, data, size, trailer, signed, tamper):
    """An aws-chunked body. `trailer` is a (name, value) or none; `tamper` names what is falsified."""
    body, previous = b"", seed
    pieces = [data[at : at + size] for at in range(0, len(data), size)] + [b""]
    for number, piece in enumerate(pieces):
        head = f"{len(piece):x}"
        if signed:
            previous = signer.chunk(previous, piece)
            shown = "0" * 64 if tamper == "chunk-signature" and number == 0 else previous
            head += f";chunk-signature={shown}"
        body += head.encode() + b"\r\n" + piece + (b"\r\n" if piece else b"")
    if trailer:
        line = f"{trailer[0]}:{trailer[1]}"
        body += line.encode() + b"\r\n"
        if signed:
            signature = signer.trailer(previous, line.encode() + b"\n")
            shown = "0" * 64 if tamper == "trailer-signature" else signature
            body += f"x-amz-trailer-signature:{shown}\r\n".encode()
    return body + b"\r\n"
