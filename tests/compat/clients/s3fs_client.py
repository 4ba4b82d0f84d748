"""s3fs (aiobotocore): the file system behind pandas, Dask and Hugging Face data sets."""

import s3fs

import support
from support import MIB, PREFIX, content, equal, same

filesystem = s3fs.S3FileSystem(key=support.ACCESS_KEY, secret=support.SECRET_KEY, endpoint_url=support.ENDPOINT)


class Store(support.Store):
    # Its paths have no empty parts and it expands patterns.
    unnameable = frozenset((support.DOUBLE_SLASH, support.STAR))

    def upload(self, key, body):
        with filesystem.open(f"{self.bucket}/{key}", "wb", block_size=5 * MIB) as file:
            file.write(body)

    def read(self, key):
        try:
            return filesystem.cat_file(f"{self.bucket}/{key}")
        except FileNotFoundError as error:
            raise support.Gone from error

    def read_range(self, key, start, length):
        return filesystem.cat_file(f"{self.bucket}/{key}", start=start, end=start + length)

    def list(self, prefix):
        filesystem.invalidate_cache()
        return {path.split("/", 1)[1] for path in filesystem.find(f"{self.bucket}/{prefix}")}

    def delete(self, key):
        filesystem.rm_file(f"{self.bucket}/{key}")


def files(bucket):
    """A file read through its buffer in unaligned steps, a copy, a move, and the end of a file."""
    path = f"{bucket}/{PREFIX}files/a.bin"
    body = content(3 * MIB + 5, path)
    filesystem.pipe_file(path, body)
    with filesystem.open(path, "rb", block_size=300_001) as file:
        same("in steps", b"".join(iter(lambda: file.read(70_001), b"")), body)
        file.seek(-10, 2)
        same("the end", file.read(), body[-10:])
    filesystem.copy(path, f"{path}.copy")
    filesystem.mv(f"{path}.copy", f"{path}.moved")
    same("moved", filesystem.cat_file(f"{path}.moved"), body)
    filesystem.rm(f"{bucket}/{PREFIX}files", recursive=True)
    equal("after rm", Store(bucket).list(f"{PREFIX}files/"), set())


support.every_bucket(Store)
for each in support.BUCKETS:
    files(each)
