"""s5cmd: cp, cat, ls and rm; it reads by HEAD and ranges of its own choice, so no range can be asked for."""

import subprocess

import support
from support import PREFIX, SCRATCH, content, equal, same


def s5cmd(*arguments, check=True, body=None):
    command = ["s5cmd", "--endpoint-url", support.ENDPOINT, *arguments]
    done = subprocess.run(command, input=body, capture_output=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"s5cmd {arguments}: {done.stderr}")
    return done


class Store(support.Store):
    slow_ranges = True
    # It hides what it takes for patterns in listings.
    unnameable = frozenset((support.STAR,))

    def upload(self, key, body):
        (SCRATCH / "up").write_bytes(body)
        s5cmd("cp", "--raw", "--part-size", "5", "--concurrency", "4", str(SCRATCH / "up"), f"s3://{self.bucket}/{key}")

    def read(self, key):
        done = s5cmd("cat", "--raw", f"s3://{self.bucket}/{key}", check=False)
        if done.returncode:
            if b"not found" in done.stderr or b"404" in done.stderr:
                raise support.Gone
            raise AssertionError(done.stderr)
        return done.stdout

    def read_range(self, key, start, length):
        target = SCRATCH / "down"
        s5cmd("cp", "--raw", "--part-size", "5", "--concurrency", "4", f"s3://{self.bucket}/{key}", str(target))
        return target.read_bytes()[start : start + length]

    def list(self, prefix):
        done = s5cmd("ls", "--show-fullpath", f"s3://{self.bucket}/{prefix}*", check=False)
        lines = done.stdout.decode().splitlines()
        return {line.removeprefix(f"s3://{self.bucket}/") for line in lines}

    def delete(self, key):
        s5cmd("rm", "--raw", f"s3://{self.bucket}/{key}")


def many(bucket):
    """A list of commands in one process, then the deletion of all by one request."""
    folder = SCRATCH / "many"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.bin").write_bytes(content(5000, number))
    s5cmd("cp", f"{folder}/*", f"s3://{bucket}/{PREFIX}many/")
    back = SCRATCH / "back"
    s5cmd("cp", f"s3://{bucket}/{PREFIX}many/*", f"{back}/")
    for number in range(50):
        same(f"many/{number}", (back / f"{number}.bin").read_bytes(), content(5000, number))
    s5cmd("rm", f"s3://{bucket}/{PREFIX}many/*")
    equal("after rm", Store(bucket).list(f"{PREFIX}many/"), set())


support.every_bucket(Store)
many(support.BUCKETS[0])
