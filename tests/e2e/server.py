"""Starts the real server on a free loopback port for the end-to-end tests, and stops it again."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEED = os.environ.get("HEED", str(ROOT / "build/dev/heed"))
DEFAULT_MODEL = "qwen2.5-coder-0.5b-instruct"
SMALL_MODEL = "smollm2-135m-instruct"
BASE_MODEL = "gemma-3-270m"
EMBEDDER = "all-minilm-l6-v2"


def models_directory():
    return pathlib.Path(os.environ.get("HEED_HOME", pathlib.Path.home() / ".local/share/heed")) / "models"


def pull(*names):
    for name in names:
        subprocess.run([HEED, "pull", name], check=True, stdout=subprocess.DEVNULL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def serving(*arguments, models=(DEFAULT_MODEL,), env=None, stop=signal.SIGTERM):
    """Without pages of earlier runs, unless `env` says otherwise."""
    port = free_port()
    command = [HEED, "serve", "--port", str(port)] + [a for m in models for a in ("--model", m)] + list(arguments)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "HEED_PAGE_CACHE_BYTES": "0", **(env or {})})
    address = f"http://127.0.0.1:{port}"
    try:
        wait_ready(address, process)
        yield address
    finally:
        process.send_signal(stop)
        process.wait(timeout=60)


def wait_ready(address, process, seconds=120):
    for _ in range(seconds * 10):
        if process.poll() is not None:
            raise RuntimeError("heed serve ended: " + process.stdout.read().decode())
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if urllib.request.urlopen(address + "/ready", timeout=2).status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError("heed serve did not become ready")
