#!/usr/bin/env python3
"""heed against its peers in one run: A B A B A B, same weights, tokens and threads; one JSON line a case.

ratio > 1 means heed is faster (or smaller, for memory). Examples:
    bench/compare.py llm --json --model qwen2.5-coder-0.5b-instruct
    bench/compare.py batch --sequences 8 --json       sequences decoded together
    bench/compare.py longctx --depth 16384 --json     deep in a long context
    bench/compare.py matmul --json                    kernels: llama.cpp's, torch's, ONNX Runtime's
    bench/compare.py attention --json                 torch SDPA, llama.cpp's flash attention
    bench/compare.py serving --json                   16 chats at once through the server
    bench/compare.py load --json                      until the first token; memory
    bench/compare.py quality --json                   perplexity of both on the same tokens
    bench/compare.py gate                             a short run of each against bench/baseline.json
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import gate
import serving

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEED = os.environ.get("HEED", str(ROOT / "build/release/heed"))
BASELINE = ROOT / "bench/baseline.json"
MODELS = ["gemma-3-270m", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]
SMALL = "qwen2.5-coder-0.5b-instruct"
SHAPES = ["896x4864", "4864x896", "1536x8960"]
TYPES = ["q4_k", "q5_0", "q6_k", "q8_0"]
ROWS = [1, 4, 16, 512]
CASES = ["4/4,64,2048,2048", "4/4,64,2048,2048,causal", "4/4,128,2048,2048,causal", "1/1,64,8192,8192,causal",
         "14/2,64,2048,2048,causal", "14/2,64,1,4096,causal", "14/2,64,1,32768,causal", "12/2,128,1,32768,causal"]


def cpu():
    names = [line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else "unknown"


def heed_lines(*command):
    done = subprocess.run([HEED, *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"compare: heed {' '.join(command)}: {done.stderr.strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def model_path(name):
    if os.path.exists(name):
        return name
    listed = json.loads(subprocess.run([HEED, "models", "--json"], capture_output=True, text=True, check=True).stdout)["models"]
    paths = [m["path"] for m in listed if m["name"] == name and m["installed"]]
    return paths[0] if paths else sys.exit(f"compare: {name} is not here: heed pull {name}")


def label(name):
    return name.split("/")[-1].removesuffix(".gguf")


class Side:
    """One program that takes turns: prepares when asked for its cases, measures when told to run."""

    def __init__(self, command):
        self.command = command
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def read(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        if self.process.wait():
            self.errors.seek(0)
            sys.exit(f"compare: {' '.join(self.command)}: {self.errors.read().strip()[-800:]}")
        return None

    def cases(self):
        """What the next group holds; None after the last."""
        self.about = self.read()
        return self.about and self.about["cases"]

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def run(self):
        self.say("run")
        lines = {}
        while "done" not in (line := self.read()):
            lines[line["case"]] = line
        return lines

    def close(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


def heed_side(group, args, *options):
    return Side([HEED, "bench", group, "--turns", "--threads", str(args.threads), *(["--cpu", args.cpu] if args.cpu else []), *map(str, options)])


def peer_side(program, args, *options):
    return Side([str(args.peers / "bin/python"), str(ROOT / "bench/peers" / program), *map(str, options), "--threads", str(args.threads)])


def repeated(option, values):
    return [word for value in values for word in (option, str(value))]


def take_turns(sides, runs):
    """Group by group: [{case: [values]}, ...] of each side, heed's lines last seen, and what the peers say of themselves."""
    try:
        while True:
            if None in [side.cases() for side in sides]:
                return
            rounds = [[side.run() for side in sides] for _ in range(runs)]
            values = [{case: [r[i][case]["value"] for r in rounds] for case in rounds[0][i]} for i in range(len(sides))]
            yield values, rounds[-1][0], [side.about for side in sides]
            for side in sides:
                side.say("next")
    finally:
        for side in sides:
            side.close()


