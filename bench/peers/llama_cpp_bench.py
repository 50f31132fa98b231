#!/usr/bin/env python3
"""One run of llama.cpp: the same tokens, threads and measures as `heed bench llm`; one JSON object on stdout."""
import argparse
import ctypes
import json
import math
import os
import resource
import sys
import time

import llama_cpp as lc
import numpy as np


def bench_tokens(n, vocab):  # the same sequence as src/apps/bench_llm.cc
    x, tokens = 42, []
    for _ in range(n):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        tokens.append((x >> 8) % min(vocab, 32000))
    return tokens


class Peer:
    def __init__(self, path, threads, context, batch, flash, kv):
        lc.llama_backend_init()
        mp = lc.llama_model_default_params()
        start = time.perf_counter()
        self.model = lc.llama_model_load_from_file(path.encode(), mp)
        cp = lc.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch = context, batch, 512
        cp.n_threads = cp.n_threads_batch = threads
        if hasattr(cp, "flash_attn_type"):
            cp.flash_attn_type = {"auto": -1, "off": 0, "on": 1}[flash]
        types = {"f16": 1, "q8_0": 8}
        cp.type_k = cp.type_v = types[kv]
        self.ctx = lc.llama_init_from_model(self.model, cp)
        self.vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(self.model))
        self.feed([1], 0)  # first touch of the weights belongs to loading
        self.load_seconds = time.perf_counter() - start
        self.clear(0)

    def clear(self, keep):
        lc.llama_memory_seq_rm(lc.llama_get_memory(self.ctx), 0, keep, -1)

    def feed(self, tokens, first, all_logits=False):
        batch = lc.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, t in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = t, first + i, 1, 0
            batch.logits[i] = all_logits or i == len(tokens) - 1
        if lc.llama_decode(self.ctx, batch):
            sys.exit("llama_decode failed")
        lc.llama_synchronize(self.ctx)
        lc.llama_batch_free(batch)

    def logits(self, row):
        p = lc.llama_get_logits_ith(self.ctx, row)
        return np.ctypeslib.as_array(p, (self.vocab,)).astype(np.float64)


def speed(peer, args):
    tokens = bench_tokens(args.depth + max(args.prefill, args.decode), peer.vocab)
    peer.feed(tokens[:64], 0)
    peer.clear(0)
    for i in range(0, args.depth, 512):
        peer.feed(tokens[i:min(i + 512, args.depth)], i)
    result = {"load": peer.load_seconds}
    if args.prefill:
        start = time.perf_counter()
        for i in range(0, args.prefill, 512):
            peer.feed(tokens[args.depth + i:args.depth + min(i + 512, args.prefill)], args.depth + i)
        result["prefill"] = args.prefill / (time.perf_counter() - start)
    peer.clear(args.depth)
    if args.decode:
        start = time.perf_counter()
        for i in range(args.decode):
            peer.feed([tokens[args.depth + i]], args.depth + i)
        result["decode"] = args.decode / (time.perf_counter() - start)
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def perplexity(peer, args):
    """llama-perplexity's measure over token chunks read from a JSON file."""
    chunks = json.load(open(args.perplexity))
    nll, count = 0.0, 0
    for chunk in chunks:
        peer.clear(0)
        peer.feed(chunk, 0, all_logits=True)
        for position in range(len(chunk) // 2, len(chunk) - 1):
            row = peer.logits(position)
            top = row.max()
            nll -= row[chunk[position + 1]] - top - math.log(np.exp(row - top).sum())
            count += 1
    return {"perplexity": math.exp(nll / count), "positions": count}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=128)
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--flash", default="auto", choices=["auto", "on", "off"])
    parser.add_argument("--kv", default="f16", choices=["f16", "q8_0"])
    parser.add_argument("--perplexity", help="JSON file with chunks of token ids")
    args = parser.parse_args()
    context = max(args.depth + max(args.prefill, args.decode) + 64, 640)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    peer = Peer(args.model, args.threads, context, 512, args.flash, args.kv)
    result = perplexity(peer, args) if args.perplexity else speed(peer, args)
    print(json.dumps(result | {"version": lc.__version__}))


if __name__ == "__main__":
    main()
