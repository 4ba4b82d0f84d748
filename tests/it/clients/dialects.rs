//! How each client speaks.

use crate::support::speaker::Dialect;

/// botocore, under boto3, AWS CLI v1, s3fs and others: the SDK's own headers are not signed, nor what the HTTP library adds.
pub(super) const BOTO: Dialect = Dialect {
    headers: &[
        ("Accept-Encoding", "identity"),
        (
            "User-Agent",
            "Boto3/1.43.117 md/Botocore#1.43.117 md/awscrt#0.38.0 ua/2.1 os/linux#6.8 lang/python#3.11.9",
        ),
        (
            "amz-sdk-invocation-id",
            "2b7f3a8c-5d1e-4c67-9a55-0b8a6d1e9f21",
        ),
        ("amz-sdk-request", "attempt=1"),
    ],
    unsigned: &[
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "connection",
        "content-length",
        "expect",
        "user-agent",
    ],
    unsigned_payload: false,
    signs_no_length: false,
    absolute: false,
};

/// s3transfer over the common runtime: everything is signed, the length of no body too.
pub(super) const CRT: Dialect = Dialect {
    headers: &[
        (
            "User-Agent",
            "Boto3/1.43.117 md/Botocore#1.43.117 ua/2.1 os/linux#6.8 CRTS3NativeClient/0.12.6 platform/unknown",
        ),
        (
            "amz-sdk-invocation-id",
            "8d6d5b1c-6f2f-4f0e-a1b5-6a1f54b1c3de",
        ),
        ("amz-sdk-request", "attempt=1; max=1"),
    ],
    unsigned: &["user-agent", "connection", "transfer-encoding"],
    unsigned_payload: true,
    signs_no_length: true,
    absolute: false,
};

/// s3torchconnector (mountpoint's client over the common runtime).
pub(super) const TORCH: Dialect = Dialect {
    headers: &[
        ("accept", "*/*"),
        (
            "User-Agent",
            "s3torchconnector/1.5.0 ua/2.1 os/linux lang/python#3.11.9 md/dataset#iterable CRTS3NativeClient/0.12.6",
        ),
    ],
    unsigned: &["user-agent", "content-length"],
    unsigned_payload: true,
    signs_no_length: false,
    absolute: false,
};

/// aws-sdk-go v1, under s5cmd.
pub(super) const GO: Dialect = Dialect {
    headers: &[
        (
            "User-Agent",
            "aws-sdk-go/1.44.298 (go1.20.6; linux; amd64) S3Manager",
        ),
        ("Accept-Encoding", "gzip"),
    ],
    unsigned: &["accept-encoding", "expect", "user-agent"],
    unsigned_payload: false,
    signs_no_length: false,
    absolute: false,
};

/// The AWS SDK for C++, under PyArrow: a content type on every request, and its own headers, all signed.
pub(super) const ARROW: Dialect = Dialect {
    headers: &[
        ("accept", "*/*"),
        (
            "amz-sdk-invocation-id",
            "0A5E3A0D-70A8-4F38-8E43-6F4C4B1B63B5",
        ),
        ("amz-sdk-request", "attempt=1"),
        ("content-type", "application/xml"),
        (
            "user-agent",
            "aws-sdk-cpp/1.11.900 ua/2.1 api/S3 os/Linux#6.8 lang/C++#C++17 md/GCC#13.2.0",
        ),
        ("x-amz-api-version", "2006-03-01"),
    ],
    unsigned: &[
        "accept",
        "connection",
        "expect",
        "transfer-encoding",
        "user-agent",
    ],
    unsigned_payload: false,
    signs_no_length: false,
    absolute: false,
};

/// object_store, under Polars: reads leave the body out of the signature.
pub(super) const POLARS: Dialect = Dialect {
    headers: &[("accept", "*/*"), ("user-agent", "object_store/0.14.2")],
    unsigned: &["accept", "content-length", "user-agent"],
    unsigned_payload: true,
    signs_no_length: false,
    absolute: false,
};

/// object_store, under obstore and zarr.
pub(super) const OBSTORE: Dialect = Dialect {
    unsigned_payload: false,
    ..POLARS
};

/// DuckDB's own client.
pub(super) const DUCKDB: Dialect = Dialect {
    headers: &[("Accept", "*/*"), ("User-Agent", "cpp-httplib/0.14.3")],
    unsigned: &["accept", "content-length", "expect", "user-agent"],
    unsigned_payload: false,
    signs_no_length: false,
    absolute: false,
};

/// tensorstore's own client.
pub(super) const TENSORSTORE: Dialect = Dialect {
    headers: &[
        ("accept", "*/*"),
        ("accept-encoding", "deflate, gzip, br, zstd"),
        ("user-agent", "tensorstore/0.1"),
    ],
    unsigned: &["accept", "accept-encoding", "content-length", "user-agent"],
    unsigned_payload: false,
    signs_no_length: false,
    absolute: false,
};

/// runai-model-streamer: the AWS SDK for C++ over the common runtime, with whole URLs as targets.
pub(super) const RUNAI: Dialect = Dialect {
    headers: &[
        ("content-type", "application/xml"),
        (
            "user-agent",
            "aws-sdk-cpp/1.11.584 ua/2.1 api/S3 CRTS3NativeClient/0.1.x platform/unknown",
        ),
    ],
    unsigned: &["user-agent", "content-length"],
    unsigned_payload: true,
    signs_no_length: false,
    absolute: true,
};

/// minio-py over urllib3.
pub(super) const MINIO: Dialect = Dialect {
    headers: &[
        ("Accept-Encoding", "identity"),
        ("User-Agent", "MinIO (Linux; x86_64) minio-py/7.2.20"),
    ],
    unsigned: &["accept-encoding", "content-length", "user-agent"],
    unsigned_payload: false,
    signs_no_length: false,
    absolute: false,
};
