"""PyArrow's S3 file system (AWS C++ SDK) and Parquet data sets on it."""

import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

import support
from support import PREFIX, equal

filesystem = pyarrow.fs.S3FileSystem(
    access_key=support.ACCESS_KEY,
    secret_key=support.SECRET_KEY,
    region=support.REGION,
    endpoint_override=support.HOST,
    scheme="http",
)


class Store(support.Store):
    # Its paths have no empty parts. versitygw answers 400 to its way of escaping the symbols when parts are completed.
    unnameable = frozenset((support.DOUBLE_SLASH, *((support.SYMBOLS,) if support.ORIGIN == "versitygw" else ())))

    def upload(self, key, body):
        with filesystem.open_output_stream(f"{self.bucket}/{key}") as stream:
            stream.write(body)

    def read(self, key):
        try:
            with filesystem.open_input_stream(f"{self.bucket}/{key}") as stream:
                return stream.read()
        except FileNotFoundError as error:
            raise support.Gone from error

    def read_range(self, key, start, length):
        with filesystem.open_input_file(f"{self.bucket}/{key}") as file:
            return file.read_at(length, start)

    def list(self, prefix):
        selector = pyarrow.fs.FileSelector(f"{self.bucket}/{prefix}", recursive=True, allow_not_found=True)
        infos = filesystem.get_file_info(selector)
        return {info.path.split("/", 1)[1] for info in infos if info.type == pyarrow.fs.FileType.File}

    def delete(self, key):
        filesystem.delete_file(f"{self.bucket}/{key}")


def dataset(bucket):
    """Three Parquet files read back as one table, and one column of a few rows; then overwritten and read at once."""
    folder = f"{bucket}/{PREFIX}dataset"
    for first in (0, 7):
        for number in range(3):
            table = pyarrow.table({"id": range(first, first + 20_000), "part": [number] * 20_000})
            pyarrow.parquet.write_table(table, f"{folder}/{number}.parquet", filesystem=filesystem, row_group_size=5000)
        data = pyarrow.dataset.dataset(folder, filesystem=filesystem, format="parquet")
        table = data.to_table()
        equal("rows", table.num_rows, 60_000)
        equal("sum", sum(table["id"].to_pylist()), 3 * sum(range(first, first + 20_000)))
        some = data.to_table(columns=["id"], filter=pyarrow.dataset.field("id") < first + 10)
        equal("filtered rows", some.num_rows, 30)
    filesystem.delete_dir(folder)
    equal("after delete_dir", Store(bucket).list(f"{PREFIX}dataset/"), set())


support.every_bucket(Store)
for each in support.BUCKETS:
    dataset(each)
