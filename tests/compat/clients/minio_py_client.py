"""minio-py: its own SigV4 and its own parts, Content-MD5 on the completing request."""

import io

import minio
import minio.deleteobjects
import minio.error

import support
from support import MIB, PREFIX, equal, same

client = minio.Minio(
    endpoint=support.HOST, access_key=support.ACCESS_KEY, secret_key=support.SECRET_KEY, secure=False
)


class Store(support.Store):
    def upload(self, key, body):
        client.put_object(
            bucket_name=self.bucket, object_name=key, data=io.BytesIO(body), length=len(body), part_size=5 * MIB
        )

    def read(self, key, **span):
        try:
            answer = client.get_object(bucket_name=self.bucket, object_name=key, **span)
        except minio.error.S3Error as error:
            if error.code == "NoSuchKey":
                raise support.Gone from error
            raise
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def read_range(self, key, start, length):
        return self.read(key, offset=start, length=length)

    def list(self, prefix):
        found = client.list_objects(bucket_name=self.bucket, prefix=prefix, recursive=True)
        return {entry.object_name for entry in found}

    def delete(self, key):
        client.remove_object(bucket_name=self.bucket, object_name=key)


def more(bucket):
    """Metadata, a file down, many deletions in one request."""
    keys = [f"{PREFIX}more/{number}" for number in range(3)]
    for key in keys:
        client.put_object(
            bucket_name=bucket, object_name=key, data=io.BytesIO(b"x" * 9), length=9, metadata={"x-amz-meta-run": "7"}
        )
    found = client.stat_object(bucket_name=bucket, object_name=keys[0])
    equal("metadata", (found.size, found.metadata["x-amz-meta-run"]), (9, "7"))
    target = support.SCRATCH / "down"
    client.fget_object(bucket_name=bucket, object_name=keys[0], file_path=str(target))
    same("file", target.read_bytes(), b"x" * 9)
    doomed = [minio.deleteobjects.DeleteObject(key) for key in keys]
    equal("errors", list(client.remove_objects(bucket_name=bucket, delete_object_list=doomed)), [])
    equal("left", Store(bucket).list(f"{PREFIX}more/"), set())


support.every_bucket(Store)
for each in support.BUCKETS:
    more(each)
