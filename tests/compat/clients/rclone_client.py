"""rclone (Debian's): copyto, cat, lsf and deletefile, then a folder copied, checked and purged."""

import os
import subprocess

import support
from support import PREFIX, SCRATCH, content, equal

remote = {
    "TYPE": "s3",
    "PROVIDER": "Other",
    "ENDPOINT": support.ENDPOINT,
    "ACCESS_KEY_ID": support.ACCESS_KEY,
    "SECRET_ACCESS_KEY": support.SECRET_KEY,
    "REGION": support.REGION,
    "FORCE_PATH_STYLE": "true",
    "UPLOAD_CUTOFF": "6M",
    "CHUNK_SIZE": "5M",
}
environment = os.environ | {f"RCLONE_CONFIG_REMOTE_{name}": value for name, value in remote.items()}
environment |= {"RCLONE_CONFIG": "/dev/null", "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}


def rclone(*arguments, check=True):
    done = subprocess.run(["rclone", *arguments], env=environment, capture_output=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"rclone {arguments}: {done.stderr.decode()}")
    return done


class Store(support.Store):
    slow_ranges = True
    # Its paths have no empty parts.
    unnameable = frozenset((support.DOUBLE_SLASH,))

    def path(self, key):
        return f"remote:{self.bucket}/{key}"

    def upload(self, key, body):
        (SCRATCH / "up").write_bytes(body)
        rclone("copyto", "--ignore-times", str(SCRATCH / "up"), self.path(key))

    def read(self, key, *span):
        done = rclone("cat", *span, self.path(key), check=False)
        if done.returncode in (3, 4):  # folder or file not found
            raise support.Gone
        if done.returncode:
            raise AssertionError(done.stderr.decode())
        # An absent object is taken for an empty folder.
        if not done.stdout and not self.list(key):
            raise support.Gone
        return done.stdout

    def read_range(self, key, start, length):
        return self.read(key, "--offset", str(start), "--count", str(length))

    def list(self, prefix):
        folder = prefix if prefix.endswith("/") else prefix.rsplit("/", 1)[0] + "/"
        done = rclone("lsf", "--recursive", "--files-only", self.path(folder), check=False)
        found = {folder + line for line in done.stdout.decode().splitlines()}
        return {key for key in found if key.startswith(prefix)}

    def delete(self, key):
        rclone("deletefile", self.path(key))


def folder(bucket):
    place = f"remote:{bucket}/{PREFIX}folder"
    local = SCRATCH / "folder"
    for name in ("a.bin", "deep/b c.bin"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes(content(40_000, name))
    rclone("copy", str(local), place)
    rclone("check", "--download", str(local), place)
    rclone("check", str(local), place)
    rclone("moveto", f"{place}/a.bin", f"{place}/c.bin")
    equal("after the move", Store(bucket).list(f"{PREFIX}folder/"), {f"{PREFIX}folder/{name}" for name in ("c.bin", "deep/b c.bin")})
    rclone("purge", place)
    equal("after the purge", Store(bucket).list(f"{PREFIX}folder/"), set())


support.every_bucket(Store)
folder(support.BUCKETS[0])
