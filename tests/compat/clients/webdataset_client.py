"""webdataset: shards written through s5cmd's standard input, read through `s5cmd cat`, a process and connection each."""

import webdataset

import support
from support import PREFIX, content, equal

S5CMD = f"s5cmd --endpoint-url {support.ENDPOINT}"
SHARDS, SAMPLES = 3, 40


def samples(shard):
    for number in range(SAMPLES):
        name = f"{shard:02}-{number:04}"
        yield {"__key__": name, "bin": content(20_000 + number, name), "cls": str(number).encode()}


def write(bucket, generation):
    for shard in range(SHARDS):
        url = f"pipe:{S5CMD} pipe s3://{bucket}/{PREFIX}{generation}/shard-{shard}.tar"
        with webdataset.TarWriter(url) as writer:
            for sample in samples(shard):
                writer.write(sample)


def read(bucket, generation):
    last = SHARDS - 1
    url = f"pipe:{S5CMD} cat s3://{bucket}/{PREFIX}{generation}/shard-{{0..{last}}}.tar"
    found = webdataset.WebDataset(url, shardshuffle=False, empty_check=True)
    return [(sample["__key__"], sample["bin"], sample["cls"]) for sample in found]


for each in support.BUCKETS:
    write(each, "run")
    wanted = [(one["__key__"], one["bin"], one["cls"]) for shard in range(SHARDS) for one in samples(shard)]
    for turn in range(2):
        equal(f"epoch {turn}", read(each, "run") == wanted, True)
