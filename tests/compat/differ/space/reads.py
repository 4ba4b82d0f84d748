"""GetObject and HeadObject: ranges, conditions, parts, versions, overrides, and whatever else a read may carry."""

from differ.space.keys import KIB, MIB
from differ.world import UNKNOWN_VERSION, Step

RANGES = [
    "bytes=0-0",
    "bytes=0-",
    "bytes=1-3",
    "bytes=5-",
    "bytes=-1",
    "bytes=-5",
    "bytes=-0",
    "bytes=-999999999",
    "bytes=0-999999999",
    "bytes=2-1",
    "bytes=999999999-",
    "bytes=999999999-9999999999",
    "bytes=0-18446744073709551615",
    "bytes=0-99999999999999999999999",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes",
    "bytes=1-2-3",
    "bytes = 1-2",
    "bytes=1 - 2",
    "Bytes=1-2",
    "bytes=+1-2",
    "bytes=0x1-2",
    "items=0-1",
    "0-5",
    "bytes=0-1,3-4",
    "bytes=0-1, 5-",
    "bytes=0-0,-1",
    "bytes=0-5,3-9",
    "bytes=,1-2",
    "bytes=1-2,",
    "bytes=100-200,999999999-",
    f"bytes={64 * KIB - 1}-{64 * KIB}",
    f"bytes={64 * KIB}-{64 * KIB}",
    f"bytes=0-{64 * KIB - 1}",
    f"bytes=0-{64 * KIB}",
    f"bytes={64 * KIB}-",
    "bytes=99999-100000",
    "bytes=-65536",
    "bytes=-65537",
]
BIG_RANGES = [
    f"bytes={MIB - 1}-{MIB}",
    f"bytes={MIB}-{2 * MIB - 1}",
    f"bytes=0-{MIB}",
    f"bytes=-{MIB + 1}",
    f"bytes={5 * MIB - 1}-{5 * MIB}",
    f"bytes={5 * MIB}-",
    f"bytes={4 * MIB + 17}-{6 * MIB + 5}",
    f"bytes=0-{8 * MIB - 1}",
    "bytes=0-",
]
PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
MALFORMED_DATES = ["yesterday", "2026-11-25T12:00:00Z", "0", "-1", "Wed, 99 Nov 2026 00:00:00 GMT", "1700000000"]
OLD_FORMATS = ["Saturday, 01-Jan-00 00:00:00 GMT", "Sat Jan  1 00:00:00 2000"]
OVERRIDES = [
    ("response-content-type", "text/x-other; charset=utf-8"),
    ("response-content-disposition", 'attachment; filename="a b.txt"'),
    ("response-content-encoding", "identity"),
    ("response-content-language", "de"),
    ("response-cache-control", "max-age=5, private"),
    ("response-expires", "Thu, 01 Jan 2032 00:00:00 GMT"),
    ("response-expires", "soon"),
    ("response-content-type", ""),
    ("response-content-disposition", "attachment; filename*=UTF-8''%E2%82%AC.txt"),
]


def tags(dice, bucket, key):
    """A value for If-Match and If-None-Match."""

    def of(form):
        return lambda view: form(view.etag(bucket, key))

    return dice.choice(
        [
            of(lambda etag: etag),
            of(lambda etag: etag),
            of(lambda etag: etag.strip('"')),
            of(lambda etag: f"W/{etag}"),
            of(lambda etag: f'"nothing", {etag}'),
            of(lambda etag: f"{etag},nothing"),
            of(lambda etag: etag.upper()),
            of(lambda etag: etag.strip('"') + '"'),
            "*",
            '"*"',
            '"0123456789abcdef0123456789abcdef"',
            "nothing",
            '""',
            "",
            'W/"nothing"',
        ]
    )


def dates(dice, bucket, key, near=True):
    """A value for the conditions by date; without `near` none that two twins may see differently, which are not made at once."""
    choice = dice.random()
    if choice < 0.5:
        seconds = dice.choice([-3600, -1, 0, 0, 0, 1, 3600] if near else [-3600, 3600])
        return lambda view: view.modified(bucket, key, seconds)
    if choice < 0.75:
        return dice.choice([PAST, FUTURE])
    return dice.choice(MALFORMED_DATES + OLD_FORMATS)


def far_dates(dice, bucket, key):
    return dates(dice, bucket, key, near=False)


