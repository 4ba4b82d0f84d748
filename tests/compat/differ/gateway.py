"""Forebay in front of one origin: every bucket under its own name, and routes behind a prefix, one for each round."""

import contextlib
import pathlib

from differ import play, world
from harness import gateway, origins, process


@contextlib.contextmanager
def start(binary, origin, scratch, mark, aliases):
    """Gives the URL of Forebay's S3 listener until the block ends."""
    s3_port, admin_port = process.free_port(), process.free_port()
    file = scratch / f"forebay-{origin.name}.toml"
    file.write_text(configuration(origin, s3_port, admin_port, mark, aliases) + gateway.disk(scratch, origin))
    secrets = {"COMPAT_ORIGIN_SECRET": origins.SECRET_KEY, "COMPAT_CLIENT_SECRET": gateway.SECRET_KEY, "RUST_BACKTRACE": "1"}
    environment = process.clean_environment(scratch / "forebay-home", **secrets)
    command = [pathlib.Path(binary).resolve(), "serve", "--config", file]
    ready = f"http://127.0.0.1:{admin_port}/health/ready"
    with process.server("forebay", command, environment, ready, scratch / f"forebay-{origin.name}.log"):
        yield f"http://127.0.0.1:{s3_port}"


def configuration(origin, s3_port, admin_port, mark, aliases):
    credentials = f'{{ access_key_id = "{origins.ACCESS_KEY}", secret_access_key = {{ env = "COMPAT_ORIGIN_SECRET" }} }}'
    parts = [
        f'[node]\nname = "differential"\n\n[listen.s3]\naddress = "127.0.0.1:{s3_port}"\n',
        f'[listen.admin]\naddress = "127.0.0.1:{admin_port}"\n\n[memory]\nlimit = "64MiB"\n',
        f'[origin.{origin.name}]\nkind = "s3"\nregion = "{origins.REGION}"\nendpoint = "{origin.url}"\n'
        f"path_style = true\ncredentials = {credentials}\n",
        '[drain]\naccept = "1ms"\n',
        f'[bucket."*"]\norigin = "{origin.name}"\n',
    ]
    for number in range(aliases):
        client_name, origin_name = play.alias(mark, number)
        route = f'origin = "{origin.name}"\nname = "{origin_name}"\nprefix = "{world.PREFIX}"\n'
        parts.append(f"[bucket.{client_name}]\n{route}")
    parts.append(
        f'[identity.differential]\naccess_key_id = "{gateway.ACCESS_KEY}"\n'
        'secret_access_key = { env = "COMPAT_CLIENT_SECRET" }\npolicies = ["everything"]\n\n'
        '[policy.everything]\nallow = [{ actions = ["s3:*", "admin"], resources = ["*"] }]\n'
    )
    return "\n".join(parts)
