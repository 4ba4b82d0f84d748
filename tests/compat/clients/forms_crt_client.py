"""The payload forms of the Common Runtime (awscrt), which also carries the AWS CLI v2, through s3transfer's manager for it."""

import io

import botocore.config
import botocore.credentials
import botocore.session
from s3transfer.crt import BotocoreCRTCredentialsWrapper, BotocoreCRTRequestSerializer, CRTTransferManager, create_s3_crt_client

import support
from forms.proof import BODY, BUCKET, LARGE, TRAILER, Case, every, prove
from support import MIB, PREFIX, same

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")
FULL = ("crc64nvme",)
COMPOSITE = ("crc32", "crc32c", "sha1", "sha256")
CASES = [
    *every("trailer", TRAILER, "trailer", ALGORITHMS),
    *every("composite", TRAILER, "trailer", COMPOSITE, parts="COMPOSITE"),
    *every("full", TRAILER, "trailer", FULL, parts="FULL_OBJECT"),
    Case("default", TRAILER, "crc32", "trailer"),
]


def manager(url):
    session = botocore.session.get_session()
    credentials = BotocoreCRTCredentialsWrapper(session.get_credentials())
    client = create_s3_crt_client(
        region=support.REGION, crt_credentials_provider=credentials.to_crt_credentials_provider(),
        part_size=5 * MIB, use_ssl=False,
    )  # fmt: skip
    path_style = botocore.config.Config(s3={"addressing_style": "path"})
    return CRTTransferManager(client, BotocoreCRTRequestSerializer(session, {"endpoint_url": url, "config": path_style}))


def encode(url):
    with manager(url) as transfers:
        for case in CASES:
            body = LARGE if case.parts else BODY
            more = {} if case.name == "default" else {"ChecksumAlgorithm": case.checksum.upper()}
            transfers.upload(io.BytesIO(body), BUCKET, PREFIX + case.name, more).result()


def read_back():
    """Parallel ranges, pinned by the first answer's ETag, straight from Forebay."""
    with manager(support.ENDPOINT) as transfers:
        for case in CASES:
            target = io.BytesIO()
            transfers.download(BUCKET, PREFIX + case.name, target).result()
            same(case.name, target.getvalue(), LARGE if case.parts else BODY)


prove(CASES, encode)
read_back()
