"""An adapter changes what a model answers, by its scale, in the terminal and behind the API."""
import json
import random
import struct
import subprocess
import urllib.request

import pytest

import server

PROMPT, TOKENS = "What is the capital of France?", 12
STRING, F32_VALUE, F32 = 8, 6, 0  # GGUF's numbers of types


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def adapter(path, architecture="llama", depth=1536):
    """A pair of rank 1 for the first feed-forward of smollm2-135m, of seeded random numbers."""
    keys = [("general.architecture", architecture), ("general.type", "adapter"), ("adapter.type", "lora")]
    tensors = [("blk.0.ffn_down.weight.lora_a", (depth, 1)), ("blk.0.ffn_down.weight.lora_b", (1, 576))]
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys) + 1)
    out += b"".join(text(k) + struct.pack("<I", STRING) + text(v) for k, v in keys)
    out += text("adapter.lora.alpha") + struct.pack("<If", F32_VALUE, 1.0)
    offset = 0
    for name, dims in tensors:
        out += text(name) + struct.pack("<IQQIQ", 2, *dims, F32, offset)
        offset += 4 * dims[0] * dims[1]
    out += b"\0" * (-len(out) % 32)
    numbers = random.Random(1)
    out += b"".join(struct.pack("<f", numbers.gauss(0, 1)) for _ in range(offset // 4))
    path.write_bytes(out)
    return path


def chat(*arguments):
    return subprocess.run([server.HEED, "chat", "--model", server.SMALL_MODEL, "-p", PROMPT, "--max-tokens", str(TOKENS), "--json", *arguments],
                          capture_output=True, text=True, timeout=300)


def answer(*arguments):
    done = chat(*arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["text"]


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    server.pull(server.SMALL_MODEL)
    return adapter(tmp_path_factory.mktemp("lora") / "a.gguf")


def test_the_scale_decides_how_much_changes(lora):
    bare = answer()
    assert answer("--lora", f"{lora}:0") == bare
    changed = answer("--lora", f"{lora}:0.5")
    assert changed != bare
    assert answer("--lora", f"{lora}:0.25", "--lora", f"{lora}:0.25") == changed


def test_the_server_merges_it_too(lora):
    with server.serving("--lora", f"{lora}:0.5", models=(server.SMALL_MODEL,)) as address:
        body = json.dumps({"model": server.SMALL_MODEL, "max_tokens": TOKENS, "temperature": 0,
                           "messages": [{"role": "user", "content": PROMPT}]}).encode()
        request = urllib.request.Request(address + "/v1/chat/completions", body, {"Content-Type": "application/json"})
        reply = json.load(urllib.request.urlopen(request, timeout=120))
    assert reply["choices"][0]["message"]["content"] == answer("--lora", f"{lora}:0.5")


@pytest.mark.parametrize("option, said", [
    ("{path}", "needs lora_a [rank, 1536]"), ("{other}", "the adapter is for the architecture gemma3, the model is llama"),
    ("{path}:much", "expected FILE or FILE:SCALE"), ("{path}.none", "a.gguf.none"),
])
def test_what_does_not_fit_is_said(tmp_path, option, said):
    server.pull(server.SMALL_MODEL)
    path, other = adapter(tmp_path / "a.gguf", depth=1024), adapter(tmp_path / "other.gguf", architecture="gemma3")
    done = chat("--lora", option.format(path=path, other=other))
    assert done.returncode == 1
    assert done.stderr.startswith("heed: ") and said in done.stderr
