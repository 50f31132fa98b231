#!/usr/bin/env python3
"""Plants one bug at a time in a clone of the last commit and expects the unit tests to fail: tests that cannot fail are
none. Takes minutes a bug, so it is not part of `make test`. Example:
    tools/planted_bugs.py                   all of them
    tools/planted_bugs.py mask tenant       those whose name contains a word
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLONE = ROOT / "build/planted"
BUGS = {  # name: (file, what stands there, what the bug makes of it)
    "causal mask sees one key ahead": (
        "src/kernels/attention_block.cc", "std::max(position + 1, m.prefix)", "std::max(position + 2, m.prefix)"),
    "window one key short": (
        "src/kernels/attention_block.cc", "s.begin = std::min(position + 1 - m.window", "s.begin = std::min(position + 2 - m.window"),
    "Q4_K minimum loses its high bits": (
        "src/kernels/pack.cc", "c.small_min = byte_at(s + j + 4) & 63;", "c.small_min = byte_at(s + j + 4) & 31;"),
    "rope turns the wrong way": (
        "src/kernels/layers.cc", "std::sin(positions[r] * frequency[i])", "std::sin(-positions[r] * frequency[i])"),
    "stop string across tokens is missed": (
        "src/decode/stop.cc", "held_ = text.substr(text.size() - open);", "open = 0; held_.clear();"),
    "a tenant reuses another's prefix": (
        "src/engine/prefix_store.cc", "if (e->tenant != tenant) continue;", "if (tenant.size() > 999) continue;"),
    "any key is accepted": (
        "src/serve/auth.cc", "offered.data(), offered.size()) == 0", "offered.data(), 0) == 0"),
    "half a character is streamed": (
        "src/text/stream_decode.cc", "pending_.erase(0, utf8_append_valid(pending_, text));", "text += pending_; pending_.clear();"),
    "kernels include the model": (
        "src/kernels/pack.cc", "#include \"kernels/", "#include \"model/spec.h\"\n#include \"kernels/"),
    "a file over the size limit": (
        "src/core/clock.cc", "namespace heed {", "namespace heed {\n" + "\n" * 650),
}


def shell(*command, cwd=CLONE):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def failing_suites(output):
    names = re.split(r"^==> ", output, flags=re.M)[1:]
    return [n.split("\n")[0] for n in names if re.search(r"^ +\d+ passed, [1-9]\d* failed", n, flags=re.M)]


def main():
    words = sys.argv[1:]
    subprocess.run(["rm", "-rf", str(CLONE)], check=True)
    subprocess.run(["git", "clone", "-q", str(ROOT), str(CLONE)], check=True)
    for shared in ("web/node_modules", "web/dist", ".venv"):
        if (ROOT / shared).exists():
            subprocess.run(["cp", "-a", str(ROOT / shared), str(CLONE / shared)], check=True)
    code, output = shell("make", "unit")
    if code:
        sys.exit("planted_bugs: the tree is red before any bug:\n" + output[-2000:])
    print("no bug: " + output.splitlines()[-1], flush=True)
    missed = 0
    for name, (file, old, new) in BUGS.items():
        if words and not any(word in name for word in words):
            continue
        path = CLONE / file
        clean = path.read_text()
        if old not in clean:
            sys.exit(f"planted_bugs: {file} no longer has {old!r}")
        path.write_text(clean.replace(old, new, 1))
        code, output = shell("make", "unit")
        path.write_text(clean)
        suites = failing_suites(output)
        caught = code != 0 and suites and suites != ["build"]
        missed += not caught
        print(f"{'caught' if caught else 'MISSED'}: {name}: {', '.join(suites) or 'all passed'}", flush=True)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