def result(case, heed, peer, about, args, seen, smaller_is_better=False):
    a, b = statistics.median(heed), statistics.median(peer)
    ratios = [(y / x if smaller_is_better else x / y) for x, y in zip(heed, peer)]
    line = {"case": case, "heed": round(a, 4), "peer": round(b, 4), "peer_name": about["name"], "peer_version": about["version"],
            "ratio": round(b / a if smaller_is_better else a / b, 3), "runs": len(heed), "spread": [round(min(ratios), 3), round(max(ratios), 3)],
            "threads": args.threads, "cpu": cpu(), "isa": seen.get("isa", ""), "peer_isa": about["isa"]}
    if "fraction" in seen:
        line |= {"unit": seen["unit"], "bound": seen["bound"], "fraction": round(seen["fraction"], 3)}
    text = f"{case:64} heed {a:10.2f}  peer {b:10.2f}  ratio {line['ratio']:.2f} ({min(ratios):.2f} .. {max(ratios):.2f})"
    print(json.dumps(line) if args.json else text, flush=True)
    return line


def compare_tokens(group, options, peers, name, args):
    """heed against each of llama.cpp's settings, on every case of a model."""
    path = model_path(name)
    sides = [heed_side(group, args, "--model", path, "--activations", args.activations, "--kv-dtype", args.kv_dtype, *options)]
    sides += [peer_side("llama_cpp_bench.py", args, group, path, *options, *settings) for settings in peers]
    for values, seen, about in take_turns(sides, args.runs):
        for case in values[0]:
            title = case.removesuffix(path).strip()
            for theirs, who in zip(values[1:], about[1:]):
                yield result(f"{title}, {label(name)} vs {who['name']}", values[0][case], theirs[title], who, args, seen[case])


def peer_settings(args, default):
    settings = [s.split(",") for s in args.peer_settings or default]
    return [["--kv", kv, "--flash", flash] for kv, flash in settings]


def compare_llm(args):
    for name in args.model or MODELS:
        depth = ["--depth", args.depth[0]] if args.depth else []
        options = ["--prefill", args.prefill, "--decode", args.decode, *depth]
        yield from compare_tokens("llm", options, peer_settings(args, ["f16,auto"]), name, args)


def compare_batch(args):
    for name in args.model or MODELS[1:]:
        for sequences in args.sequences or [4, 8, 16]:
            options = ["--prefill", 0, "--decode", args.decode, "--sequences", sequences]
            yield from compare_tokens("llm", options, peer_settings(args, ["f16,auto"]), name, args)


def compare_longctx(args):
    for name in args.model or [SMALL]:
        options = ["--prefill", args.prefill, "--decode", min(args.decode, 64), *repeated("--depth", args.depth or [4096, 16384])]
        yield from compare_tokens("longctx", options, peer_settings(args, ["f16,on", "f16,off", "q8_0,on"]), name, args)


def compare_serving(args):
    """Chats at once, and one alone: heed through its server, by turns with llama.cpp."""
    for name in args.model or [SMALL]:
        path, decode = model_path(name), min(args.decode, 64)
        for chats in args.sequences or [16]:
            peer = Side([str(args.peers / "bin/python"), str(ROOT / "bench/peers/llama_cpp_serving.py"), path, "--chats", str(chats), "--decode", str(decode),
                         "--threads", str(args.threads)])
            peer.cases()
            server = serving.Server(HEED, path, args.threads, args.cpu, chats)
            ours, theirs, alone = [], [], []
            for run in range(args.runs + 1):
                prompts = serving.prompts(chats, run, peer.about["vocab"])
                ours.append(server.run(prompts, decode))
                peer.say(str(run))
                theirs.append(peer.read())
                alone.append(server.run(serving.prompts(1, 1000 + run, peer.about["vocab"]), decode))
            server.close()
            peer.close()
            for key, title in (("throughput", f"serving {chats} chats, tokens/s"), ("first", f"serving {chats} chats, time to first token p95")):
                yield result(f"{title}, {label(name)} vs {peer.about['name']}", [o[key] for o in ours[1:]], [t[key] for t in theirs[1:]], peer.about, args, {},
                             key == "first")
            yield result(f"serving {chats} chats over one, tokens/s, {label(name)}", [o["throughput"] for o in ours[1:]], [a["throughput"] for a in alone[1:]],
                         {"name": "heed, one chat", "version": "", "isa": ""}, args, {})


