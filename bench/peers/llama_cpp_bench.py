#!/usr/bin/env python3
"""llama.cpp's side of bench/compare.py: the same weights, tokens and threads as heed.

llama_cpp_bench.py llm MODEL ...      prefill and decode, or N sequences together, taking turns
llama_cpp_bench.py longctx MODEL ...  ditto at each --depth
llama_cpp_bench.py load MODEL         seconds until the first token, memory
llama_cpp_bench.py perplexity MODEL --tokens FILE
"""
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
import turns

STEP = 512  # tokens of one llama_decode, llama.cpp's own default


def bench_tokens(n, vocab):  # the same sequence as src/apps/bench_model.cc
    x, tokens = 42, []
    for _ in range(n):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        tokens.append((x >> 8) % min(vocab, 32000))
    return tokens


class Context:
    """One llama_context; its sequences hold the bench tokens from position 0 on."""

    def __init__(self, model, tokens, sequences, args, spare=0):
        cp = lc.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch = (tokens + 64) * sequences, max(STEP, sequences), STEP
        cp.n_seq_max = sequences + spare
        cp.n_threads = cp.n_threads_batch = args.threads
        cp.flash_attn_type = {"auto": -1, "off": 0, "on": 1}[args.flash]
        cp.type_k = cp.type_v = {"f16": 1, "q8_0": 8}[args.kv]
        if spare:
            cp.kv_unified = True
        self.ctx = lc.llama_init_from_model(model, cp)
        if not self.ctx:
            sys.exit("llama.cpp refuses these settings")
        self.memory = lc.llama_get_memory(self.ctx)
        self.vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))
        self.sequences = sequences
        self.tokens = bench_tokens(tokens + 64, self.vocab)

    def decode(self, rows, all_logits=False):
        """rows: (token, position, sequence)"""
        batch = lc.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for i, (token, position, sequence) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = token, position, 1, sequence
            batch.logits[i] = all_logits or i == len(rows) - 1
        if lc.llama_decode(self.ctx, batch):
            sys.exit("llama_decode failed")
        lc.llama_synchronize(self.ctx)
        lc.llama_batch_free(batch)

    def keep(self, length):
        for s in range(self.sequences):
            lc.llama_memory_seq_rm(self.memory, s, length, -1)

    def feed(self, sequence, begin, end):
        for i in range(begin, end, STEP):
            self.decode([(self.tokens[p], p, sequence) for p in range(i, min(i + STEP, end))])

    def fill(self, depth):
        """A cache `depth` long without computing it all: copies of the first 512 tokens' keys and values, turned to their
        positions. Speed does not depend on what they say."""
        self.feed(0, 0, min(depth, STEP))
        size = lc.llama_state_seq_get_size(self.ctx, 0)
        state = (ctypes.c_uint8 * size)()
        lc.llama_state_seq_get_data(self.ctx, state, size, 0)
        for begin in range(STEP, depth // STEP * STEP, STEP):
            if not lc.llama_state_seq_set_data(self.ctx, state, size, 1):
                sys.exit("llama_state_seq_set_data failed")
            lc.llama_memory_seq_add(self.memory, 1, -1, -1, begin)
            lc.llama_memory_seq_cp(self.memory, 1, 0, -1, -1)
            lc.llama_memory_seq_rm(self.memory, 1, -1, -1)
        if depth > STEP:
            self.feed(0, depth // STEP * STEP, depth)
        if lc.llama_memory_seq_pos_max(self.memory, 0) != depth - 1:
            sys.exit("the cache is not as long as it should be")

    def prefill_rate(self, depth, tokens):
        self.keep(depth)
        start = time.perf_counter()
        self.feed(0, depth, depth + tokens)
        seconds = time.perf_counter() - start
        self.keep(depth)
        return tokens / seconds

    def decode_rate(self, depth, tokens):
        self.keep(depth)
        start = time.perf_counter()
        for p in range(depth, depth + tokens):
            self.decode([(self.tokens[p], p, s) for s in range(self.sequences)], all_logits=True)
        seconds = time.perf_counter() - start
        self.keep(depth)
        return self.sequences * tokens / seconds

    def logits(self, row):
        p = lc.llama_get_logits_ith(self.ctx, row)
        return np.ctypeslib.as_array(p, (self.vocab,)).astype(np.float64)


def about(args):
    system = lc.llama_print_system_info().decode()
    isa = next((name for name in ("AMX_INT8", "AVX512_VNNI", "AVX512", "AVX_VNNI", "AVX2", "NEON") if f"{name} = 1" in system), "unknown")
    flash = {"on": ", flash", "off": ", no flash", "auto": ""}[args.flash]
    return {"name": f"llama.cpp ({args.kv} KV{flash})", "version": f"llama-cpp-python {lc.__version__}", "isa": isa}


def load_model(args):
    lc.llama_backend_init()
    return lc.llama_model_load_from_file(args.model.encode(), lc.llama_model_default_params())


def llm(args):
    model = load_model(args)
    depth = args.depth[0] if args.depth else 0
    at = f" at depth {depth}" if depth else ""
    together = f" x {args.sequences} sequences" if args.sequences > 1 else ""

    def prepare():
        context = Context(model, depth + max(args.prefill, args.decode), args.sequences, args)
        for s in range(args.sequences):
            context.feed(s, 0, depth)
        cases = {}
        if args.prefill:
            cases[f"prefill {args.prefill}{at}"] = lambda: context.prefill_rate(depth, args.prefill)
        if args.decode:
            cases[f"decode {args.decode}{together}{at}"] = lambda: context.decode_rate(depth, args.decode)
        return cases

    turns.take([prepare], about(args))


def longctx(args):
    model = load_model(args)

    def at(depth):
        def prepare():
            context = Context(model, depth + max(args.prefill, args.decode), 1, args, spare=1)
            context.fill(depth)
            cases = {}
            if args.decode:
                cases[f"decode {args.decode} at depth {depth}"] = lambda: context.decode_rate(depth, args.decode)
            if args.prefill:
                cases[f"prefill {args.prefill} at depth {depth}"] = lambda: context.prefill_rate(depth, args.prefill)
            return cases
        return prepare

    turns.take([at(depth) for depth in args.depth], about(args))


def load(args):
    start = time.perf_counter()
    model = load_model(args)
    context = Context(model, 2048, 1, args)
    context.decode([(1, 0, 0)])  # first touch of the weights belongs to loading
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"load": seconds, "peak_mib": peak} | about(args)))


def perplexity(args):
    """llama-perplexity's measure over token chunks read from a JSON file."""
    context = Context(load_model(args), STEP, 1, args)
    nll, count = 0.0, 0
    for chunk in json.load(open(args.tokens)):
        context.keep(0)
        context.decode([(token, p, 0) for p, token in enumerate(chunk)], all_logits=True)
        for position in range(len(chunk) // 2, len(chunk) - 1):
            row = context.logits(position)
            top = row.max()
            nll -= row[chunk[position + 1]] - top - math.log(np.exp(row - top).sum())
            count += 1
    print(json.dumps({"perplexity": math.exp(nll / count), "positions": count} | about(args)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["llm", "longctx", "load", "perplexity"])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=128)
    parser.add_argument("--depth", type=int, action="append", default=[])
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--flash", default="auto", choices=["auto", "on", "off"])
    parser.add_argument("--kv", default="f16", choices=["f16", "q8_0"])
    parser.add_argument("--tokens", help="perplexity: JSON file with chunks of token ids")
    args = parser.parse_args()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    {"llm": llm, "longctx": longctx, "load": load, "perplexity": perplexity}[args.what](args)


if __name__ == "__main__":
    main()
