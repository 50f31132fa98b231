#!/usr/bin/env python3
"""A tiny random stack that mixes softmax with every linear attention, behind learned memory tokens, in numpy float64.

Writes tests/golden/models/hybrid.gguf (weights, heed's own keys attention.kinds, attention.features, memory_tokens) and
hybrid.expected.gguf (as models.py does). The recurrences are the papers', one token at a time; nothing is shared with heed.
"""
import pathlib

import gguf
import numpy as np

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/models"
VOCAB, DIM, FFN, HEADS, KV_HEADS, HEAD, FEATURES, MEMORY, TOKENS, EPS = 64, 32, 32, 2, 1, 16, 32, 5, 100, 1e-5
KINDS = ["softmax", "elu", "performer", "gated", "gated_delta"]
random = np.random.default_rng(3)


SOFTCAP, ALIBI, BUCKETS, DISTANCE = 4.0, 8.0, 8, 20


def weights():
    w = {"token_embd.weight": (VOCAB, DIM), "output_norm.weight": (DIM,), "output.weight": (VOCAB, DIM), "memory_embd.weight": (MEMORY, DIM)}
    for i, kind in enumerate(KINDS):
        names = {"attn_norm.weight": (DIM,), "attn_q.weight": (HEADS * HEAD, DIM), "attn_k.weight": (KV_HEADS * HEAD, DIM),
                 "attn_v.weight": (KV_HEADS * HEAD, DIM), "attn_output.weight": (DIM, HEADS * HEAD), "ffn_norm.weight": (DIM,),
                 "ffn_gate.weight": (FFN, DIM), "ffn_up.weight": (FFN, DIM), "ffn_down.weight": (DIM, FFN)}
        if kind == "softmax":
            names |= {"attn_sinks.weight": (HEADS,), "attn_rel_b.weight": (BUCKETS, HEADS)}
        if kind == "performer":
            names["attn_features.weight"] = (HEAD, FEATURES)
        if kind.startswith("gated"):
            names |= {"ssm_alpha.weight": (KV_HEADS, DIM), "ssm_dt.bias": (KV_HEADS,), "ssm_a": (KV_HEADS,)}
        if kind == "gated_delta":
            names["ssm_beta.weight"] = (KV_HEADS, DIM)
        w |= {f"blk.{i}.{name}": shape for name, shape in names.items()}
    made = {}
    for name, shape in w.items():
        x = random.standard_normal(shape)
        x = 1 + 0.2 * x if "norm" in name else x if "features" in name else -np.exp(0.5 * x) if name.endswith("ssm_a") else x / np.sqrt(shape[-1])
        made[name] = x.astype(np.float32)
    return made


def rms(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


def rope(x):  # [tokens, heads, HEAD], pairs are neighbours; positions count the memory tokens
    angle = np.arange(x.shape[0])[:, None, None] * 10000.0 ** (-np.arange(0, HEAD, 2) / HEAD)
    a, b = x[..., 0::2], x[..., 1::2]
    return np.stack([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], -1).reshape(x.shape)


def bucket(apart):  # T5, one-sided
    exact = BUCKETS // 2
    far = exact + (np.log(np.maximum(apart, 1) / exact) / np.log(DISTANCE / exact) * (BUCKETS - exact)).astype(int)
    return np.where(apart < exact, apart, np.minimum(far, BUCKETS - 1))


def softmax_attention(q, k, v, head, sinks, relative):
    apart = np.maximum(np.arange(len(q))[:, None] - np.arange(len(q)), 0)
    s = q @ k.T / np.sqrt(HEAD) - 2 ** (-ALIBI * (head + 1) / HEADS) * apart + relative[bucket(apart), head]
    s = np.where(np.tri(len(q), dtype=bool), SOFTCAP * np.tanh(s / SOFTCAP), -np.inf)
    p = np.exp(s)
    return p / (p.sum(-1, keepdims=True) + np.exp(sinks[head])) @ v


def features(x, projection):
    y = x / HEAD ** 0.25
    return np.exp(y @ projection - (y * y).sum(-1, keepdims=True) / 2) / np.sqrt(FEATURES)


def linear_attention(kind, q, k, v, w, decay, write):
    if kind == "elu":
        q, k = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (q, k))
    elif kind == "performer":
        q, k = features(q, w), features(k, w)
    elif kind == "gated":
        q = q / np.sqrt(HEAD)
    else:
        q, k = (x / np.sqrt((x * x).sum(-1, keepdims=True) + 1e-6) for x in (q, k))
        q = q / np.sqrt(HEAD)
    state, norm, out = np.zeros((k.shape[1], HEAD)), np.zeros(k.shape[1]), []
    for t in range(len(q)):
        u = v[t]
        if kind.startswith("gated"):
            state = state * np.exp(decay[t])
        if kind == "gated_delta":
            u = write[t] * (u - k[t] @ state)
        state, norm = state + np.outer(k[t], u), norm + k[t]
        out.append(q[t] @ state / (1 if kind.startswith("gated") else q[t] @ norm))
    return np.array(out)


