#!/usr/bin/env python3
"""llama.cpp's side of `compare.py serving`: many sequences in one context, one run for each line on standard input.

llama_cpp_serving.py MODEL --chats 16 --decode 64
"""
import argparse
import json
import os
import pathlib
import sys
import time

import llama_cpp as lc
from llama_cpp_bench import about, load_model

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import serving

BATCH = 2048  # llama-server's own default; computed 512 at a time


class Slots:
    def __init__(self, args):
        self.model = load_model(args)
        self.vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(self.model))
        cp = lc.llama_context_default_params()
        cp.n_ctx = (max(serving.PROMPTS) + args.decode + 64) * args.chats
        cp.n_batch, cp.n_ubatch, cp.n_seq_max = BATCH, 512, args.chats
        cp.n_threads = cp.n_threads_batch = args.threads
        self.ctx = lc.llama_init_from_model(self.model, cp) or sys.exit("llama.cpp refuses these settings")
        self.memory = lc.llama_get_memory(self.ctx)
        self.greedy = lc.llama_sampler_init_greedy()

    def step(self, rows):
        """rows: (token, position, slot, wants the next token). Returns {slot: token}."""
        batch = lc.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for i, (token, position, slot, wants) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, position, 1, slot, wants
        if lc.llama_decode(self.ctx, batch):
            sys.exit("llama_decode failed")
        out = {slot: lc.llama_sampler_sample(self.greedy, self.ctx, i) for i, (_, _, slot, wants) in enumerate(rows) if wants}
        lc.llama_batch_free(batch)
        return out

    def run(self, prompts, decode):
        lc.llama_memory_clear(self.memory, True)
        fed, answers, first = [0] * len(prompts), [[] for _ in prompts], {}
        began = time.perf_counter()
        while any(len(answer) < decode for answer in answers):
            rows = []
            for slot, answer in enumerate(answers):
                if answer and len(answer) < decode:
                    rows.append((answer[-1], fed[slot], slot, True))
                    fed[slot] += 1
            for slot, prompt in enumerate(prompts):
                end = min(len(prompt), fed[slot] + BATCH - len(rows)) if not answers[slot] else 0
                rows += [(prompt[i], i, slot, i + 1 == len(prompt)) for i in range(fed[slot], end)]
                fed[slot] = max(fed[slot], end)
            for slot, token in self.step(rows).items():
                answers[slot].append(token)
                first.setdefault(slot, time.perf_counter() - began)
        seconds = time.perf_counter() - began
        return {"throughput": len(prompts) * decode / seconds, "first": serving.p95(list(first.values()))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--chats", type=int, default=16)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    args.flash, args.kv = "auto", "f16"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    slots = Slots(args)
    print(json.dumps({"cases": ["throughput", "first"], "vocab": slots.vocab} | about(args)), flush=True)
    for line in sys.stdin:
        print(json.dumps(slots.run(serving.prompts(args.chats, int(line), slots.vocab), args.decode)), flush=True)


if __name__ == "__main__":
    main()
