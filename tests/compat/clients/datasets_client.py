"""Hugging Face datasets over s3fs: saved to and loaded from a bucket, and streamed from Parquet files."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = os.environ["COMPAT_SCRATCH"] + "/huggingface"

import datasets
import pyarrow
import pyarrow.parquet
import s3fs

import support
from support import PREFIX, equal

# Given away in copies: the library adds its own to what it gets.
OPTIONS = {"key": support.ACCESS_KEY, "secret": support.SECRET_KEY, "endpoint_url": support.ENDPOINT}
ROWS = 20_000


def column(file):
    return [f"{file}-{row}" for row in range(ROWS)]


def saved(bucket):
    made = datasets.Dataset.from_dict({"number": list(range(ROWS)), "text": column("saved")})
    url = f"s3://{bucket}/{PREFIX}saved"
    made.save_to_disk(url, num_shards=3, storage_options=dict(OPTIONS))
    found = datasets.load_from_disk(url, storage_options=dict(OPTIONS), keep_in_memory=True)
    equal("rows", (found["number"][-1], found["text"][:]), (ROWS - 1, column("saved")))


def streamed(bucket):
    store = s3fs.S3FileSystem(**OPTIONS)
    for file in range(2):
        table = pyarrow.table({"text": column(file)})
        with store.open(f"{bucket}/{PREFIX}rows/{file}.parquet", "wb") as target:
            pyarrow.parquet.write_table(table, target, row_group_size=ROWS // 8)
    files = [f"s3://{bucket}/{PREFIX}rows/{file}.parquet" for file in range(2)]
    for _ in range(2):
        found = datasets.load_dataset(
            "parquet", data_files=files, split="train", streaming=True, storage_options=dict(OPTIONS)
        )
        equal("rows", [row["text"] for row in found] == column(0) + column(1), True)


for each in support.BUCKETS:
    saved(each)
    streamed(each)
