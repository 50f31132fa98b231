#!/usr/bin/env python3
"""Instructions a token, counted by callgrind: the same on every run and machine, so that a change can be compared without
noise. smollm2-135m-instruct, one thread, the avx2 kernels; differences of two runs, so that loading does not count.

tools/instructions.py            counts and compares with bench/instructions.json (fails above 1.02)
tools/instructions.py --update   keeps the counts
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
KEPT = ROOT / "bench/instructions.json"
HEED = os.environ.get("HEED", str(ROOT / "build/release/heed"))
MODEL = "smollm2-135m-instruct"
MOST = 1.02  # counts are exact; what changes them is the code, the compiler and a little of the standard library
CASES = {  # name: (option, short run, long run, further options)
    "prefill": ("--prefill", 64, 128, ["--decode", "0"]),
    "decode": ("--decode", 4, 8, ["--prefill", "0"]),
    "decode at depth 256": ("--decode", 4, 8, ["--prefill", "0", "--depth", "256"]),
    "decode x 4 sequences": ("--decode", 4, 8, ["--prefill", "0", "--sequences", "4"]),
}


def instructions(options):
    """Instructions inside LanguageModel::step, all of the run."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind.out")
        command = ["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*Transformer::step*", f"--callgrind-out-file={out}",
                   HEED, "bench", "llm", "--model", MODEL, "--threads", "1", "--cpu", "avx2", "--runs", "1", *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"instructions: {' '.join(command)}: {done.stderr.strip()[-500:]}")
        total = re.search(r"^(?:summary|totals): (\d+)", pathlib.Path(out).read_text(), re.M)
        count = int(total[1]) if total else 0
        return count or sys.exit("instructions: nothing was counted: is LanguageModel::step still Transformer::step?")


def per_token(option, short, long, options):
    def count(tokens):
        return instructions([option, str(tokens), *options])
    return round((count(long) - count(short)) / (long - short))


def compiler():
    return subprocess.run(["c++", "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    args = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    before = kept.get("instructions_per_token", {})
    counts, failed = dict(before), 0
    for name in args.case or CASES:
        counts[name] = per_token(*CASES[name])
        ratio = counts[name] / before[name] if name in before else 1.0
        failed += ratio > MOST
        print(f"{name:24} {counts[name]:>14,} instructions a token{f'  {ratio:.3f} x what is kept' if name in before else ''}", flush=True)
    if args.update:
        KEPT.write_text(json.dumps({"model": MODEL, "threads": 1, "cpu": "avx2", "compiler": compiler(), "instructions_per_token": counts}, indent=1) + "\n")
        return 0
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
