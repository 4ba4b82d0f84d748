"""PutObject, CopyObject, DeleteObject and DeleteObjects, with all that their headers may say."""

from differ import payload
from differ.space import keys, reads
from differ.world import PREFIX, UNKNOWN_VERSION, Step

# Left out: values that are not UTF-8, whose signature Forebay cannot check; and checksums without a value, which MinIO ignores
# where AWS refuses them.
METADATA = [
    ("content-type", "text/plain"),
    ("content-type", "application/x-parquet; a=\"b\""),
    ("content-type", ""),
    ("content-encoding", "gzip"),
    ("content-encoding", "aws-chunked"),
    ("content-encoding", "aws-chunked,gzip"),
    ("content-encoding", "gzip, br"),
    ("content-language", "en-GB"),
    ("content-disposition", 'attachment; filename="x y.txt"'),
    ("cache-control", "max-age=31536000, immutable"),
    ("expires", "Thu, 01 Jan 2032 00:00:00 GMT"),
    ("expires", "never"),
    ("expires", "0"),
    ("x-amz-meta-plain", "value"),
    ("x-amz-meta-Mixed-Case", "Value"),
    ("x-amz-meta-empty", ""),
    ("x-amz-meta-spaces", "  two   spaces  "),
    ("x-amz-meta-utf8", "gr\u00fc\u00dfe \u4e16\u754c".encode().decode("latin-1")),
    ("x-amz-meta-rfc2047", "=?UTF-8?Q?gr=C3=BC=C3=9Fe?="),
    ("x-amz-meta-under_score", "1"),
    ("x-amz-meta-long", "v" * 1500),
    ("x-amz-meta-quote", '"quoted", with; commas'),
    ("x-amz-storage-class", "STANDARD"),
    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    ("x-amz-storage-class", "STANDARD_IA"),
    ("x-amz-storage-class", "NONSENSE"),
    ("x-amz-website-redirect-location", "/elsewhere"),
    ("x-amz-tagging", "a=1&b=two%20words"),
    ("x-amz-tagging", "a=1&a=2"),
    ("x-amz-tagging", "novalue"),
    ("x-amz-tagging", "&".join(f"k{number}=v" for number in range(11))),
    ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-server-side-encryption", "nonsense"),
    ("x-amz-server-side-encryption", "aws:kms"),
    ("x-amz-acl", "private"),
    ("x-amz-acl", "bucket-owner-full-control"),
    ("x-amz-acl", "public-read"),
    ("x-amz-acl", "nonsense"),
    ("x-amz-object-lock-mode", "GOVERNANCE"),
    ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-expected-bucket-owner", "111122223333"),
    ("x-amz-request-payer", "requester"),
]
TWICE = [("x-amz-meta-twice", "one"), ("x-amz-meta-twice", "two")]


# How a body is refused that is not what it is claimed to be: its last bytes never reach the origin.
PAYLOAD_FAULTS = {"BadDigest", "InvalidDigest", "InvalidRequest", "XAmzContentSHA256Mismatch", "SignatureDoesNotMatch"}


def metadata(dice):
    count = dice.choices([0, 1, 2, 4], [45, 30, 15, 10])[0]
    chosen = {}
    for name, value in dice.sample(METADATA, count):
        chosen.setdefault(name, value)
    headers = list(chosen.items())
    if dice.random() < 0.03:
        headers += TWICE
    return headers