def compare_matmul(args):
    for shape in args.shape or SHAPES:
        for kind in args.type or TYPES:
            if int(shape.split("x")[0]) % 256 and kind.endswith("_k"):
                continue
            options = ["--shape", shape, *repeated("--rows", args.rows or ROWS)]
            sides = [heed_side("matmul", args, "--type", kind, "--activations", args.activations, *options),
                     peer_side("ggml_bench.py", args, "matmul", "--type", kind, *options)]
            if not args.quick:
                sides += [peer_side(program, args, "matmul", *options) for program in ("torch_bench.py", "onnx_bench.py")]
            yield from compare_kernels("matmul", sides, args)


def compare_attention(args):
    for case in args.case or CASES:
        sides = [heed_side("attention", args, "--case", case), peer_side("torch_bench.py", args, "attention", "--case", case),
                 peer_side("ggml_bench.py", args, "attention", "--case", case)]
        yield from compare_kernels("attention", sides, args)


def compare_kernels(group, sides, args):
    """Every case of heed's against the peers' cases with the same rows."""
    for values, seen, about in take_turns(sides, args.runs):
        for case, ours in values[0].items():
            rows = case[case.find(" rows "):] if " rows " in case else ""
            for theirs, who in zip(values[1:], about[1:]):
                for theirs_case in theirs:
                    if theirs_case.endswith(rows):
                        name = f"{group} {case} vs {who['name']} {theirs_case.removesuffix(rows)}"
                        yield result(name, ours, theirs[theirs_case], who, args, seen[case])


def compare_load(args):
    for name in args.model or MODELS:
        path = model_path(name)
        ours, theirs = [], []
        for _ in range(args.runs):
            lines = heed_lines("bench", "load", "--json", "--runs", "1", "--model", path, "--threads", str(args.threads))
            ours.append({line["case"].removesuffix(path).strip(): line for line in lines})
            done = subprocess.run([str(args.peers / "bin/python"), str(ROOT / "bench/peers/llama_cpp_bench.py"), "load", path, "--threads", str(args.threads)],
                                  capture_output=True, text=True, check=True)
            theirs.append(json.loads(done.stdout.splitlines()[-1]))
        for title, key in (("load and first token", "load"), ("peak memory", "peak_mib")):
            yield result(f"{title}, {label(name)}", [o[title]["value"] for o in ours], [t[key] for t in theirs], theirs[0], args, ours[0][title], True)


def compare_quality(args):
    for name in args.model or MODELS:
        path = model_path(name)
        with tempfile.TemporaryDirectory() as folder:
            tokens = os.path.join(folder, "tokens.json")
            ours = heed_lines("bench", "quality", "--json", "--model", path, "--threads", str(args.threads), "--text", args.text, "--chunks", str(args.chunks),
                              "--save-tokens", tokens, "--perplexity-only", "--activations", args.activations)
            done = subprocess.run([str(args.peers / "bin/python"), str(ROOT / "bench/peers/llama_cpp_bench.py"), "perplexity", path, "--tokens", tokens,
                                   "--threads", str(args.threads)], capture_output=True, text=True, check=True)
            theirs = json.loads(done.stdout.splitlines()[-1])
        yield result(f"perplexity, {label(name)}", [ours[0]["value"]], [theirs["perplexity"]], theirs, args, ours[0], True)


COMPARE = {"llm": compare_llm, "batch": compare_batch, "longctx": compare_longctx, "serving": compare_serving, "matmul": compare_matmul,
           "attention": compare_attention,
           "load": compare_load, "quality": compare_quality}
GATED = [  # what `gate` measures: some minutes
    ("llm", ["--model", SMALL, "--decode", "64"]),
    ("batch", ["--model", SMALL, "--decode", "32", "--sequences", "8"]),
    ("longctx", ["--model", SMALL, "--depth", "4096", "--prefill", "256", "--decode", "32", "--peer-settings", "f16,on"]),
    ("matmul", ["--quick", "--shape", "896x4864", "--type", "q5_0", "--type", "q8_0"]),
    ("matmul", ["--quick", "--shape", "1536x8960", "--type", "q4_k", "--type", "q6_k"]),
    ("attention", ["--case", "14/2,64,2048,2048,causal", "--case", "14/2,64,1,32768,causal"]),
    ("load", ["--model", SMALL]),
]


