// The AWS SDK for JavaScript, version 3, with lib-storage: the same life of an object as in support.py.
import { createHash, randomBytes } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.COMPAT_NODE}/package.json`);
const {
  S3Client,
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

const MIB = 1024 * 1024;
const prefix = process.env.COMPAT_PREFIX;
const client = new S3Client({ endpoint: process.env.COMPAT_ENDPOINT, forcePathStyle: true });

function equal(what, got, wanted) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${what}: ${left} instead of ${right}`);
}

function same(what, got, wanted) {
  const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
  equal(`${what}, length`, got.length, wanted.length);
  equal(`${what}, SHA-256`, digest(got), digest(wanted));
}

async function upload(Bucket, Key, Body) {
  if (Body.length > 5 * MIB) {
    await new Upload({ client, params: { Bucket, Key, Body }, partSize: 5 * MIB, queueSize: 4 }).done();
  } else {
    await client.send(new PutObjectCommand({ Bucket, Key, Body }));
  }
}

async function read(Bucket, Key, Range) {
  const answer = await client.send(new GetObjectCommand({ Bucket, Key, Range }));
  return Buffer.from(await answer.Body.transformToByteArray());
}

async function list(Bucket, Prefix) {
  const answer = await client.send(new ListObjectsV2Command({ Bucket, Prefix }));
  return (answer.Contents ?? []).map((entry) => entry.Key);
}

async function gone(what, Bucket, Key) {
  for (const [Command, name] of [[GetObjectCommand, "NoSuchKey"], [HeadObjectCommand, "NotFound"]]) {
    let found = "still there";
    try {
      await client.send(new Command({ Bucket, Key }));
    } catch (error) {
      found = error.name;
    }
    equal(what, found, name);
  }
}

async function ranges(bucket, key, body) {
  for (const [start, length] of [[0, 1], [65530, 12], [Math.floor(body.length / 3), 30000], [body.length - 777, 777]]) {
    const got = await read(bucket, key, `bytes=${start}-${start + length - 1}`);
    same(`${key} from ${start}`, got, body.subarray(start, start + length));
  }
  same("suffix", await read(bucket, key, "bytes=-100"), body.subarray(body.length - 100));
}

async function lifecycle(bucket, key, size) {
  const [first, second] = [randomBytes(size), randomBytes(size - 1234)];
  await gone("before the upload", bucket, key);
  for (const body of [first, second]) {
    await upload(bucket, key, body);
    equal("listing", (await list(bucket, key)).includes(key), true);
    same(key, await read(bucket, key), body);
    await ranges(bucket, key, body);
    same(`${key} again`, await read(bucket, key), body);
  }
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
  await gone("deleted", bucket, key);
  equal("listing after the delete", await list(bucket, key), []);
}

async function copyAndDelete(bucket) {
  const body = randomBytes(2000);
  const keys = ["a b+c=d%25/\u00fc/x", "sym/~!$&'()@,;:=.bin", "star/*?[x].bin"].map((key) => `${prefix}odd/${key}`);
  for (const key of keys) {
    await upload(bucket, key, body);
    same(key, await read(bucket, key), body);
    const CopySource = `${bucket}/${encodeURIComponent(key)}`;
    await client.send(new CopyObjectCommand({ Bucket: bucket, Key: `${key}.copy`, CopySource }));
    same(`${key}.copy`, await read(bucket, `${key}.copy`), body);
  }
  const all = keys.flatMap((key) => [key, `${key}.copy`]);
  equal("listing", (await list(bucket, `${prefix}odd/`)).sort(), [...all].sort());
  const Delete = { Objects: all.map((Key) => ({ Key })) };
  const answer = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete }));
  equal("errors", answer.Errors ?? [], []);
  for (const key of all) await gone("deleted", bucket, key);
}

for (const [place, bucket] of process.env.COMPAT_BUCKETS.split(",").entries()) {
  await lifecycle(bucket, `${prefix}small.bin`, 100 * 1024);
  if (place === 0) await lifecycle(bucket, `${prefix}large.bin`, 20 * MIB);
  await copyAndDelete(bucket);
}
