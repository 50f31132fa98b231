#!/usr/bin/env python3
"""torch's side of bench/compare.py: linear layers (f32, bf16, int8 dynamic) and scaled_dot_product_attention (f32, bf16).

torch_bench.py matmul --shape 896x4864 --rows 1 --rows 512
torch_bench.py attention --case 14/2,64,1,32768,causal
"""
import argparse
import math
import os
import warnings

import torch
import torch.nn.functional as F
import turns

RING_BYTES = 96 << 20  # as heed: few rows and single queries find their memory cold
RING_ROWS = 8


def ring(make, size_bytes, is_cold):
    return [make() for _ in range(math.ceil(RING_BYTES / size_bytes) if is_cold else 1)]


def rate(operations, calls):
    """A run: GOP/s of the next calls of the ring."""
    turn = iter(range(1 << 62))
    return lambda: operations / turns.seconds_per_call(lambda: calls[next(turn) % len(calls)]()) / 1e9


def int8_linear(weight):
    scale = float(weight.abs().max()) / 127
    quantized = torch.quantize_per_tensor(weight, scale, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(quantized, None)
    return lambda x: torch.ops.quantized.linear_dynamic(x, packed, True)


def plain_linear(weight):
    return lambda x: F.linear(x, weight)


KINDS = {"f32": (torch.float32, plain_linear, 4), "bf16": (torch.bfloat16, plain_linear, 2), "int8 dynamic": (torch.float32, int8_linear, 1)}


def matmul(args):
    def prepare():
        cases = {}
        k, n = map(int, args.shape.split("x"))
        for kind, (dtype, make, size) in KINDS.items():
            weights = ring(lambda: make(torch.randn(n, k).to(dtype)), n * k * size, is_cold=True)
            for rows in args.rows:
                x = torch.randn(rows, k).to(dtype)
                used = weights if rows <= RING_ROWS else weights[:1]
                cases[f"{kind} rows {rows}"] = rate(2 * rows * n * k, [lambda w=w, x=x: w(x) for w in used])
        return cases

    return prepare


def visible_pairs(queries, keys, causal, window):
    total = 0
    for i in range(queries):
        position = keys - queries + i
        end = position + 1 if causal else keys
        total += min(end, window) if window else end
    return total


def attention(args):
    heads_of, dim, queries, keys, *words = args.case.split(",")
    heads, kv_heads = map(int, heads_of.split("/"))
    dim, queries, keys, causal = int(dim), int(queries), int(keys), "causal" in words
    window = next((int(w.split("=")[1]) for w in words if w.startswith("window=")), 0)
    operations = visible_pairs(queries, keys, causal, window) * heads * 4 * dim

    def prepare():
        cases = {}
        for kind, dtype, size in (("f32", torch.float32, 4), ("bf16", torch.bfloat16, 2)):
            kv = ring(lambda: torch.randn(2, 1, kv_heads, keys, dim).to(dtype), 2 * kv_heads * keys * dim * size, is_cold=queries == 1)
            q = torch.randn(1, heads, queries, dim).to(dtype)
            how = {"is_causal": causal and queries > 1}
            if window and queries > 1:
                distance = torch.arange(keys)[:, None] - torch.arange(keys)[None, :]
                how = {"attn_mask": (distance >= 0) & (distance < window)}
            first = max(0, keys - window) if window and queries == 1 else 0
            calls = [lambda k=pair[0][:, :, first:], v=pair[1][:, :, first:], q=q, how=how:
                     F.scaled_dot_product_attention(q, k, v, enable_gqa=heads != kv_heads, **how) for pair in kv]
            cases[f"SDPA {kind}"] = rate(operations, calls)
        return cases

    return prepare


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["matmul", "attention"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--shape", default="896x4864")
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--case", default="14/2,64,1,32768,causal")
    args = parser.parse_args()
    args.rows = args.rows or [1, 512]
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    about = {"name": "torch", "version": torch.__version__, "isa": torch.backends.cpu.get_cpu_capability()}
    with torch.inference_mode():
        turns.take([{"matmul": matmul, "attention": attention}[args.what](args)], about)


if __name__ == "__main__":
    main()