def run_gate(args, common):
    """Exit code of the gate. Suspects: their whole group is measured again, once."""
    groups = [(group, parse([group, *options, *common])) for group, options in GATED if not args.only or group in args.only]
    came_from, lines = {}, []
    for number, (group, own) in enumerate(groups):
        for line in COMPARE[group](own):
            came_from[line["case"]] = number
            lines.append(line)
    if args.update_baseline:
        gate.write(BASELINE, gate.updated(lines, gate.read(BASELINE)))
        return 0
    baseline = gate.read(BASELINE)

    def measure_again(doubtful):
        for number in sorted({came_from[line["case"]] for line in doubtful}):
            print(f"compare: measuring {groups[number][0]} again", file=sys.stderr, flush=True)
            yield from COMPARE[groups[number][0]](groups[number][1])

    failures, best = gate.judge(lines, baseline, measure_again)
    gate.report(failures, baseline)
    missing = gate.unknown(best, baseline)
    if missing:
        print(f"compare: {len(missing)} cases have no baseline for {gate.key(missing[0])}: bench/compare.py gate --update-baseline", flush=True)
    print(f"{len(best) - len(failures)} passed, {len(failures)} failed", flush=True)
    return 1 if failures else 0


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("group", choices=[*COMPARE, "gate"])
    p.add_argument("--json", action="store_true")
    p.add_argument("--model", action="append", help="name or path, repeatable (default: the catalogue's that fit the group)")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--prefill", type=int, default=512)
    p.add_argument("--decode", type=int, default=128)
    p.add_argument("--depth", type=int, action="append", help="tokens already in the cache (longctx: repeatable)")
    p.add_argument("--sequences", type=int, action="append", help="batch: decoded together (default: 4 8 16); serving: chats (default: 16); repeatable")
    p.add_argument("--shape", action="append", help=f"matmul: depth x columns (default: {' '.join(SHAPES)})")
    p.add_argument("--type", action="append", help=f"matmul: encodings (default: {' '.join(TYPES)})")
    p.add_argument("--rows", type=int, action="append", help="matmul: rows of activations (default: 1 4 16 512)")
    p.add_argument("--case", action="append", help="attention: HEADS/KV_HEADS,DIM,QUERIES,KEYS[,causal][,window=N]")
    p.add_argument("--quick", action="store_true", help="matmul: llama.cpp's kernels only")
    p.add_argument("--peer-settings", action="append", metavar="KV,FLASH", help="llama.cpp's cache and flash attention: f16,on q8_0,on f16,off")
    p.add_argument("--peers", type=pathlib.Path, default=ROOT / ".peers", help="their environment; .peers-avx2: built for AVX2 alone (tools/peers.sh avx2)")
    p.add_argument("--cpu", default=os.environ.get("HEED_CPU", ""), help="heed's kernel table, for instance avx2")
    p.add_argument("--kv-dtype", default="bf16", choices=["bf16", "f16", "f32", "int8", "int4"], help="heed's pages; llama.cpp's: --peer-settings")
    p.add_argument("--activations", default="auto", choices=["auto", "exact", "fast"], help="heed's; llama.cpp's are 8 bits, like fast")
    p.add_argument("--text", default=str(ROOT / "../shared/data/text/wiki.test.raw"))
    p.add_argument("--chunks", type=int, default=20)
    p.add_argument("--only", action="append", choices=list(COMPARE), help="gate: these groups only, repeatable")
    p.add_argument("--update-baseline", action="store_true", help="gate: keep these ratios in bench/baseline.json")
    return p


def parse(words):
    return parser().parse_args(words)


def main():
    args = parse(None)
    if args.group == "gate":
        kept = [word for word in sys.argv[1:] if word not in ("gate", "--update-baseline")]
        return run_gate(args, kept)
    lines = list(COMPARE[args.group](args))
    if args.update_baseline:
        gate.write(BASELINE, gate.updated(lines, gate.read(BASELINE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
