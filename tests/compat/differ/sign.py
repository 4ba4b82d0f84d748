"""Signature version 4, and the ways in which a request may be signed wrongly."""

import functools
import hashlib
import hmac
import urllib.parse

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
# RFC 3986, "unreserved": what SigV4 leaves as it is.
UNRESERVED = "-_.~"


def encode(text, keep=""):
    """Percent-encoding as SigV4 wants it; `text` may be bytes."""
    return urllib.parse.quote(text, safe=UNRESERVED + keep)


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@functools.lru_cache(64)
def signing_key(secret, day, region):
    key = hmac_sha256(b"AWS4" + secret.encode(), day)
    for part in (region, "s3", "aws4_request"):
        key = hmac_sha256(key, part)
    return key


class Signer:
    """Signs for one identity, at one time."""

    def __init__(self, access_key, secret_key, region, now):
        self.access_key, self.secret_key, self.region = access_key, secret_key, region
        self.time = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{region}/s3/aws4_request"

    def key(self):
        return signing_key(self.secret_key, self.time[:8], self.region)

    def signature(self, method, path, query, headers, payload):
        """Of the decoded query pairs, and of `headers`; returns the names too."""
        pairs = sorted((encode(name), encode(value or "")) for name, value in query)
        values = {}
        for name, value in headers:
            values.setdefault(name.lower(), []).append(" ".join(value.split()))
        names = ";".join(sorted(values))
        lines = [method, path, "&".join(f"{name}={value}" for name, value in pairs)]
        lines += [f"{name}:{','.join(values[name])}" for name in sorted(values)]
        canonical = "\n".join([*lines, "", names, payload])
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", self.time, self.scope, digest])
        return names, hmac_sha256(self.key(), text).hex()

    def authorization(self, method, path, query, headers, payload):
        """The value of the header, and the signature alone, which seeds those of the chunks."""
        names, signature = self.signature(method, path, query, headers, payload)
        credential = f"{self.access_key}/{self.scope}"
        value = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return value, signature

    def presign(self, method, path, query, headers, expires):
        """The query with what makes it a presigned one."""
        names = ";".join(sorted({name.lower() for name, _ in headers}))
        query = [
            *query,
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{self.access_key}/{self.scope}"),
            ("X-Amz-Date", self.time),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", names),
        ]
        _, signature = self.signature(method, path, query, headers, "UNSIGNED-PAYLOAD")
        return [*query, ("X-Amz-Signature", signature)]

    def chunk(self, previous, data):
        digest = hashlib.sha256(data).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.time, self.scope, previous, EMPTY_SHA256, digest])
        return hmac_sha256(self.key(), text).hex()

    def trailer(self, previous, line):
        digest = hashlib.sha256(line).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self.time, self.scope, previous, digest])
        return hmac_sha256(self.key(), text).hex()
