"""A store over s3torchconnectorclient, as PyTorch's S3 connector uses it."""

from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client, S3Exception

import support
from support import MIB

client = MountpointS3Client(
    region=support.REGION,
    user_agent_prefix="s3torchconnector/1.5.0",
    throughput_target_gbps=10.0,
    part_size=8 * MIB,
    endpoint=support.ENDPOINT,
    force_path_style=True,
)


def missing(error):
    return any(word in str(error) for word in ("NoSuchKey", "not exist", "not found", "404"))


class Store(support.Store):
    def upload(self, key, body):
        stream = client.put_object(self.bucket, key)
        for start in range(0, len(body), MIB):
            stream.write(body[start : start + MIB])
        stream.close()

    def read(self, key):
        return self.get(key)

    def read_range(self, key, start, length):
        return self.get(key, start=start, end=start + length)

    def get(self, key, **span):
        try:
            return b"".join(client.get_object(self.bucket, key, **span))
        except S3Exception as error:
            if missing(error):
                raise support.Gone from error
            raise

    def list(self, prefix):
        pages = client.list_objects(self.bucket, prefix)
        return {info.key for page in pages for info in page.object_info}

    def delete(self, key):
        client.delete_object(self.bucket, key)

    def head(self, key):
        try:
            return client.head_object(self.bucket, key)
        except S3Exception as error:
            if missing(error):
                raise support.Gone from error
            raise

    def copy(self, source, target):
        client.copy_object(self.bucket, source, self.bucket, target)
