"""The sequence of requests by which PyTorch's distributed checkpointing (DCP) saves and loads through the S3 connector.

The shard and a temporary metadata file are uploaded in parts, the metadata file is copied to its final name and read back
at once: a record of the 404 that was seen just before must not survive the copy.
"""

import boto
import s3torch
import support
from support import MIB, PREFIX, content, equal, same


def save(store, folder, shard, metadata):
    final, temporary = f"{folder}/.metadata", f"{folder}/.metadata.tmp"
    exists = True
    try:
        store.head(final)
    except support.Gone:
        exists = False
    store.upload(f"{folder}/__0_0.distcp", shard)
    store.upload(temporary, metadata)
    if exists:
        store.delete(final)
    support.gone("metadata before the copy", store.head, final)
    equal("size of the temporary file", store.head(temporary).size, len(metadata))
    store.copy(temporary, final)
    store.delete(temporary)
    support.gone("temporary file", store.head, temporary)


def load(store, folder):
    return store.read(f"{folder}/.metadata"), store.read(f"{folder}/__0_0.distcp")


s3 = boto.client()
for bucket in support.BUCKETS:
    store = s3torch.Store(bucket)
    folder = f"{PREFIX}checkpoint"
    # The second step is saved over the first, whose files have been read.
    for step in range(2):
        shard, metadata = content(17 * MIB + 99, bucket, step), content(986, bucket, step)
        save(store, folder, shard, metadata)
        for _ in range(2):
            read_metadata, read_shard = load(store, folder)
            same(f"metadata of step {step}", read_metadata, metadata)
            same(f"shard of step {step}", read_shard, shard)
        answer = s3.get_object(Bucket=bucket, Key=f"{folder}/.metadata")
        same("metadata through boto3", answer["Body"].read(), metadata)
    equal("files", store.list(f"{folder}/"), {f"{folder}/.metadata", f"{folder}/__0_0.distcp"})
