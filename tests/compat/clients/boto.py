"""The boto3 client and resource errors that several scenarios use, with boto3's own default settings."""

import os

import boto3
import botocore.config
import botocore.exceptions

import support

ORIGIN_ACCESS_KEY = os.environ["COMPAT_ORIGIN_ACCESS_KEY"]
ORIGIN_SECRET_KEY = os.environ["COMPAT_ORIGIN_SECRET_KEY"]


def client(**more):
    path_style = botocore.config.Config(s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=support.ENDPOINT, config=path_style, **more)


def signature_v4_client():
    """For presigned URLs, which boto3 signs by version 2 unless told otherwise."""
    settings = botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=support.ENDPOINT, config=settings)


def origin_client(**more):
    """Straight to the origin, past Forebay."""
    return boto3.client(
        "s3",
        endpoint_url=os.environ["COMPAT_ORIGIN_ENDPOINT"],
        aws_access_key_id=ORIGIN_ACCESS_KEY,
        aws_secret_access_key=ORIGIN_SECRET_KEY,
        **more,
    )


def outcome(action, **arguments):
    """(status, code) of a request that must fail."""
    try:
        action(**arguments)
    except botocore.exceptions.ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    raise AssertionError(f"{action.__name__}({arguments}) did not fail")