def digests(dice, step, body):
    """A checksum in a header or a trailer, right or wrong; or Content-MD5."""
    choice = dice.random()
    algorithm = dice.choice(list(payload.ALGORITHMS))
    if choice < 0.25:
        right = dice.random() < 0.75
        value = payload.checksum(algorithm, body if right else body + b"x")
        if dice.random() < 0.08:
            value = dice.choice(["nonsense", "AAAA", "!!!!"])
        step.headers.append((f"x-amz-checksum-{algorithm}", value))
        if value != payload.checksum(algorithm, body):
            step.early |= PAYLOAD_FAULTS
        if dice.random() < 0.5:
            named = algorithm if dice.random() < 0.9 else dice.choice(list(payload.ALGORITHMS))
            step.headers.append(("x-amz-sdk-checksum-algorithm", named.upper()))
    elif choice < 0.35:
        values = [payload.md5(body), payload.md5(body), payload.md5(body + b"x"), "nonsense", "", "AAAA"]
        value = dice.choice(values)
        step.headers.append(("content-md5", value))
        if value != payload.md5(body):
            step.early |= PAYLOAD_FAULTS
    elif choice < 0.6:
        step.form = dice.choice(["unsigned-trailer", "streaming-trailer"])
        step.trailer = algorithm
        step.tamper = dice.choices(["", "trailer-checksum"], [85, 15])[0]


def form(dice, step):
    if step.form == "hash":
        step.form = dice.choices(["hash", "unsigned", "streaming"], [60, 25, 15])[0]
    if not step.tamper and dice.random() < 0.05:
        falsified = {"hash": ["hash"], "streaming": ["chunk-signature"]}
        falsified["streaming-trailer"] = ["chunk-signature", "trailer-signature"]
        step.tamper = dice.choice(falsified.get(step.form, [""]))
    if step.tamper:
        step.early |= PAYLOAD_FAULTS
    step.chunk = dice.choice([8192, 8192, 65536, 16384])
    # versitygw does not verify a presigned header without a value.
    empty = any(value == "" for _, value in step.headers)
    if dice.random() < 0.06 and step.form == "hash" and not step.tamper and not empty:
        step.auth = "presigned"
    step.expect = dice.random() < 0.15


def only_if(dice, bucket, key):
    """Conditions of a write."""
    if dice.random() < 0.8:
        return []
    value = reads.tags(dice, bucket, key)
    return dice.choice(
        [
            [("if-none-match", "*")],
            [("if-none-match", "*")],
            [("if-match", value)],
            [("if-none-match", value)],
            [("if-modified-since", reads.PAST)],
            [("if-unmodified-since", reads.PAST)],
        ]
    )


def put(dice, plan):
    bucket, key = plan.target(dice)
    if key in plan.big:
        key = dice.choice(plan.keys)
    body = keys.small(dice)
    if key.endswith("/") and dice.random() < 0.7:
        body = b""
    step = Step("PutObject", "PUT", bucket, key, [], metadata(dice) + only_if(dice, bucket, key), body)
    if key.endswith("/"):
        # versitygw makes the folder before it looks at what the body is claimed to be, and keeps it whatever it finds.
        return step
    digests(dice, step, body)
    form(dice, step)
    step.repeat = dice.choices([1, 2], [85, 15])[0]
    return step


def source_faults(bucket, key):
    """How Forebay refuses a source whose key is too long with the prefix of its route."""
    return set() if fits(bucket, key) else {"KeyTooLongError"}


def fits(bucket, key):
    return bucket != "alias" or len((PREFIX + key).encode()) <= keys.LONGEST


def copy(dice, plan):
    bucket, key = plan.target(dice)
    if key in plan.big:
        key = dice.choice(plan.keys)
    from_bucket, from_key = plan.target(dice)
    if dice.random() < 0.15:
        from_bucket, from_key = bucket, key
    if dice.random() < 0.04:
        from_bucket = "missing"
    slash, number = dice.random() < 0.5, None
    if plan.versioned and dice.random() < 0.3:
        number = dice.choice([0, 1, 2, -1])

    def source(view):
        version = None
        if number is not None:
            version = UNKNOWN_VERSION if number < 0 else view.version(from_bucket, from_key, number)
        return view.copy_source(from_bucket, from_key, version, slash)

    headers, early = [("x-amz-copy-source", source)], source_faults(from_bucket, from_key)
    if dice.random() < 0.03:
        headers = [("x-amz-copy-source", dice.choice(["/", "nothing", "no-such-bucket-here/", "/%zz/a", "a/b?versionId="]))]
        # The source is read to check rights.
        early = {"InvalidArgument"}
    if dice.random() < 0.35:
        headers.append(("x-amz-metadata-directive", dice.choice(["REPLACE", "REPLACE", "COPY", "replace", "NONSENSE"])))
    if dice.random() < 0.2:
        headers.append(("x-amz-tagging-directive", dice.choice(["REPLACE", "COPY", "NONSENSE"])))
    for name, draw in [("match", reads.tags), ("none-match", reads.tags), ("modified-since", reads.far_dates), ("unmodified-since", reads.far_dates)]:
        if dice.random() < 0.07:
            headers.append((f"x-amz-copy-source-if-{name}", draw(dice, from_bucket, from_key)))
    if dice.random() < 0.1:
        headers.append(("x-amz-checksum-algorithm", dice.choice(["SHA256", "CRC32", "CRC64NVME", "NONSENSE"])))
    headers += metadata(dice) if dice.random() < 0.5 else []
    headers += only_if(dice, bucket, key) if dice.random() < 0.5 else []
    return Step("CopyObject", "PUT", bucket, key, [], headers, early=early)


