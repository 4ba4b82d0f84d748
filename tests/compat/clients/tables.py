"""The life of Parquet tables, for clients that read and write tables rather than bytes."""

import boto
import support
from support import PREFIX, equal

ROWS = 200_000


def lifecycle(bucket, write, read_sums):
    """`write(url, first)` stores ROWS rows (id = first, first + 1, ...; word = text); `read_sums(url)` gives their
    number and the sum of the ids of all files that `url` (a pattern) matches, and raises when there is none."""
    folder = f"{PREFIX}tables"
    for first in (0, 5, 11):
        for name in ("a", "b c"):
            write(f"s3://{bucket}/{folder}/{name}.parquet", first)
        one = (ROWS, sum(range(first, first + ROWS)))
        for _ in range(2):
            equal("one file", read_sums(f"s3://{bucket}/{folder}/b c.parquet"), one)
            equal("both files", read_sums(f"s3://{bucket}/{folder}/*.parquet"), (2 * one[0], 2 * one[1]))
    s3 = boto.client()
    for name in ("a", "b c"):
        s3.delete_object(Bucket=bucket, Key=f"{folder}/{name}.parquet")
    for pattern in ("a", "*"):
        try:
            read_sums(f"s3://{bucket}/{folder}/{pattern}.parquet")
        except Exception as error:  # each client has its own
            described = f"{type(error).__name__} {error}".lower()
            missing = ("404", "not found", "no files", "expanded paths were empty", "no such file", "nosuchkey", "0 files")
            if not any(word in described for word in missing):
                raise
            continue
        raise AssertionError(f"{pattern}: the deleted table was read")


def every_bucket(write, read_sums):
    for bucket in support.BUCKETS:
        lifecycle(bucket, write, read_sums)
