"""obstore (object_store): the store behind zarr and many Rust data tools."""

import obstore
import obstore.exceptions
import obstore.store

import support
from support import MIB, PREFIX, content, equal, same


class Store(support.Store):
    # Its paths have no empty and no upward parts.
    unnameable = frozenset((support.DOUBLE_SLASH, support.UPWARDS))

    def __init__(self, bucket):
        super().__init__(bucket)
        self.store = obstore.store.S3Store(
            bucket,
            endpoint=support.ENDPOINT,
            access_key_id=support.ACCESS_KEY,
            secret_access_key=support.SECRET_KEY,
            region=support.REGION,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def upload(self, key, body):
        obstore.put(self.store, key, body)

    def read(self, key):
        try:
            return obstore.get(self.store, key).bytes()
        except FileNotFoundError as error:
            raise support.Gone from error

    def read_range(self, key, start, length):
        return obstore.get_range(self.store, key, start=start, length=length)

    def list(self, prefix):
        return {entry["path"] for batch in obstore.list(self.store, prefix) for entry in batch}

    def delete(self, key):
        obstore.delete(self.store, key)


def more(bucket):
    """Several ranges, create-only and conditional writes, a copy, a rename."""
    store = Store(bucket).store
    key = f"{PREFIX}more.bin"
    body = content(6 * MIB, key)
    made = obstore.put(store, key, body, mode="create")
    starts, ends = [0, 100, 4 * MIB], [10, 110, 4 * MIB + 10]
    for got, start, end in zip(obstore.get_ranges(store, key, starts=starts, ends=ends), starts, ends, strict=True):
        same(f"from {start}", got, body[start:end])
    try:
        obstore.put(store, key, b"x", mode="create")
    except obstore.exceptions.AlreadyExistsError:
        pass
    else:
        raise AssertionError("a create-only put replaced an object")
    obstore.put(store, key, b"second", mode={"e_tag": made["e_tag"]}, use_multipart=False)
    same("conditional put", obstore.get(store, key).bytes(), b"second")
    obstore.copy(store, key, f"{key}.copy")
    obstore.rename(store, f"{key}.copy", f"{key}.renamed")
    same("renamed", obstore.get(store, f"{key}.renamed").bytes(), b"second")
    equal("size", obstore.head(store, key)["size"], 6)
    obstore.delete(store, [key, f"{key}.renamed"])
    equal("left", Store(bucket).list(key), set())


support.every_bucket(Store)
for each in support.BUCKETS:
    more(each)
