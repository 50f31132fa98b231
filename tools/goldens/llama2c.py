#!/usr/bin/env python3
"""llama2.c's model in numpy, as the oracle of its files: float32, one token at a time, from the published algorithm.

Without arguments: writes a tiny random model and what it must give, tests/golden/llama2c/{tiny.bin,tok300.bin,
expected.bin} (expected: tokens int32 [n], logits float32 [n, vocab]). With a checkpoint, a vocabulary and a prompt:
prints the likeliest continuation, `llama2c.py stories260K.bin tok512.bin "Once upon a time" 200`.
"""
import pathlib
import struct
import sys

import numpy as np

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/llama2c"


def read(path):
    raw = path.read_bytes()
    dim, ffn, layers, heads, kv_heads, vocab, context = struct.unpack("<7i", raw[:28])
    head, flat, at, w = dim // heads, np.frombuffer(raw, "<f4", offset=28), 0, {}
    kv, words = kv_heads * head, abs(vocab)
    for name, shape in (("tokens", (words, dim)), ("attn_norm", (layers, dim)), ("q", (layers, dim, dim)),
                        ("k", (layers, kv, dim)), ("v", (layers, kv, dim)), ("o", (layers, dim, dim)),
                        ("ffn_norm", (layers, dim)), ("gate", (layers, ffn, dim)), ("down", (layers, dim, ffn)),
                        ("up", (layers, ffn, dim)), ("norm", (dim,)), ("rope", (context, head))):
        n = int(np.prod(shape))
        w[name], at = flat[at:at + n].reshape(shape), at + n
    w["output"] = flat[at:at + words * dim].reshape(words, dim) if vocab < 0 else w["tokens"]
    return w, heads, kv_heads, head


class Model:
    def __init__(self, path):
        self.w, self.heads, self.kv_heads, self.head = read(path)
        self.keys, self.values = [[] for _ in self.w["q"]], [[] for _ in self.w["q"]]

    def turn(self, x, position):  # neighbours are pairs
        angle = position * (10000.0 ** (-np.arange(0, self.head, 2) / self.head)).astype(np.float32)
        pairs, cos, sin = x.reshape(-1, self.head // 2, 2), np.cos(angle), np.sin(angle)
        return np.stack([pairs[..., 0] * cos - pairs[..., 1] * sin, pairs[..., 0] * sin + pairs[..., 1] * cos], -1)

    def step(self, token, position):
        w, x = self.w, self.w["tokens"][token].copy()
        norm = lambda x, g: g * x / np.sqrt(np.mean(x * x) + np.float32(1e-5))
        for i in range(len(w["q"])):
            h = norm(x, w["attn_norm"][i])
            q = self.turn(w["q"][i] @ h, position).reshape(self.heads, self.head)
            self.keys[i].append(self.turn(w["k"][i] @ h, position).reshape(self.kv_heads, self.head))
            self.values[i].append((w["v"][i] @ h).reshape(self.kv_heads, self.head))
            keys, values, each = np.stack(self.keys[i]), np.stack(self.values[i]), self.heads // self.kv_heads
            out = []
            for n in range(self.heads):
                score = keys[:, n // each] @ q[n] / np.sqrt(np.float32(self.head))
                p = np.exp(score - score.max())
                out.append((p / p.sum()) @ values[:, n // each])
            x = x + w["o"][i] @ np.concatenate(out)
            h = norm(x, w["ffn_norm"][i])
            gate = w["gate"][i] @ h
            x = x + w["down"][i] @ (gate / (1 + np.exp(-gate)) * (w["up"][i] @ h))
        return w["output"] @ norm(x, w["norm"])


def read_vocabulary(path):
    raw, at, words = path.read_bytes(), 4, []
    while at < len(raw):
        score, n = struct.unpack_from("<fi", raw, at)
        words.append((raw[at + 8:at + 8 + n], score))
        at += 8 + n
    return words


def encode(words, text):
    ids = {}
    for i, (word, _) in enumerate(words):
        ids.setdefault(word, i)
    tokens = [ids[b" "]] if text else []
    for c in text:
        b = c.encode()
        tokens += [ids[b]] if b in ids else [x + 3 for x in b]
    while True:
        found = [(words[ids[m]][1], -i, ids[m]) for i in range(len(tokens) - 1)
                 if (m := words[tokens[i]][0] + words[tokens[i + 1]][0]) in ids]
        if not found:
            return [1] + tokens
        _, i, token = max(found)
        tokens[-i:-i + 2] = [token]


def decode(words, before, token):
    word = words[token][0]
    if before == 1 and word.startswith(b" "):
        word = word[1:]
    return bytes([int(word[3:5], 16)]) if len(word) == 6 and word.startswith(b"<0x") else word


def tell(checkpoint, vocabulary, prompt, steps):
    words, model = read_vocabulary(pathlib.Path(vocabulary)), Model(pathlib.Path(checkpoint))
    tokens, out = encode(words, prompt), b""
    for position in range(int(steps)):
        logits = model.step(tokens[position], position)
        if position + 1 == len(tokens):
            tokens.append(int(np.argmax(logits)))
        if tokens[position + 1] == 1:
            break
        out += decode(words, tokens[position], tokens[position + 1])
    sys.stdout.buffer.write(out + b"\n")


def make():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    dim, ffn, layers, heads, kv_heads, vocab, context = 32, 40, 3, 4, 2, -300, 64  # heads of 8, an odd ffn, own output
    head, words = dim // heads, abs(vocab)
    sizes = [words * dim, layers * dim, layers * dim * dim, layers * kv_heads * head * dim, layers * kv_heads * head * dim,
             layers * dim * dim, layers * dim, layers * ffn * dim, layers * dim * ffn, layers * ffn * dim, dim, context * head,
             words * dim]
    norms = {1, 6, 10}
    parts = [(rng.normal(0, 0.2, n) + (1 if i in norms else 0)).astype("<f4") for i, n in enumerate(sizes)]
    (OUT / "tiny.bin").write_bytes(struct.pack("<7i", dim, ffn, layers, heads, kv_heads, vocab, context) +
                                   b"".join(p.tobytes() for p in parts))
    names = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % i for i in range(256)]
    names += [bytes([c]) for c in b" abcdefghijklmnopqrstuvwxyz"] + [b" a", b"th", b"he", b"in", b"er", b" the", b"an",
                                                                     b" b", b"on", b"re", b" s", b"ing", b"nd", b" and"]
    assert len(names) == words, len(names)
    (OUT / f"tok{words}.bin").write_bytes(struct.pack("<i", 6) + b"".join(
        struct.pack("<fi", -float(i), len(n)) + n for i, n in enumerate(names)))
    tokens = rng.integers(3, words, 24).astype("<i4")
    model = Model(OUT / "tiny.bin")
    logits = np.stack([model.step(t, i) for i, t in enumerate(tokens)]).astype("<f4")
    (OUT / "expected.bin").write_bytes(tokens.tobytes() + logits.tobytes())


if __name__ == "__main__":
    tell(*sys.argv[1:]) if len(sys.argv) > 1 else make()
