"""AWS CLI version 1: cp, sync, ls and rm, with its default transfer settings."""

import subprocess

import support
from support import PREFIX, SCRATCH, content, equal, same


def aws(*arguments, check=True):
    command = ["aws", "--endpoint-url", support.ENDPOINT, *arguments]
    done = subprocess.run(command, capture_output=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"aws {arguments}: {done.stdout + done.stderr}")
    return done


class Store(support.Store):
    slow_ranges = True

    def upload(self, key, body):
        (SCRATCH / "up").write_bytes(body)
        aws("s3", "cp", "--no-progress", str(SCRATCH / "up"), f"s3://{self.bucket}/{key}")

    def read(self, key):
        done = aws("s3", "cp", f"s3://{self.bucket}/{key}", "-", check=False)
        if done.returncode:
            if b"(404)" in done.stderr:
                raise support.Gone
            raise AssertionError(done.stderr)
        return done.stdout

    def read_range(self, key, start, length):
        target = str(SCRATCH / "range")
        span = f"bytes={start}-{start + length - 1}"
        aws("s3api", "get-object", "--bucket", self.bucket, "--key", key, "--range", span, target)
        return (SCRATCH / "range").read_bytes()

    def list(self, prefix):
        lines = aws("s3", "ls", "--recursive", f"s3://{self.bucket}/{prefix}", check=False).stdout.decode().splitlines()
        return {line.split(maxsplit=3)[3] for line in lines}

    def delete(self, key):
        aws("s3", "rm", f"s3://{self.bucket}/{key}")


def sync(bucket):
    """A folder up, down, and up again with one file gone."""
    place = f"s3://{bucket}/{PREFIX}sync/"
    up, down = SCRATCH / "sync-up", SCRATCH / "sync-down"
    files = {name: content(30_000, name) for name in ("a.bin", "deep/er/b c+.bin", "\u00fc.bin")}
    for name, body in files.items():
        (up / name).parent.mkdir(parents=True, exist_ok=True)
        (up / name).write_bytes(body)
    aws("s3", "sync", "--no-progress", str(up), place)
    aws("s3", "sync", "--no-progress", place, str(down))
    for name, body in files.items():
        same(name, (down / name).read_bytes(), body)
    (up / "a.bin").unlink()
    aws("s3", "sync", "--no-progress", "--delete", str(up), place)
    equal("after sync --delete", len(Store(bucket).list(f"{PREFIX}sync/")), 2)
    aws("s3", "rm", "--recursive", place)
    equal("after rm --recursive", Store(bucket).list(f"{PREFIX}sync/"), set())


# Each command starts an interpreter of its own: one odd key says enough.
support.lifecycle(Store(support.BUCKETS[0]), f"{PREFIX}large.bin", support.LARGE)
support.lifecycle(Store(support.BUCKETS[1]), f"{PREFIX}small.bin", support.SMALL)
support.odd_key(Store(support.BUCKETS[1]), f"{PREFIX}odd/{support.ESCAPES}")
sync(support.BUCKETS[0])
