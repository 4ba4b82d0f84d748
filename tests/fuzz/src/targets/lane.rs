//! The lean lane beside s3s: a read that the lane lets through s3s lets through too, and takes for the same caller's.
//!
//! Input: the path, the query, then headers. In the headers `@` stands where the signature goes, which is
//! made as the lane has it, and `TIME` and `DATE` for now.

use forebay::s3::fuzzing::{Head, lane};
use http::Method;

use super::{Target, text};
use crate::input::{block_on, headers, lines};

pub(super) const TARGET: Target = Target {
    name: "lane",
    seeds: &[
        "/train/a\n\nhost: h\nx-amz-date: TIME\nx-amz-content-sha256: UNSIGNED-PAYLOAD\nrange: bytes=0-1\nauthorization: \
         AWS4-HMAC-SHA256 Credential=FB/DATE/us-east-1/s3/aws4_request, \
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=@",
        "/train/a%20b%2B//c\npartNumber=1&versionId=v\nhost: h\nx-amz-date: TIME\nx-amz-content-sha256: \
         e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nauthorization: AWS4-HMAC-SHA256 \
         Credential=FB/DATE/auto/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=@",
        "/\n\nhost: h\ncontent-length: 0\nx-amz-meta-a: a  b\nx-amz-date: TIME\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n\
         authorization: AWS4-HMAC-SHA256 Credential=FB/DATE/r/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-a, Signature=@",
    ],
    run,
};

fn run(data: &[u8]) {
    let Some(([path, query], rest)) = text(data).map(lines) else {
        return;
    };
    let Some(headers) = headers(rest) else {
        return;
    };
    let head = Head {
        method: Method::GET,
        path,
        query,
        headers,
    };
    if let Some([Some(lean), full]) = block_on(lane(head)) {
        assert_eq!(Some(lean), full);
    }
}
