"""What the Python scenarios share: where to go, what to write, and the life of an object that every client lives through.

A client is described by a `Store`; `lifecycle` then uploads, lists, reads, reads ranges, overwrites, reads at once, deletes
and reads again. Bodies are compared by their SHA-256. A scenario prints nothing and ends with status 0 when all holds.
"""

import hashlib
import os
import pathlib
import random

KIB = 1024
MIB = 1024 * KIB
SMALL = 100 * KIB
LARGE = 20 * MIB

ENDPOINT = os.environ["COMPAT_ENDPOINT"]
HOST = os.environ["COMPAT_HOST"]
ORIGIN = os.environ["COMPAT_ORIGIN"]
DIRECT = bool(os.environ["COMPAT_DIRECT"])
ACCESS_KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ["AWS_REGION"]
BUCKETS = os.environ["COMPAT_BUCKETS"].split(",")
PREFIX = os.environ["COMPAT_PREFIX"]
SCRATCH = pathlib.Path(os.environ["COMPAT_SCRATCH"])

ESCAPES = "a b+c=d%25/\u00fc/x"
SYMBOLS = "sym/~!$&'()@,;:=.bin"
DOTS = "dots/..a/b../c...d"
STAR = "star/*?[x].bin"
DOUBLE_SLASH = "double//slash"
UPWARDS = "up/../down"
ODD_KEYS = (ESCAPES, SYMBOLS, DOTS, STAR, DOUBLE_SLASH, UPWARDS)
# Both servers keep objects under paths: MinIO refuses these keys, versitygw stores them under the path they lead to.
NOT_KEPT = frozenset((DOUBLE_SLASH, UPWARDS))


class Gone(Exception):
    """The object is not there."""


class Store:
    """One client on one bucket. `read` and `read_range` raise `Gone` for an absent object."""

    # The odd keys that this client cannot name, whatever the server.
    unnameable = frozenset()
    # Whether each range is a program of its own, so that two must do.
    slow_ranges = False

    def __init__(self, bucket):
        self.bucket = bucket

    def upload(self, key, body):
        raise NotImplementedError

    def read(self, key):
        raise NotImplementedError

    def read_range(self, key, start, length):
        raise NotImplementedError

    def list(self, prefix):
        """The keys below `prefix`."""
        raise NotImplementedError

    def delete(self, key):
        raise NotImplementedError


def environment(**more):
    """For a client that is a program of its own: that of the scenario, and what it is told besides."""
    return dict(os.environ) | more


def content(size, *seed):
    """The same bytes for the same arguments."""
    return random.Random(repr((size, seed))).randbytes(size)


def same(what, got, wanted):
    got, wanted = bytes(got), bytes(wanted)
    if hashlib.sha256(got).digest() != hashlib.sha256(wanted).digest():
        at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
        raise AssertionError(f"{what}: {len(got)} bytes instead of {len(wanted)}, different from byte {at}")


def equal(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


def gone(what, action, *arguments):
    try:
        action(*arguments)
    except Gone:
        return
    raise AssertionError(f"{what}: still there")


def every_bucket(store_type, large=LARGE):
    """The whole life of a small and a large object and of the odd keys in the first bucket, of small ones in the others."""
    for place, bucket in enumerate(BUCKETS):
        store = store_type(bucket)
        sizes = (SMALL,) if place else (SMALL, large)
        for size in sizes:
            lifecycle(store, f"{PREFIX}life/{size}.bin", size)
        for key in ODD_KEYS:
            if key not in store.unnameable | NOT_KEPT:
                odd_key(store, f"{PREFIX}odd/{key}")


def lifecycle(store, key, size):
    what = f"{store.bucket}/{key}"
    folder = key.rsplit("/", 1)[0] + "/"
    first, second = content(size, key, 1), content(size - 1234, key, 2)
    gone(f"{what} before the upload", store.read, key)
    store.upload(key, first)
    equal(f"listing of {folder}", key in store.list(folder), True)
    same(f"{what} read", store.read(key), first)
    ranges(store, key, first)
    same(f"{what} read again", store.read(key), first)
    store.upload(key, second)
    same(f"{what} overwritten", store.read(key), second)
    ranges(store, key, second)
    store.delete(key)
    gone(f"{what} deleted", store.read, key)
    equal(f"listing of {folder} after the delete", key in store.list(folder), False)


def ranges(store, key, body):
    """First byte, across a page of 64 KiB, unaligned middle, the end."""
    size = len(body)
    spans = ((65_530, 12), (size // 3, size // 4), (0, 1), (size - 777, 777))
    for start, length in spans[:2] if store.slow_ranges else spans:
        got = store.read_range(key, start, length)
        same(f"{store.bucket}/{key}, {length} bytes from {start}", got, body[start : start + length])


def odd_key(store, key):
    what = f"{store.bucket}/{key}"
    body = content(1000, key)
    store.upload(key, body)
    same(f"{what} read", store.read(key), body)
    listed = store.list(f"{PREFIX}odd/")
    equal(f"{what} in the listing {sorted(listed)}", key in listed, True)
    store.delete(key)
    gone(f"{what} deleted", store.read, key)
