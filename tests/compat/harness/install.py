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
# Pinned as all of Maven's parts would otherwise follow the machine's Maven.
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclasses.dataclass(frozen=True)
class Tools:
    servers: pathlib.Path  # folder of the servers' binaries
    python: pathlib.Path  # folder of the Python environment's programs
    node: pathlib.Path  # folder that holds package.json and node_modules
    go: pathlib.Path  # folder of the Go clients' programs
    java: pathlib.Path  # folder that holds lib/ and classes/


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
    step("Go clients", folder / "go" / "stamp", sources("go", "**/*.go", "go.*"), lambda: go(tools.go))
    if not shutil.which("rclone"):
        step("rclone", None, "", lambda: packages("rclone"))
    if not (shutil.which("javac") and shutil.which("mvn")):
        step("Java", None, "", lambda: packages("default-jdk-headless", "maven"))
    step("Java clients", folder / "java" / "stamp", sources("java", "*"), lambda: java(cache, tools.java))
    return tools


def servers(cache):
    """The servers alone."""
    folder = cache / "compat"
    tools = Tools(folder / "servers", folder / "python" / "bin", folder / "node", folder / "go", folder / "java")
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


def go(folder):
    """The programs below tests/compat/go, with the modules that go.sum names."""
    call("go", "build", "-mod=readonly", "-o", f"{folder}/", "./...", cwd=HERE / "go")


def java(cache, folder):
    """The classes of tests/compat/java, and the libraries that its pom.xml names."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    maven = ["mvn", "--quiet", "--batch-mode", f"-Dmaven.repo.local={cache / 'm2'}", "--file", HERE / "java" / "pom.xml"]
    call(*maven, COPY_DEPENDENCIES, f"-DoutputDirectory={folder / 'lib'}", "-DincludeScope=runtime")
    call("javac", "-cp", f"{folder / 'lib'}/*", "-d", folder / "classes", *sorted((HERE / "java").glob("*.java")))


def packages(*names):
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    call(*sudo, "apt-get", "update", "--quiet", "--quiet")
    call(*sudo, "apt-get", "install", "--quiet", "--quiet", "--yes", "--no-install-recommends", *names)


def sources(folder, *patterns):
    """The text of all files that match, for the stamp."""
    files = sorted({path for pattern in patterns for path in (HERE / folder).glob(pattern) if path.is_file()})
    return "".join(f"{path.name}\n{path.read_text()}" for path in files)


def outer(**more):
    """The caller's environment (registries may need its proxies and certificates) without what would steer S3 clients."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | more


def call(*command, cwd=None, env=None):
    done = subprocess.run(command, cwd=cwd, env=env or outer(), stdin=subprocess.DEVNULL, stdout=sys.stderr)
    if done.returncode:
        sys.exit(f"compat: {' '.join(map(str, command))} failed ({done.returncode})")
