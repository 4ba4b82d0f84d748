"""tensorstore, with its own S3 client: chunks in parallel, parts of chunks by GET, HEAD and PUT with If-Match."""

import numpy
import tensorstore

import support
from support import PREFIX, equal

SHAPE, CHUNKS = [1000, 800], [250, 200]


def spec(bucket, driver):
    return {
        "driver": driver,
        "kvstore": {
            "driver": "s3",
            "bucket": bucket,
            "path": f"{PREFIX}{driver}/",
            "endpoint": support.ENDPOINT,
            "aws_region": support.REGION,
            "aws_credentials": {"type": "environment"},
        },
    }


def opened(bucket, driver, **more):
    # Without its own cache, so that each reading asks.
    context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0}})
    return tensorstore.open(spec(bucket, driver), context=context, **more).result()


def arrays(bucket, driver):
    values = numpy.random.default_rng(7).random(SHAPE)
    layout = tensorstore.ChunkLayout(chunk_shape=CHUNKS)
    made = opened(
        bucket, driver, create=True, delete_existing=True, dtype=tensorstore.float64, shape=SHAPE,
        chunk_layout=layout, fill_value=-1.0,
    )  # fmt: skip
    made[:, :600].write(values[:, :600]).result()
    for _ in range(2):
        found = opened(bucket, driver)
        equal("values", bool((found[:, :600].read().result() == values[:, :600]).all()), True)
        equal("absent chunks", bool((found[:, 600:].read().result() == -1.0).all()), True)
    # Two writers of one chunk: each has to see the other's bytes.
    first, second = opened(bucket, driver), opened(bucket, driver)
    writes = [first[0, 0:10].write(numpy.full(10, 7.0)), second[1, 0:10].write(numpy.full(10, 8.0))]
    for write in writes:
        write.result()
    found = opened(bucket, driver).read().result()
    equal("both parts", (found[0, 9], found[1, 9], found[2, 9]), (7.0, 8.0, values[2, 9]))


def keys(bucket):
    where = spec(bucket, "zarr")["kvstore"] | {"path": f"{PREFIX}keys/"}
    store = tensorstore.KvStore.open(where).result()
    for name in ("a b+c", "d/e", "d/f"):
        store.write(name, name.encode()).result()
    equal("read", store.read("d/e").result().value, b"d/e")
    equal("list", sorted(store.list().result()), [b"a b+c", b"d/e", b"d/f"])
    equal("absent", store.read("never").result().state, "missing")
    store.delete_range(tensorstore.KvStore.KeyRange()).result()
    equal("deleted", store.list().result(), [])


for each in support.BUCKETS:
    for name in ("zarr", "zarr3"):
        arrays(each, name)
    keys(each)
