"""Servers as child processes: started with a log and a clean environment, awaited, stopped by process id."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

READY_SECONDS = 60
STOP_SECONDS = 20


class NotReady(Exception):
    """A server ended or did not answer in time."""

    def __init__(self, name, reason, log):
        tail = "".join(f"\n    {line}" for line in log.read_text(errors="replace").splitlines()[-20:])
        super().__init__(f"{name} {reason}; the end of {log}:{tail}")
        self.name = name


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def clean_environment(home, **more):
    """Nothing of the caller's but the search path: no credentials, endpoints, proxies or certificates."""
    home.mkdir(parents=True, exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "TMPDIR": str(home)} | more


@contextlib.contextmanager
def server(name, command, environment, ready_url, log):
    """Runs a server until the block ends; enters it once `ready_url` answers 200."""
    with open(log, "wb") as output:
        child = subprocess.Popen(
            list(map(str, command)), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        await_ready(name, child, ready_url, log)
        yield child
        if child.poll() is not None:
            raise NotReady(name, f"ended by itself ({child.returncode})", log)
    finally:
        stop(child)


def await_ready(name, child, url, log):
    deadline = time.monotonic() + READY_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise NotReady(name, f"ended at its start ({child.returncode})", log)
        try:
            with opener.open(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise NotReady(name, f"was not ready after {READY_SECONDS} s", log)


def stop(child):
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
