"""Writes tests/golden/lora/: an adapter for the tiny llama, and what numpy computes with both.

The forward pass below is checked against transformers' logits of the bare model (tests/golden/models/llama.expected.gguf)
before it is trusted with the adapter. Run: python tuned_models.py, after models.py
"""
import pathlib

import gguf
import numpy as np

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
ALPHA, RANK, SCALE = 6.0, 4, 0.5  # SCALE: what the test asks for


def tensors_of(path):
    reader = gguf.GGUFReader(path)
    return reader, {t.name: np.array(t.data) for t in reader.tensors}


def norm(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def rotated(x, base):
    """x [tokens, heads, dim]: pairs of neighbours turn (GGUF's llama order)."""
    dim = x.shape[-1]
    angle = np.arange(x.shape[0])[:, None] * base ** (-np.arange(0, dim, 2) / dim)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    even, odd = x[..., 0::2], x[..., 1::2]
    return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def attention(q, k, v):
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat(groups, 1), v.repeat(groups, 1)
    scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(q.shape[-1])
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("hij,jhd->ihd", weights / weights.sum(-1, keepdims=True), v)


def logits(w, meta, tokens):
    heads, kv_heads, dim = meta("attention.head_count"), meta("attention.head_count_kv"), meta("attention.key_length")
    epsilon, base = meta("attention.layer_norm_rms_epsilon"), meta("rope.freq_base")
    x = w["token_embd.weight"][tokens].astype(np.float64)
    for i in range(meta("block_count")):
        p = f"blk.{i}."
        h = norm(x, w[p + "attn_norm.weight"], epsilon)
        q, k, v = (h @ w[p + f"attn_{n}.weight"].T.astype(np.float64) for n in "qkv")
        q, k, v = (y.reshape(len(tokens), -1, dim) for y in (q, k, v))
        assert q.shape[1] == heads and k.shape[1] == kv_heads
        mixed = attention(rotated(q, base), rotated(k, base), v).reshape(len(tokens), -1)
        x = x + mixed @ w[p + "attn_output.weight"].T
        h = norm(x, w[p + "ffn_norm.weight"], epsilon)
        gate, up = h @ w[p + "ffn_gate.weight"].T, h @ w[p + "ffn_up.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[p + "ffn_down.weight"].T
    return norm(x, w["output_norm.weight"], epsilon) @ w["output.weight"].T


def main():
    reader, base = tensors_of(GOLDEN / "models" / "llama.gguf")
    expected = tensors_of(GOLDEN / "models" / "llama.expected.gguf")[1]
    tokens = expected["tokens"].reshape(-1)
    meta = lambda key: reader.fields["llama." + key].contents()  # noqa: E731
    bare = logits(base, meta, tokens)
    error = ((bare - expected["logits"].reshape(bare.shape)) ** 2).sum() / (bare ** 2).sum()
    assert error < 1e-9, f"the forward pass above is wrong: NMSE {error}"

    rng = np.random.default_rng(20240610)
    adapter = gguf.GGUFWriter(GOLDEN / "lora" / "llama.lora.gguf", "llama")
    adapter.add_type("adapter")
    adapter.add_string("adapter.type", "lora")
    adapter.add_float32("adapter.lora.alpha", ALPHA)
    changed = dict(base)
    names = [f"blk.{i}.{n}.weight" for i in range(4) for n in ("attn_q", "attn_v", "ffn_down")] + ["output.weight"]
    for order, name in enumerate(names):
        out, depth = base[name].shape
        kind = np.float16 if order % 2 else np.float32
        a, b = (rng.normal(0, 0.2, shape).astype(kind) for shape in ((RANK, depth), (out, RANK)))
        adapter.add_tensor(name + ".lora_a", a)
        adapter.add_tensor(name + ".lora_b", b)
        changed[name] = base[name] + SCALE * ALPHA / RANK * (b.astype(np.float64) @ a.astype(np.float64))
    with_adapter = logits(changed, meta, tokens)
    moved = ((with_adapter - bare) ** 2).sum() / (bare ** 2).sum()
    assert moved > 0.1, f"the adapter changes next to nothing: {moved}"

    result = gguf.GGUFWriter(GOLDEN / "lora" / "llama.expected.gguf", "llama")
    result.add_tensor("tokens", tokens.astype(np.int32))
    result.add_tensor("logits", with_adapter.astype(np.float32))
    for writer in (adapter, result):
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    print(f"llama.lora.gguf: bare NMSE {error:.1e}, the adapter moves the logits by {moved:.2f}")


if __name__ == "__main__":
    main()