def conditions(dice, bucket, key):
    """None mostly; one or some of the four otherwise."""
    names = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
    count = dice.choices([0, 1, 2, 3], [60, 28, 10, 2])[0]
    pick = {"if-match": tags, "if-none-match": tags, "if-modified-since": dates, "if-unmodified-since": dates}
    return [(name, pick[name](dice, bucket, key)) for name in dice.sample(names, count)]


def version(dice, bucket, key):
    choice = dice.random()
    if choice < 0.7:
        number = dice.choice([0, 0, 1, 1, 2, 3])
        return lambda view: view.version(bucket, key, number)
    return dice.choice(["null", "null", UNKNOWN_VERSION, "", "not-a-version"])


def draw(dice, plan):
    bucket, key = plan.target(dice)
    method = dice.choices(["GET", "HEAD"], [70, 30])[0]
    step = Step("GetObject" if method == "GET" else "HeadObject", method, bucket, key)
    headers, query = step.headers, step.query
    big = key in plan.big
    if dice.random() < (0.75 if big else 0.4):
        headers.append(("range", dice.choice(BIG_RANGES if big and dice.random() < 0.7 else RANGES)))
        if dice.random() < 0.15:
            choose = tags if dice.random() < 0.6 else dates
            headers.append(("if-range", choose(dice, bucket, key)))
    headers += conditions(dice, bucket, key)
    step.twins = not any(callable(value) and ("since" in name or name == "if-range") for name, value in headers)
    if dice.random() < 0.3:
        headers.append(("x-amz-checksum-mode", dice.choice(["ENABLED", "ENABLED", "enabled", "DISABLED"])))
    if dice.random() < (0.3 if big else 0.08):
        query.append(("partNumber", dice.choice(["1", "1", "2", "3", "0", "-1", "10001", "abc", ""])))
    if dice.random() < (0.35 if plan.versioned else 0.07):
        query.append(("versionId", version(dice, bucket, key)))
    if dice.random() < 0.1:
        for name, value in dict(dice.sample(OVERRIDES, dice.choice([1, 1, 2, 3]))).items():
            query.append((name, value))
    if dice.random() < 0.06:
        headers.append(("cache-control", dice.choice(["no-cache", "no-store", "max-age=0", "only-if-cached"])))
    if dice.random() < 0.05:
        headers.append(("accept-encoding", dice.choice(["gzip", "identity", "gzip, deflate, br", "*"])))
    if dice.random() < 0.02:
        headers.append(("x-amz-request-payer", "requester"))
    if dice.random() < 0.02:
        headers.append(("x-amz-expected-bucket-owner", "111122223333"))
    if dice.random() < 0.03:
        headers.append(("content-type", "application/xml"))
    if dice.random() < 0.02:
        query.append(("x-id", step.operation))
    step.auth = dice.choices(["header", "presigned"], [88, 12])[0]
    step.form = dice.choices(["hash", "unsigned"], [70, 30])[0]
    step.spelling = dice.choices(["", "lower", "escaped", "raw"], [94, 2, 2, 2])[0]
    return step


def attributes(dice, plan):
    bucket, key = plan.target(dice)
    wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    headers = []
    if dice.random() < 0.92:
        chosen = dice.sample(wanted, dice.randint(1, 5)) + (["Nonsense"] if dice.random() < 0.06 else [])
        headers.append(("x-amz-object-attributes", ",".join(chosen)))
    if dice.random() < 0.3:
        headers.append(("x-amz-max-parts", dice.choice(["1", "2", "1000", "0", "-1", "x"])))
        headers.append(("x-amz-part-number-marker", dice.choice(["0", "1", "5", "x"])))
    step = Step("GetObjectAttributes", "GET", bucket, key, [("attributes", "")], headers)
    if dice.random() < (0.35 if plan.versioned else 0.07):
        step.query.append(("versionId", version(dice, bucket, key)))
    return step


def unauthorised(dice, plan):
    """Requests whose caller is nobody, or not who he says."""
    bucket, key = plan.target(dice)
    ways = ["anonymous", "wrong-secret", "unknown-key", "old", "tampered", "presigned-expired"]
    operation, method, query, body = dice.choice(
        [
            ("GetObject", "GET", [], b""),
            ("HeadObject", "HEAD", [], b""),
            ("PutObject", "PUT", [], b"never stored"),
            ("DeleteObject", "DELETE", [], b""),
            ("ListObjectsV2", "GET", [("list-type", "2")], b""),
            ("GetObjectTagging", "GET", [("tagging", "")], b""),
        ]
    )
    if operation == "ListObjectsV2":
        key = None
    return Step(operation, method, bucket, key, query, body=body, auth=dice.choice(ways))
