"""zarr over obstore: one object a chunk, written and read in parallel, with chunks and metadata that are not there."""

import numpy
import obstore.store
import zarr
import zarr.storage

import support
from support import PREFIX, equal

SHAPE, CHUNKS = (1000, 800), (250, 200)


def store(bucket, name):
    return zarr.storage.ObjectStore(
        obstore.store.S3Store(
            bucket,
            prefix=f"{PREFIX}{name}",
            endpoint=support.ENDPOINT,
            access_key_id=support.ACCESS_KEY,
            secret_access_key=support.SECRET_KEY,
            region=support.REGION,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
    )


def arrays(bucket, version):
    where = store(bucket, f"v{version}.zarr")
    values = numpy.random.default_rng(version).random(SHAPE)
    group = zarr.open_group(where, mode="w", zarr_format=version)
    array = group.create_array("a", shape=SHAPE, chunks=CHUNKS, dtype=values.dtype, fill_value=-1.0)
    # A corner of absent chunks stays.
    array[:, :600] = values[:, :600]
    array.attrs["run"] = 42
    for _ in range(2):
        found = zarr.open_group(where, mode="r")["a"]
        equal("attributes", dict(found.attrs), {"run": 42})
        equal("values", bool((found[:, :600] == values[:, :600]).all()), True)
        equal("across chunks", bool((found[240:510, 190:410] == values[240:510, 190:410]).all()), True)
        equal("absent chunks", bool((found[:, 600:] == -1.0).all()), True)
    array[300:310, 10:20] = 7.0
    found = zarr.open_group(where, mode="r")["a"]
    equal("changed", bool((found[300:310, 10:20] == 7.0).all()), True)
    equal("beside it", found[310, 20], values[310, 20])
    del group["a"]
    equal("deleted", list(zarr.open_group(where, mode="r").array_keys()), [])


for each in support.BUCKETS:
    for number in (2, 3):
        arrays(each, number)
