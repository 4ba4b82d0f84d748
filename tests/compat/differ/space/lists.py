"""Listings: versions 1 and 2, versions, uploads, parts; and what is asked of buckets as such."""

import urllib.parse

from differ.world import ABSENT, Step

PREFIXES = ["", "a", "data/", "data", "data/p", "d", "logs/2026/", "nothing-here", "dir/", "\u043a", "year=", "with ", "%", "a+b"]
DELIMITERS = ["/", "/", "/", "a", "", "//", "part-", " ", "%2F"]
COUNTS = ["0", "1", "2", "2", "3", "5", "1000", "1001", "100000", "2147483647", "2147483648", "-1", "abc", "", "1.5", " 1"]


def common(dice, plan, bucket):
    """Prefix, delimiter and the encoding of keys."""
    query = [("prefix", lambda view: view.key(bucket, "") or ABSENT)]
    if dice.random() < 0.45:
        prefix = dice.choice(PREFIXES + [key[: dice.randint(0, len(key))] for key in plan.keys])
        query = [("prefix", lambda view: view.key(bucket, prefix))]
    if dice.random() < 0.45:
        query.append(("delimiter", dice.choice(DELIMITERS)))
    if dice.random() < 0.4:
        query.append(("encoding-type", dice.choice(["url", "url", "url", "URL", "xml", ""])))
    return query


def some_key(dice, plan, bucket):
    """A key to begin behind: one that exists, a piece of one, or another."""
    key = dice.choice(plan.keys)
    key = dice.choice([key, key[: dice.randint(0, len(key))], key + "\u00ff", "", "zzzz"])
    return lambda view: view.key(bucket, key) if key else ""


def maybe_continued(dice, plan, bucket, kind):
    """Where to go on: often where the last page of that kind ended."""
    if dice.random() < 0.5:
        drawn = some_key(dice, plan, bucket)
        return lambda view: view.key(bucket, view.marker(kind)) if view.marker(kind) else drawn(view)
    return some_key(dice, plan, bucket)


def found_key(document, tag):
    """A key, which a listing may have been asked to write as in a URL."""
    text = found(document, tag)
    return urllib.parse.unquote_plus(text) if found(document, "EncodingType").lower() == "url" else text


def found(document, tag):
    """The text of the first element of that name; as Forebay's own answer has it, so under the client's names."""
    start = document.find(f"<{tag}>".encode())
    if start < 0:
        return ""
    text = document[start + len(tag) + 2 :].split(b"<", 1)[0].decode(errors="replace")
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


def objects(dice, plan):
    bucket = plan.bucket(dice)
    query = common(dice, plan, bucket)
    if dice.random() < 0.5:
        query.append(("max-keys", dice.choice(COUNTS)))
    if dice.random() < 0.4:
        if dice.random() < 0.5:
            query.append(("marker", maybe_continued(dice, plan, bucket, f"marker {bucket}")))

        def learn(side, view, answer):
            side.markers[f"marker {bucket}"] = bare(view, bucket, found_key(answer.body, "NextMarker"))

        return Step("ListObjects", "GET", bucket, None, query, learn=learn)
    query.append(("list-type", dice.choices(["2", "1", "3", ""], [95, 1, 1, 1])[0]))
    if dice.random() < 0.3:
        query.append(("start-after", some_key(dice, plan, bucket)))
    if dice.random() < 0.3:
        query.append(("fetch-owner", dice.choice(["true", "false", "", "yes"])))
    if dice.random() < 0.35:
        default = dice.choice(["", "nonsense", "bm9uc2Vuc2U="])
        query.append(("continuation-token", lambda view: view.marker(f"token {bucket}", default)))

    def learn(side, _, answer):
        side.markers[f"token {bucket}"] = found(answer.body, "NextContinuationToken")

    return Step("ListObjectsV2", "GET", bucket, None, query, learn=learn)


def bare(view, bucket, marker):
    """A marker without the prefix that the view puts before keys."""
    return marker.removeprefix(view.prefixes[bucket])


def versions(dice, plan):
    bucket = plan.bucket(dice)
    query = [("versions", ""), *common(dice, plan, bucket)]
    if dice.random() < 0.5:
        query.append(("max-keys", dice.choice(COUNTS)))
    if dice.random() < 0.4:
        query.append(("key-marker", maybe_continued(dice, plan, bucket, f"version key {bucket}")))
        if dice.random() < 0.6:
            default = dice.choice(["", "null", "nonsense"])
            query.append(("version-id-marker", lambda view: view.marker(f"version {bucket}", default)))

    def learn(side, view, answer):
        side.markers[f"version key {bucket}"] = bare(view, bucket, found_key(answer.body, "NextKeyMarker"))
        side.markers[f"version {bucket}"] = found(answer.body, "NextVersionIdMarker")

    return Step("ListObjectVersions", "GET", bucket, None, query, learn=learn)


def uploads(dice, plan):
    bucket = plan.bucket(dice)
    query = [("uploads", ""), *common(dice, plan, bucket)]
    if dice.random() < 0.5:
        query.append(("max-uploads", dice.choice(COUNTS)))
    if dice.random() < 0.35:
        query.append(("key-marker", maybe_continued(dice, plan, bucket, f"upload key {bucket}")))
        if dice.random() < 0.5:
            query.append(("upload-id-marker", lambda view: view.marker(f"upload {bucket}", "")))

    def learn(side, view, answer):
        side.markers[f"upload key {bucket}"] = bare(view, bucket, found_key(answer.body, "NextKeyMarker"))
        side.markers[f"upload {bucket}"] = found(answer.body, "NextUploadIdMarker")

    return Step("ListMultipartUploads", "GET", bucket, None, query, learn=learn)


def buckets(dice, plan):
    bucket = dice.choices([plan.bucket(dice), "missing"], [80, 20])[0]
    operation, method, query = dice.choice(
        [
            ("HeadBucket", "HEAD", []),
            ("GetBucketLocation", "GET", [("location", "")]),
            ("GetBucketLocation", "GET", [("location", None)]),
            ("ListObjectsV2", "GET", [("list-type", "2"), ("max-keys", "1")]),
            ("ListBuckets", "GET", []),
        ]
    )
    if operation == "ListBuckets":
        return Step(operation, method)
    if operation == "ListObjectsV2":
        query = [*query, ("prefix", lambda view: view.key(bucket, "") or ABSENT)]
    return Step(operation, method, bucket, None, query)


def missing(dice, plan):
    """Operations on a bucket that is not there."""
    key = dice.choice(plan.keys)
    operation, method, path, query = dice.choice(
        [
            ("GetObject", "GET", key, []),
            ("HeadObject", "HEAD", key, []),
            ("PutObject", "PUT", key, []),
            ("DeleteObject", "DELETE", key, []),
            ("CreateMultipartUpload", "POST", key, [("uploads", "")]),
            ("GetObjectTagging", "GET", key, [("tagging", "")]),
            ("ListObjectVersions", "GET", None, [("versions", "")]),
            ("GetBucketVersioning", "GET", None, [("versioning", "")]),
            ("GetBucketPolicy", "GET", None, [("policy", "")]),
            ("ListMultipartUploads", "GET", None, [("uploads", "")]),
            ("DeleteBucket", "DELETE", None, []),
        ]
    )
    return Step(operation, method, "missing", path, query)
