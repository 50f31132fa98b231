#!/usr/bin/env python3
"""Logits of the same weights, dequantized to f32, in torch: the reference file of `heed bench quality --reference`.

    .oracles/bin/python tools/torch_logits.py MODEL.gguf TOKENS.json OUT.bin
TOKENS.json comes from `heed bench quality --save-tokens`. Own few-line transformer in torch, so that nothing but the
weights is shared with heed; the families are those of src/model/families.
"""
import json
import sys

import gguf
import numpy as np
import torch

CHUNK, FIRST_SCORED = 512, 257


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.w = {t.name: torch.from_numpy(np.array(gguf.quants.dequantize(t.data, t.tensor_type), dtype=np.float32)) for t in reader.tensors}
        self.meta = {k: f.contents() for k, f in reader.fields.items() if not k.startswith("tokenizer")}
        self.arch = self.meta["general.architecture"]

    def get(self, key, otherwise=None):
        return self.meta.get(f"{self.arch}.{key}", otherwise)


def rms(x, w, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * w


def rope(x, base, interleaved):  # x [heads, n, d]
    n, d = x.shape[1], x.shape[2]
    angle = torch.arange(n, dtype=torch.float64)[:, None] * base ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    cos, sin = angle.cos().float(), angle.sin().float()
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)
    a, b = x[..., : d // 2], x[..., d // 2:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def block(m, i, x, mask_of):
    def w(name):
        return m.w.get(f"blk.{i}.{name}")
    heads, eps = m.get("attention.head_count"), m.get("attention.layer_norm_rms_epsilon")
    kv_heads = m.get("attention.head_count_kv", heads)
    gemma = m.arch == "gemma3"
    local = gemma and i % 6 != 5
    h = rms(x, w("attn_norm.weight"), eps)

    def project(name, count):
        y = h @ w(f"attn_{name}.weight").T
        if w(f"attn_{name}.bias") is not None:
            y = y + w(f"attn_{name}.bias")
        y = y.view(len(x), count, -1).transpose(0, 1)
        norm = w(f"attn_{name}_norm.weight")
        return y if norm is None else rms(y, norm, eps)
    q, k, v = project("q", heads), project("k", kv_heads), project("v", kv_heads)
    base = 1e4 if local else m.get("rope.freq_base", 1e4)
    q, k = rope(q, base, m.arch == "llama"), rope(k, base, m.arch == "llama")
    k, v = k.repeat_interleave(heads // kv_heads, 0), v.repeat_interleave(heads // kv_heads, 0)
    s = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 + mask_of(m.get("attention.sliding_window") if local else None)
    o = (s.softmax(-1) @ v).transpose(0, 1).reshape(len(x), -1) @ w("attn_output.weight").T
    x = x + (rms(o, w("post_attention_norm.weight"), eps) if gemma else o)
    h = rms(x, w("ffn_norm.weight"), eps)
    gate = h @ w("ffn_gate.weight").T
    gate = torch.nn.functional.gelu(gate, approximate="tanh") if gemma else torch.nn.functional.silu(gate)
    o = (gate * (h @ w("ffn_up.weight").T)) @ w("ffn_down.weight").T
    return x + (rms(o, w("post_ffw_norm.weight"), eps) if gemma else o)


def logits(m, tokens):
    n = len(tokens)
    i, j = torch.arange(n)[:, None], torch.arange(n)[None, :]

    def mask_of(window):
        visible = (j <= i) & ((i - j < window) if window else torch.tensor(True))
        return torch.where(visible, 0.0, float("-inf"))
    x = m.w["token_embd.weight"][tokens] * (m.get("embedding_length") ** 0.5 if m.arch == "gemma3" else 1.0)
    for layer in range(m.get("block_count")):
        x = block(m, layer, x, mask_of)
    x = rms(x, m.w["output_norm.weight"], m.get("attention.layer_norm_rms_epsilon"))
    return x[FIRST_SCORED - 1: n - 1] @ m.w.get("output.weight", m.w["token_embd.weight"]).T


def main():
    model_path, tokens_path, out_path = sys.argv[1:]
    m = Model(model_path)
    chunks = json.load(open(tokens_path))
    with torch.no_grad(), open(out_path, "wb") as out:
        vocab = len(m.w["token_embd.weight"])
        out.write(np.array([vocab, len(chunks) * (CHUNK - FIRST_SCORED)], np.int32).tobytes())
        for chunk in chunks:
            out.write(logits(m, torch.tensor(chunk)).numpy().astype(np.float32).tobytes())


if __name__ == "__main__":
    main()
