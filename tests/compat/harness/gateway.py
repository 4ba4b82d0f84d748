"""Forebay in front of one origin: writes a configuration, starts the binary, gives the endpoint to use.

With `--direct` the endpoint is the origin's own, so that a scenario can be told apart from the gateway it tests.
"""

import contextlib
import dataclasses
import pathlib

from harness import origins, process
from harness.process import NotReady  # noqa: F401 (what `endpoint` raises)

ACCESS_KEY = "FBCOMPAT"
SECRET_KEY = "client-secret-key-9876543210"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where clients go, and what stands behind it."""

    url: str
    access_key: str
    secret_key: str
    origin: origins.Origin
    direct: bool


@contextlib.contextmanager
def endpoint(chosen, origin, all_origins, scratch):
    if chosen.direct:
        yield Endpoint(origin.url, origins.ACCESS_KEY, origins.SECRET_KEY, origin, True)
        return
    s3_port, admin_port = process.free_port(), process.free_port()
    file = scratch / f"forebay-{origin.name}.toml"
    file.write_text(configuration(origin, all_origins, s3_port, admin_port) + disk(scratch, origin))
    secrets = {"COMPAT_ORIGIN_SECRET": origins.SECRET_KEY, "COMPAT_CLIENT_SECRET": SECRET_KEY, "RUST_BACKTRACE": "1"}
    environment = process.clean_environment(scratch / "forebay-home", **secrets)
    command = [pathlib.Path(chosen.binary).resolve(), "serve", "--config", file]
    ready = f"http://127.0.0.1:{admin_port}/health/ready"
    log = scratch / f"forebay-{origin.name}.log"
    with process.server("forebay", command, environment, ready, log):
        yield Endpoint(f"http://127.0.0.1:{s3_port}", ACCESS_KEY, SECRET_KEY, origin, False)


def disk(scratch, origin):
    """A disk for the node before an origin: what memory has no room for comes back from there."""
    return f'\n[[disk]]\npath = "{scratch}/disk-{origin.name}"\ncapacity = "512MiB"\n'


def configuration(origin, all_origins, s3_port, admin_port):
    """All origins that run are configured; the buckets lie at `origin`."""
    parts = [
        f'[node]\nname = "compat"\n\n[listen.s3]\naddress = "127.0.0.1:{s3_port}"\n',
        f'[listen.admin]\naddress = "127.0.0.1:{admin_port}"\n\n[memory]\nlimit = "64MiB"\n',
    ]
    for each in all_origins:
        credentials = f'{{ access_key_id = "{origins.ACCESS_KEY}", secret_access_key = {{ env = "COMPAT_ORIGIN_SECRET" }} }}'
        parts.append(
            f'[origin.{each.name}]\nkind = "s3"\nregion = "{origins.REGION}"\nendpoint = "{each.url}"\n'
            f"path_style = true\ncredentials = {credentials}\n"
        )
    for bucket, (name, prefix) in origins.BUCKETS.items():
        parts.append(f'[bucket.{bucket}]\norigin = "{origin.name}"\nname = "{name}"\nprefix = "{prefix}"\n')
    parts.append(
        f'[identity.compat]\naccess_key_id = "{ACCESS_KEY}"\nsecret_access_key = {{ env = "COMPAT_CLIENT_SECRET" }}\n'
        'policies = ["everything"]\n\n'
        '[policy.everything]\nallow = [{ actions = ["s3:*"], resources = ["*"] }]\n'
    )
    return "\n".join(parts)
