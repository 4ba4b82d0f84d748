"""DuckDB with its httpfs extension: COPY TO and read_parquet."""

import pathlib

import duckdb
import duckdb_extension_httpfs

import support
import tables

folder = pathlib.Path(duckdb_extension_httpfs.__file__).parent / "extensions" / f"v{duckdb.__version__}"
connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.execute(f"LOAD '{folder / 'httpfs.duckdb_extension'}'")
for setting, value in {
    "s3_endpoint": support.HOST,
    "s3_access_key_id": support.ACCESS_KEY,
    "s3_secret_access_key": support.SECRET_KEY,
    "s3_region": support.REGION,
    "s3_url_style": "path",
}.items():
    connection.execute(f"SET {setting} = '{value}'")
connection.execute("SET s3_use_ssl = false")


def write(url, first):
    rows = f"SELECT range AS id, 'word ' || range AS word FROM range({first}, {first + tables.ROWS})"
    connection.execute(f"COPY ({rows}) TO '{url}' (FORMAT parquet, ROW_GROUP_SIZE 20480, COMPRESSION uncompressed)")


def read_sums(url):
    return tuple(map(int, connection.execute(f"SELECT count(word), sum(id) FROM read_parquet('{url}')").fetchone()))


tables.every_bucket(write, read_sums)
