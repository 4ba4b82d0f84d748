"""Fills the cache folder with the servers and clients, each at its pinned version, and tells where they are.

A tool is installed again only when its version or its list of packages changes.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
SERVERS = {
    "versitygw": "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    "minio": "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
}


@dataclasses.dataclass(frozen=True)
class Tools:
    servers: pathlib.Path  # folder of the servers' binaries
    python: pathlib.Path  # folder of the Python environment's programs
    node: pathlib.Path  # folder that holds package.json and node_modules


def cache_folder():
    default = pathlib.Path.home() / ".cache" / "forebay"
    return pathlib.Path(os.environ.get("FOREBAY_CACHE") or default).resolve()


def ensure(cache):
    """Servers and clients."""
    folder = cache / "compat"
    tools = servers(cache)
    requirements = (HERE / "requirements.txt").read_text()
    step("Python clients", folder / "python" / "stamp", requirements, lambda: python(folder / "python"))
    lock = (HERE / "package-lock.json").read_text()
    step("JavaScript clients", folder / "node" / "stamp", lock, lambda: node(folder / "node"))
    if not shutil.which("rclone"):
        step("rclone", None, "", rclone)
    return tools


def servers(cache):
    """The servers alone."""
    folder = cache / "compat"
    tools = Tools(folder / "servers", folder / "python" / "bin", folder / "node")
    for name, module in SERVERS.items():
        step(f"server {name}", tools.servers / f"{name}.stamp", module, lambda: go_install(tools.servers, module))
    return tools


def step(name, stamp, wanted, action):
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    if stamp and stamp.exists() and stamp.read_text() == digest:
        return
    print(f"compat: installing {name}", flush=True)
    started = time.monotonic()
    action()
    if stamp:
        stamp.write_text(digest)
    print(f"compat: installed {name} in {time.monotonic() - started:.0f} s", flush=True)


def go_install(folder, module):
    folder.mkdir(parents=True, exist_ok=True)
    call("go", "install", module, env=outer(GOBIN=str(folder)))


def python(folder):
    shutil.rmtree(folder, ignore_errors=True)
    call("python3", "-m", "venv", folder)
    call(folder / "bin" / "pip", "install", "--quiet", "--no-input", "--requirement", HERE / "requirements.txt")


def node(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    call("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)


def rclone():
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    call(*sudo, "apt-get", "update", "--quiet", "--quiet")
    call(*sudo, "apt-get", "install", "--quiet", "--quiet", "--yes", "--no-install-recommends", "rclone")


def outer(**more):
    """The caller's environment (registries may need its proxies and certificates) without what would steer S3 clients."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | more


def call(*command, cwd=None, env=None):
    done = subprocess.run(command, cwd=cwd, env=env or outer(), stdin=subprocess.DEVNULL, stdout=sys.stderr)
    if done.returncode:
        sys.exit(f"compat: {' '.join(map(str, command))} failed ({done.returncode})")
