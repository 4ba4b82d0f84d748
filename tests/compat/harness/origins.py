"""The two real S3 servers that stand behind Forebay, and the buckets in them."""

import contextlib
import dataclasses
import subprocess

from harness import install, process
from harness.process import NotReady  # noqa: F401 (what `start` raises)

ACCESS_KEY = "origin-access-key"
SECRET_KEY = "origin-secret-key-0123456789"
REGION = "us-east-1"

# What clients see -> where it lies at the origin. The second has another name and a prefix that needs escaping.
BUCKETS = {"compat": ("compat", ""), "alias": ("corp-data", "team a+b/")}


@dataclasses.dataclass(frozen=True)
class Origin:
    name: str
    url: str


def versitygw(tools, folder, port):
    for name in ("data", "versions", "iam"):
        (folder / name).mkdir(parents=True)
    command = [tools.servers / "versitygw", "--quiet", "--port", f"127.0.0.1:{port}", "--region", REGION]
    command += ["--iam-dir", folder / "iam", "--iam-cache-disable", "--keep-alive", "--health", "/health"]
    command += ["posix", "--versioning-dir", folder / "versions", folder / "data"]
    keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    return command, keys, "/health"


def minio(tools, folder, port):
    folder.mkdir(parents=True)
    command = [tools.servers / "minio", "server", "--quiet", "--address", f"127.0.0.1:{port}", folder / "data"]
    keys = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
    quiet = {"MINIO_BROWSER": "off", "MINIO_CI_CD": "1", "MINIO_UPDATE": "off"}
    return command, keys | quiet, "/minio/health/ready"


KINDS = {"versitygw": versitygw, "minio": minio}


@contextlib.contextmanager
def start(tools, scratch, names):
    """Runs the named servers, each with its buckets made, until the block ends."""
    with run(tools, scratch, names) as running:
        for origin in running:
            make_buckets(tools, origin, scratch / origin.name / "home")
        yield running


@contextlib.contextmanager
def run(tools, scratch, names):
    """Runs the named servers, empty, until the block ends."""
    with contextlib.ExitStack() as stack:
        running = []
        for name in names:
            port = process.free_port()
            folder = scratch / name
            command, keys, health = KINDS[name](tools, folder, port)
            origin = Origin(name, f"http://127.0.0.1:{port}")
            environment = process.clean_environment(folder / "home", **keys)
            log = scratch / f"{name}.log"
            stack.enter_context(process.server(name, command, environment, origin.url + health, log))
            running.append(origin)
        yield running


def make_buckets(tools, origin, home):
    buckets = sorted(set(BUCKETS) | {bucket for bucket, _ in BUCKETS.values()})
    environment = process.clean_environment(home, AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY)
    program = install.HERE / "harness" / "make_buckets.py"
    subprocess.run([tools.python / "python", program, origin.url, REGION, *buckets], env=environment, check=True)
