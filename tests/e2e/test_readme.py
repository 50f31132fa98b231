"""Runs what the README shows, against the build under test."""
import os
import re
import subprocess

import pytest

import server

README = (server.ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.fixture(scope="module")
def address():
    server.pull(server.DEFAULT_MODEL, server.SMALL_MODEL)
    with server.serving() as url:
        yield url


def shell(command, **more):
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300, cwd=server.ROOT, **more)


def test_commands():
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("build/release/heed")]
    assert len(lines) >= 4
    for line in lines:
        command = line.split("#")[0].strip().replace("build/release/heed", server.HEED)
        if " serve " in command:
            command += " --print-config"
        done = shell(command)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout.strip(), line


def test_curl(address):
    curl = next(block for block in blocks("sh") if block.startswith("curl"))
    done = shell(curl.replace("http://127.0.0.1:8080", address))
    assert "Paris" in done.stdout, done.stdout


def test_python(address):
    code = blocks("python")[0].replace("http://127.0.0.1:8080", address)
    done = subprocess.run([os.sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_make_targets_exist():
    for target in set(re.findall(r"\bmake ([a-z]+)", README)):
        assert shell(f"make -n {target}").returncode == 0, target