def delete(dice, plan):
    bucket, key = plan.target(dice)
    step = Step("DeleteObject", "DELETE", bucket, key)
    if dice.random() < (0.4 if plan.versioned else 0.06):
        step.query.append(("versionId", reads.version(dice, bucket, key)))
    if dice.random() < 0.06:
        step.headers.append(("if-match", reads.tags(dice, bucket, key)))
    if plan.locks and dice.random() < 0.2:
        step.headers.append(("x-amz-bypass-governance-retention", "true"))
    step.repeat = dice.choices([1, 2], [80, 20])[0]
    return step


def escaped(text):
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")


def usable(key, bucket):
    """Whether XML can name the key, and the route's prefix leaves room for it."""
    return fits(bucket, key) and all(character >= " " or character in "\t\r\n" for character in key)


def delete_many(dice, plan):
    bucket = plan.bucket(dice)
    named = [key for key in dice.sample(plan.keys, dice.randint(1, min(4, len(plan.keys)))) if usable(key, bucket)]
    named += ["never-there"] if dice.random() < 0.3 else []
    numbers = {}
    for key in named:
        if dice.random() < (0.3 if plan.versioned else 0.05):
            numbers[key] = dice.choice([0, 1, "null", UNKNOWN_VERSION])
    quiet = dice.choice(["", "<Quiet>true</Quiet>", "<Quiet>false</Quiet>"])
    space = dice.choice(["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
    broken = dice.random() < 0.06
    malformed = dice.choice(["<Delete>", "", "<Delete></Delete>", "no xml", "<Other/>"])

    def body(view):
        if broken:
            return malformed.encode()
        entries = ""
        for key in named:
            version, number = "", numbers.get(key)
            if number is not None:
                id = view.version(bucket, key, number) if isinstance(number, int) else number
                version = f"<VersionId>{id}</VersionId>"
            entries += f"<Object><Key>{escaped(view.key(bucket, key))}</Key>{version}</Object>"
        return f"<Delete{space}>{quiet}{entries}</Delete>".encode()

    step = Step("DeleteObjects", "POST", bucket, None, [("delete", "")], body=body)
    kind = dice.choices(["md5", "crc32", "sha256", "none", "wrong"], [45, 30, 15, 5, 5])[0]
    values = {
        "md5": lambda view: payload.md5(body(view)),
        "wrong": lambda view: payload.md5(body(view) + b"x"),
        "crc32": lambda view: payload.checksum("crc32", body(view)),
        "sha256": lambda view: payload.checksum("sha256", body(view)),
    }
    names = {"md5": "content-md5", "wrong": "content-md5", "crc32": "x-amz-checksum-crc32", "sha256": "x-amz-checksum-sha256"}
    if kind == "wrong":
        step.early |= PAYLOAD_FAULTS
    if broken or not named:
        # The keys are read to check rights.
        step.early |= {"MalformedXML"}
    if kind != "none":
        step.headers.append((names[kind], values[kind]))
    return step