def attention(i, kind, x, w):
    get = lambda name: w.get(f"blk.{i}.{name}")
    q, k, v = ((x @ get(f"attn_{n}.weight").T).reshape(len(x), -1, HEAD) for n in "qkv")
    if kind == "softmax":
        q, k = rope(q), rope(k)
    decay = write = None
    if kind.startswith("gated"):
        decay = get("ssm_a") * np.log1p(np.exp(x @ get("ssm_alpha.weight").T + get("ssm_dt.bias")))
    if kind == "gated_delta":
        write = 1 / (1 + np.exp(-x @ get("ssm_beta.weight").T))
    heads = []
    for h in range(HEADS):
        kv = h * KV_HEADS // HEADS
        if kind == "softmax":
            heads.append(softmax_attention(q[:, h], k[:, kv], v[:, kv], h, get("attn_sinks.weight"), get("attn_rel_b.weight")))
        else:
            column = lambda g: None if g is None else g[:, kv]
            heads.append(linear_attention(kind, q[:, h], k[:, kv], v[:, kv], get("attn_features.weight"), column(decay), column(write)))
    return np.concatenate(heads, -1) @ get("attn_output.weight").T


def forward(tokens, w):
    w = {name: x.astype(np.float64) for name, x in w.items()}
    x = np.concatenate([w["memory_embd.weight"], w["token_embd.weight"][tokens]])
    seen = {"embed": x}
    for i, kind in enumerate(KINDS):
        x = x + attention(i, kind, rms(x, w[f"blk.{i}.attn_norm.weight"]), w)
        y = rms(x, w[f"blk.{i}.ffn_norm.weight"])
        gate = y @ w[f"blk.{i}.ffn_gate.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ w[f"blk.{i}.ffn_up.weight"].T)) @ w[f"blk.{i}.ffn_down.weight"].T
        seen[f"layer.{i}"] = x
    seen["norm"] = rms(x, w["output_norm.weight"])
    seen["logits"] = seen["norm"] @ w["output.weight"].T
    return {name: value[MEMORY:].astype(np.float32) for name, value in seen.items()}


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    w = weights()
    out = gguf.GGUFWriter(OUT / "hybrid.gguf", "llama")
    out.add_context_length(1024)
    out.add_embedding_length(DIM)
    out.add_block_count(len(KINDS))
    out.add_feed_forward_length(FFN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(HEAD)
    out.add_value_length(HEAD)
    out.add_layer_norm_rms_eps(EPS)
    out.add_rope_freq_base(10000.0)
    out.add_vocab_size(VOCAB)
    out.add_array("llama.attention.kinds", KINDS)
    out.add_float32("llama.attn_logit_softcapping", SOFTCAP)
    out.add_float32("llama.attention.max_alibi_bias", ALIBI)
    out.add_uint32("llama.attention.relative_buckets_count", BUCKETS)
    out.add_uint32("llama.attention.relative_distance", DISTANCE)
    out.add_bool("llama.attention.sink_logits", True)
    out.add_uint32("llama.attention.features", FEATURES)
    out.add_uint32("llama.memory_tokens", MEMORY)
    for name, x in w.items():
        out.add_tensor(name, x)
    finish(out)
    tokens = random.integers(0, VOCAB, TOKENS).astype(np.int32)
    expected = gguf.GGUFWriter(OUT / "hybrid.expected.gguf", "llama")
    expected.add_tensor("tokens", tokens)
    for name, x in forward(tokens, w).items():
        expected.add_tensor(name, np.ascontiguousarray(x))
    finish(expected)
    for path in sorted(OUT.glob("hybrid*")):
        print(path.name, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
