"""Makes buckets at an S3 endpoint: ENDPOINT REGION BUCKET... Runs in the Python environment of the clients."""

import sys

import boto3

client = boto3.client("s3", endpoint_url=sys.argv[1], region_name=sys.argv[2])
for bucket in sys.argv[3:]:
    client.create_bucket(Bucket=bucket)
