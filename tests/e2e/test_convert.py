"""heed convert, and models of other formats, as a person uses them."""
import json
import pathlib
import signal
import subprocess
import time

import pytest

import server

GOLDEN = server.ROOT / "tests/golden"
STORIES = server.ROOT.parent / "shared/data/tiny-llama/stories260K.bin"


def heed(*arguments):
    return subprocess.run([server.HEED, *map(str, arguments)], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def small():
    server.pull(server.SMALL_MODEL)
    return server.SMALL_MODEL


@pytest.mark.parametrize("path,form", [("llama2c/tiny.bin", "llama2.c"), ("hub/qwen2", "safetensors"), ("models/llama.gguf", "gguf")])
def test_inspect_shows_every_format(path, form):
    shown = json.loads(heed("inspect", GOLDEN / path, "--json").stdout)
    assert shown["format"] == form
    assert shown["types"]["F32"]["tensors"] > 10


def test_stories_tell_what_llama2c_tells():
    if not STORIES.exists():
        pytest.skip("no ../shared/data/tiny-llama/stories260K.bin: the text it must tell is not compared")
    for prompt, expected in json.loads((GOLDEN / "llama2c/stories260K.json").read_text()).items():
        told = heed("chat", "--raw", "--model", STORIES, "-p", prompt, "--max-tokens", "200", "--kv-dtype", "f32", "--no-pack-cache")
        assert told.returncode == 0, told.stderr
        text = prompt + told.stdout.removesuffix("\n")
        assert len(text) > 400 and expected.startswith(text)


def test_what_is_converted_answers(small, tmp_path):
    out = tmp_path / "small.gguf"
    done = heed("convert", small, out, "--type", "q8_0", "--chunks", "1", "--json")
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout)
    assert line["bytes"] == out.stat().st_size
    assert 0 <= line["mean_kl"] < 0.01 and line["same_top"] > 0.97
    assert abs(line["perplexity"] / line["source_perplexity"] - 1) < 0.01
    answer = heed("chat", "--model", out, "-p", "What is the capital of France?", "--max-tokens", "16", "--no-pack-cache")
    assert "Paris" in answer.stdout, answer.stderr
    again = heed("convert", small, out, "--type", "q8_0", "--no-quality")
    assert again.returncode == 1 and "--force" in again.stderr


def test_wrong_types_and_files_are_named(tmp_path):
    wrong = heed("convert", GOLDEN / "models/llama.gguf", tmp_path / "x.gguf", "--type", "Q9")
    assert wrong.returncode == 1 and "Q4_K_M" in wrong.stderr
    (tmp_path / "config.json").write_text('{"model_type": "never"}')
    wrong = heed("inspect", tmp_path)
    assert wrong.returncode == 1 and "never" in wrong.stderr and "qwen2" in wrong.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json"]


def test_ctrl_c_leaves_nothing(small, tmp_path):
    out = tmp_path / "small.gguf"
    process = subprocess.Popen([server.HEED, "convert", small, out, "--type", "Q4_K_M", "--threads", "1"], stderr=subprocess.PIPE, text=True)
    partial = pathlib.Path(f"{out}.part")
    end = time.time() + 60
    while not partial.exists() and time.time() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1
    assert "cancelled" in process.stderr.read()
    assert list(tmp_path.iterdir()) == []
