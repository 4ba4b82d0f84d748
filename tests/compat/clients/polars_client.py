"""polars (object_store): Parquet written and scanned in the cloud."""

import polars

import support
import tables

options = {
    "aws_endpoint_url": support.ENDPOINT,
    "aws_access_key_id": support.ACCESS_KEY,
    "aws_secret_access_key": support.SECRET_KEY,
    "aws_region": support.REGION,
    "aws_allow_http": "true",
}


def write(url, first):
    frame = polars.DataFrame({"id": range(first, first + tables.ROWS)})
    frame = frame.with_columns(word=polars.format("word {}", "id"))
    frame.write_parquet(url, storage_options=options, row_group_size=20_000, compression="uncompressed")


def read_sums(url):
    frame = polars.scan_parquet(url, storage_options=options)
    return frame.select(polars.len(), polars.col("id").sum()).collect().row(0)


tables.every_bucket(write, read_sums)
