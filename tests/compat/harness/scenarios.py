"""The list of clients, and the run of one client's scenario as a program of its own."""

import shutil
import subprocess
import sys
import time
import urllib.parse

from harness import install, origins, process
from harness.report import Result

CLIENTS = install.HERE / "clients"
LIMIT_SECONDS = 240
# Clients whose scenario is about Forebay itself and has no meaning straight against an origin.
GATEWAY_ONLY = {"forebay"}


def names():
    programs = sorted(path for path in CLIENTS.iterdir() if path.stem.endswith("_client"))
    return [path.stem.removesuffix("_client") for path in programs]


def run(tools, endpoint, clients, scratch):
    """Runs the clients in turn, printing a line for each."""
    results = []
    for name in clients:
        if endpoint.direct and name in GATEWAY_ONLY:
            continue
        result = run_one(tools, endpoint, name, scratch)
        print(f"compat: {result.line()}", flush=True)
        if not result.passed:
            print(result.output, flush=True)
        results.append(result)
    return results


def run_one(tools, endpoint, name, scratch):
    home = scratch / f"{name}-{endpoint.origin.name}"
    environment = process.clean_environment(
        home,
        AWS_ACCESS_KEY_ID=endpoint.access_key,
        AWS_SECRET_ACCESS_KEY=endpoint.secret_key,
        AWS_REGION=origins.REGION,
        AWS_DEFAULT_REGION=origins.REGION,
        AWS_CONFIG_FILE="/dev/null",
        AWS_EC2_METADATA_DISABLED="true",
        COMPAT_BUCKETS=",".join(origins.BUCKETS),
        COMPAT_DIRECT="1" if endpoint.direct else "",
        COMPAT_ENDPOINT=endpoint.url,
        COMPAT_HOST=urllib.parse.urlsplit(endpoint.url).netloc,
        COMPAT_GO=str(tools.go),
        COMPAT_JAVA=str(tools.java),
        COMPAT_NODE=str(tools.node),
        COMPAT_ORIGIN=endpoint.origin.name,
        COMPAT_ORIGIN_ACCESS_KEY=origins.ACCESS_KEY,
        COMPAT_ORIGIN_ENDPOINT=endpoint.origin.url,
        COMPAT_ORIGIN_SECRET_KEY=origins.SECRET_KEY,
        COMPAT_PREFIX=f"{name}/",
        COMPAT_SCRATCH=str(home),
        PYTHONDONTWRITEBYTECODE="1",
    )
    environment["PATH"] = f"{tools.python}:{environment['PATH']}"
    started = time.monotonic()
    try:
        done = subprocess.run(
            command(tools, name), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS,
        )  # fmt: skip
        passed, output = done.returncode == 0, done.stdout
    except subprocess.TimeoutExpired as late:
        passed, output = False, (late.stdout or b"") + f"\nended after {LIMIT_SECONDS} s".encode()
    (scratch / f"{name}-{endpoint.origin.name}.log").write_bytes(output)
    if passed:
        shutil.rmtree(home, ignore_errors=True)
    return Result(name, endpoint.origin.name, passed, time.monotonic() - started, output.decode(errors="replace"))


def command(tools, name):
    program = CLIENTS / f"{name}_client.py"
    if program.exists():
        return [str(tools.python / "python"), str(program)]
    return [shutil.which("node") or sys.exit("compat: node is missing"), str(program.with_suffix(".mjs"))]
