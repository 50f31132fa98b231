#!/usr/bin/env python3
"""heed against its peers in one run: A B A B A B, same weights, tokens and threads; one JSON line a case.

ratio > 1 means heed is faster (or smaller, for memory). Example:
    bench/compare.py llm --json --model qwen2.5-coder-0.5b-instruct
    bench/compare.py quality --json           perplexity of both on the same tokens
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEED = os.environ.get("HEED", str(ROOT / "build/release/heed"))
PEER_PYTHON = str(ROOT / ".peers/bin/python")
MODELS = ["gemma-3-270m", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"compare: {' '.join(command)}: {done.stderr.strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def cpu():
    names = [line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else "unknown"


def model_path(name):
    if os.path.exists(name):
        return name
    listed = json.loads(subprocess.run([HEED, "models", "--json"], capture_output=True, text=True, check=True).stdout)["models"]
    paths = [m["path"] for m in listed if m["name"] == name and m["installed"]]
    return paths[0] if paths else sys.exit(f"compare: {name} is not here: heed pull {name}")


def heed_llm(path, args):
    lines = run([HEED, "bench", "llm", "--json", "--runs", "1", "--model", path, "--threads", str(args.threads), "--prefill", str(args.prefill),
                 "--decode", str(args.decode), "--depth", str(args.depth), "--activations", args.activations])
    keys = {"prefill": "prefill", "decode": "decode", "load": "load", "peak": "peak_mib"}
    return {keys[line["case"].split()[0]]: line["value"] for line in lines}


def peer_llm(path, args):
    return run([PEER_PYTHON, str(ROOT / "bench/peers/llama_cpp_bench.py"), path, "--threads", str(args.threads), "--prefill", str(args.prefill),
                "--decode", str(args.decode), "--depth", str(args.depth), "--kv", args.peer_kv])[0]


def line(case, heed, peer, version, smaller_is_better, args):
    a, b = statistics.median(heed), statistics.median(peer)
    ratio = b / a if smaller_is_better else a / b
    ratios = [(y / x if smaller_is_better else x / y) for x, y in zip(heed, peer)]
    result = {"case": case, "heed": round(a, 3), "peer": round(b, 3), "peer_name": "llama.cpp (llama-cpp-python)", "peer_version": version,
              "ratio": round(ratio, 3), "runs": len(heed), "spread": [round(min(ratios), 3), round(max(ratios), 3)],
              "threads": args.threads, "cpu": cpu()}
    print(json.dumps(result) if args.json else f"{case:55} heed {a:10.2f}  peer {b:10.2f}  ratio {ratio:.2f} ({min(ratios):.2f} .. {max(ratios):.2f})", flush=True)


def compare_llm(args):
    for name in args.model or MODELS:
        path = model_path(name)
        ours, theirs = [], []
        for _ in range(args.runs):
            ours.append(heed_llm(path, args))
            theirs.append(peer_llm(path, args))
        label = name.split("/")[-1].removesuffix(".gguf")
        at = f" at depth {args.depth}" if args.depth else ""
        for key, title, smaller in (("prefill", f"prefill {args.prefill}{at}", False), ("decode", f"decode {args.decode}{at}", False),
                                    ("load", "load time (s)", True), ("peak_mib", "peak memory (MiB)", True)):
            if all(key in r for r in ours + theirs):
                line(f"{title}, {label}", [r[key] for r in ours], [r[key] for r in theirs], theirs[0]["version"], smaller, args)


def compare_quality(args):
    for name in args.model or MODELS:
        path = model_path(name)
        with tempfile.TemporaryDirectory() as folder:
            tokens = os.path.join(folder, "tokens.json")
            ours = run([HEED, "bench", "quality", "--json", "--model", path, "--threads", str(args.threads), "--text", args.text,
                        "--chunks", str(args.chunks), "--save-tokens", tokens, "--perplexity-only",
                        "--activations", args.activations])
            theirs = run([PEER_PYTHON, str(ROOT / "bench/peers/llama_cpp_bench.py"), path, "--threads", str(args.threads), "--perplexity", tokens])[0]
        line(f"perplexity, {pathlib.Path(name).name.removesuffix('.gguf')}", [ours[0]["value"]], [theirs["perplexity"]], theirs["version"], True, args)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", choices=["llm", "quality"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", action="append", help="name or path, repeatable (default: the three larger catalogue models)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=128)
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--peer-kv", default="f16", choices=["f16", "q8_0"])
    parser.add_argument("--activations", default="exact", choices=["exact", "fast"], help="heed's; llama.cpp's are 8 bits, like fast")
    parser.add_argument("--text", default=str(ROOT / "../shared/data/text/wiki.test.raw"))
    parser.add_argument("--chunks", type=int, default=20)
    args = parser.parse_args()
    {"llm": compare_llm, "quality": compare_quality}[args.group](args)


if __name__ == "__main__":
    main()
