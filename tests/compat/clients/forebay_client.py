"""What Forebay adds to an S3 server: where answers come from, where objects lie, whose signature counts."""

import boto
import support
from support import MIB, PREFIX, content, equal, same

s3, origin = boto.client(), boto.origin_client()


def served_by(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-forebay-cache"]


def second_read_is_a_hit(bucket):
    key, body = f"{PREFIX}hit.bin", content(3 * MIB + 17, bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    sources = []
    for _ in range(3):
        answer = s3.get_object(Bucket=bucket, Key=key)
        sources.append(served_by(answer))
        same(key, answer["Body"].read(), body)
    equal("first read from", sources[0], "origin")
    equal("third read from", sources[2], "memory")
    span = s3.get_object(Bucket=bucket, Key=key, Range="bytes=1000000-2000000")
    equal("range from", served_by(span), "memory")
    same("range", span["Body"].read(), body[1_000_000:2_000_001])
    s3.put_object(Bucket=bucket, Key=key, Body=body[:99])
    answer = s3.get_object(Bucket=bucket, Key=key)
    equal("read after an overwrite from", served_by(answer), "origin")
    same("overwritten", answer["Body"].read(), body[:99])


def objects_lie_where_the_route_says(bucket, origin_bucket, prefix):
    key, body = f"{PREFIX}placed +%.bin", content(1000, bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    same("at the origin", origin.get_object(Bucket=origin_bucket, Key=prefix + key)["Body"].read(), body)
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)
    equal("keys in a listing", [entry["Key"] for entry in listed["Contents"]], [key])
    etag = origin.head_object(Bucket=origin_bucket, Key=prefix + key)["ETag"]
    equal("ETag", s3.head_object(Bucket=bucket, Key=key)["ETag"], etag)


def origin_keys_are_not_clients_keys(bucket):
    stranger = boto.client(
        aws_access_key_id=boto.ORIGIN_ACCESS_KEY, aws_secret_access_key=boto.ORIGIN_SECRET_KEY
    )
    equal("the origin's key", boto.outcome(stranger.list_objects_v2, Bucket=bucket), (403, "InvalidAccessKeyId"))


for each in support.BUCKETS:
    second_read_is_a_hit(each)
objects_lie_where_the_route_says("compat", "compat", "")
objects_lie_where_the_route_says("alias", "corp-data", "team a+b/")
origin_keys_are_not_clients_keys("compat")
