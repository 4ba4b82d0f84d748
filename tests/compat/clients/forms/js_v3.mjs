// Uploads one object in each payload form that the AWS SDK for JavaScript can be made to use, under the name of its form.
import { createHash } from "node:crypto";
import { readFileSync, createReadStream } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.COMPAT_NODE}/package.json`);
const { S3Client, PutObjectCommand } = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

const { FORMS_BODY, FORMS_BUCKET: Bucket, FORMS_ENDPOINT: endpoint, FORMS_LARGE, FORMS_PREFIX } = process.env;
const body = readFileSync(FORMS_BODY);
const usual = new S3Client({ endpoint, forcePathStyle: true, maxAttempts: 1 });
const required = new S3Client({ endpoint, forcePathStyle: true, maxAttempts: 1, requestChecksumCalculation: "WHEN_REQUIRED" });

async function put(client, name, more) {
  await client.send(new PutObjectCommand({ Bucket, Key: FORMS_PREFIX + name, Body: body, ...more }));
}

async function parts(name, Body, more) {
  const params = { Bucket, Key: FORMS_PREFIX + name, Body, ...more };
  await new Upload({ client: usual, params, partSize: 5 * 1024 * 1024 }).done();
}

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  const name = ChecksumAlgorithm.toLowerCase();
  await put(usual, `hash-${name}`, { ChecksumAlgorithm });
  const stream = { Body: createReadStream(FORMS_BODY), ContentLength: body.length };
  await put(usual, `stream-${name}`, { ChecksumAlgorithm, ...stream });
}
await put(usual, "hash-default", {});
await put(required, "hash-plain", {});
await put(required, "hash-md5", { ContentMD5: createHash("md5").update(body).digest("base64") });
await parts("parts", readFileSync(FORMS_LARGE), {});
await parts("parts-stream", createReadStream(FORMS_LARGE), { ChecksumAlgorithm: "CRC32C" });
