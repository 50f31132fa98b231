"""What `heed bench` prints and how it takes turns; never how fast anything is."""
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import server

CONTRACT = {"case", "value", "unit", "median_of", "spread", "threads", "cpu", "isa"}


@pytest.fixture(scope="module", autouse=True)
def models():
    server.pull(server.SMALL_MODEL)


def bench(*arguments, input=None):
    done = subprocess.run([server.HEED, "bench", *arguments], capture_output=True, text=True, timeout=300, input=input)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_holds_what_the_contract_says():
    lines = bench("machine", "--json", "--runs", "3", "--threads", "1")
    names = [line["case"].split()[0] for line in lines]
    assert names[:4] == ["int8", "int16", "bf16", "f32"] and names[-1] == "memory"
    for line in lines:
        assert CONTRACT <= set(line) and line["median_of"] == 3 and line["threads"] == 1
        assert 0 < line["spread"][0] <= line["value"] <= line["spread"][1], line


def test_kernels_say_what_binds_them():
    lines = bench("matmul", "--json", "--runs", "2", "--type", "q4_k", "--shape", "256x512", "--rows", "1", "--rows", "64", "--threads", "1")
    assert [line["case"] for line in lines] == ["Q4_K 256x512 rows 1", "Q4_K 256x512 rows 64"]
    for line in lines:
        assert line["bound"] and line["ceiling"] > 0 and line["fraction"] > 0
    assert lines[1]["operations"] == 2 * 64 * 256 * 512


def test_attention_takes_a_case_of_ones_own():
    (line,) = bench("attention", "--json", "--runs", "1", "--case", "4/2,64,1,300,causal,window=128,f32", "--threads", "1")
    assert line["operations"] == 128 * 4 * 4 * 64
    assert line["bytes"] == 128 * 2 * 64 * 2 * 4


@pytest.mark.parametrize("group, option, value, hint", [
    ("matmul", "--type", "q9_9", "take one of"), ("matmul", "--shape", "33x", "896x4864"),
    ("attention", "--case", "3/2,64,1,100", "14/2,64,1,32768,causal"), ("attention", "--case", "4/2,64,1,100,sideways", "14/2"),
    ("machine", "--cpu", "abacus", "scalar"), ("roofline", "--plot", "/no/such/folder/x.svg", "could not write")])
def test_wrong_options_say_what_to_do(group, option, value, hint):
    more = ["--runs", "1", "--threads", "1"]
    done = subprocess.run([server.HEED, "bench", group, option, value, *more], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stderr.startswith("heed: ") and hint in done.stderr, done.stderr


def test_turns_run_when_told():
    small = ["--model", server.SMALL_MODEL, "--prefill", "16", "--decode", "2"]
    lines = bench("llm", "--turns", *small, input="run\nrun\nnext\n")
    assert lines[0] == {"cases": [f"prefill 16 {server.SMALL_MODEL}", f"decode 2 {server.SMALL_MODEL}"]}
    assert [line.get("case", "done") for line in lines[1:]] == 2 * [*lines[0]["cases"], "done"]
    assert all(line["median_of"] == 1 for line in lines[1:] if "case" in line)


def test_sequences_decode_together():
    small = ["--model", server.SMALL_MODEL, "--prefill", "0", "--decode", "2", "--runs", "1"]
    names = [line["case"] for line in bench("llm", "--json", "--sequences", "5", *small)]
    assert names[0] == f"decode 2 x 5 sequences {server.SMALL_MODEL}"


def test_depth_beyond_the_context_is_refused():
    done = subprocess.run([server.HEED, "bench", "longctx", "--model", server.SMALL_MODEL, "--depth", "1000000"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "--depth" in done.stderr


def test_load_tells_the_memory():
    lines = {line["case"].rsplit(" ", 1)[0]: line for line in bench("load", "--json", "--runs", "1", "--model", server.SMALL_MODEL)}
    assert lines["load and first token"]["value"] >= lines["load"]["value"]
    assert lines["peak memory"]["value"] >= lines["resident after load"]["value"] > lines["peak memory"]["file_mib"] / 2


def test_the_picture_is_whole(tmp_path):
    picture = tmp_path / "roofline.svg"
    bench("roofline", "--json", "--runs", "1", "--plot", str(picture))
    root = ElementTree.parse(picture).getroot()
    texts = " ".join(root.itertext())
    assert "operations per byte" in texts and "memory read" in texts and "decode 32k" in texts
    left, top, right, bottom = map(float, root.get("viewBox").split())
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert left <= float(circle.get("cx")) <= right and top <= float(circle.get("cy")) <= bottom


def test_compare_pairs_heed_with_a_peer():
    """The comparison's own arithmetic, against a peer that is a script of ours."""
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import turns;"
              "turns.take([lambda: {'SDPA f32': lambda: 1e-6}], {'name': 'nobody', 'version': '1', 'isa': 'none'})")
    code = f"""
import sys
sys.path.insert(0, {str(server.ROOT / "bench")!r})
import compare
args = compare.parse(["attention", "--threads", "1", "--runs", "3", "--json"])
sides = [compare.heed_side("attention", args, "--case", "2/2,64,1,64"),
         compare.Side([sys.executable, "-c", {script!r}, {str(server.ROOT / "bench/peers")!r}])]
lines = list(compare.compare_kernels("attention", sides, args))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=dict(os.environ, HEED=str(server.HEED)))
    assert done.returncode == 0, done.stderr
    (line,) = [json.loads(text) for text in done.stdout.splitlines()]
    assert line["case"] == "attention 2/2,64,1,64 vs nobody SDPA f32"
    assert line["runs"] == 3 and line["ratio"] > 1000 and line["spread"][0] <= line["ratio"] <= line["spread"][1]
    assert {"heed", "peer", "peer_name", "peer_version", "cpu", "isa", "peer_isa"} <= set(line)
