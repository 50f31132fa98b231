#!/usr/bin/env python3
"""Plants violations of the house rules, and slow-downs, and expects each tool to find them: a check that cannot fail is
no check."""
import pathlib
import subprocess
import sys
import tempfile

TOOLS = pathlib.Path(__file__).parent
sys.path.insert(0, str(TOOLS.parent / "bench"))
import gate  # noqa: E402
HEAD = "// planted.cc -- for the test.\n"
PLANTED = {  # name: (tool, file, text, what the tool must say)
    "include over the table": ("check_deps.py", "kernels/planted.cc", HEAD + '#include "model/spec.h"\n', "kernels may not include model"),
    "library outside its adapter": ("check_deps.py", "model/planted.cc", HEAD + "#include <boost/asio.hpp>\n", "belongs in serve"),
    "type of two headers": ("check_deps.py", "model/planted.h", HEAD + "namespace heed {\nstruct Tensor {\n};\nstruct Tensor {\n};\n}\n", "is defined in"),
    "unknown room": ("check_deps.py", "misc/planted.cc", HEAD, "not in the table"),
    "long file": ("check_size.py", "core/planted.cc", HEAD + "int x;\n" * 700, "at most 600"),
    "long function": ("check_size.py", "core/planted.cc", HEAD + "int f(int a) {\n" + "  a += 1;\n" * 70 + "  return a;\n}\n", "a function of 73 lines"),
    "no first line": ("check_size.py", "core/planted.cc", "int x;\n", "the first line must say"),
}


def finds(tool, file, text, expected):
    with tempfile.TemporaryDirectory() as root:
        path = pathlib.Path(root) / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
        done = subprocess.run([sys.executable, TOOLS / tool, root], capture_output=True, text=True)
        return done.returncode != 0 and expected in done.stdout


def measured(case, ratio, isa="avx2"):
    return {"case": case, "ratio": ratio, "cpu": "a cpu", "isa": isa, "threads": 2, "peer_name": "a peer"}


BASELINE = {"a cpu | avx2 | 2 threads": {"prefill": 2.0, "decode": 1.5}}


def failures(lines, again=()):
    """Names of what the gate fails, when a second measurement gives `again`."""
    return [line["case"] for line in gate.judge(lines, BASELINE, lambda doubtful: list(again))[0]]


GATE = {  # name: whether it holds
    "a slow-down fails": lambda: failures([measured("prefill", 1.7), measured("decode", 1.5)], [measured("prefill", 1.75)]) == ["prefill"],
    "a slow-down fails when the second run lacks it": lambda: failures([measured("prefill", 1.7)]) == ["prefill"],
    "9 % is noise": lambda: failures([measured("prefill", 2.0 / 1.09)]) == [],
    "11 % is not": lambda: failures([measured("prefill", 2.0 / 1.11)], [measured("prefill", 2.0 / 1.11)]) == ["prefill"],
    "a suspect that recovers passes": lambda: failures([measured("prefill", 1.0)], [measured("prefill", 1.95)]) == [],
    "the better run counts": lambda: gate.judge([measured("prefill", 1.7)], BASELINE, lambda d: [measured("prefill", 1.6)])[1][0]["ratio"] == 1.7,
    "only suspects are measured again": lambda: gate.judge([measured("prefill", 2.0)], BASELINE, lambda d: 1 / 0)[0] == [],
    "another instruction set has its own baseline": lambda: failures([measured("prefill", 0.5, "avx512")]) == [],
    "a case without a baseline is named": lambda: [line["case"] for line in gate.unknown([measured("load", 1.0), measured("decode", 1.0)], BASELINE)] == ["load"],
    "an update keeps the other cases": lambda: gate.updated([measured("decode", 3.0)], BASELINE) == {"a cpu | avx2 | 2 threads": {"decode": 3.0, "prefill": 2.0}},
    "an update does not change what it was given": lambda: gate.updated([measured("decode", 9.0)], BASELINE) and BASELINE["a cpu | avx2 | 2 threads"]["decode"] == 1.5,
}


def main():
    failed = [name for name, case in PLANTED.items() if not finds(*case)] + [name for name, holds in GATE.items() if not holds()]
    for name in failed:
        print(f"not found: {name}")
    print(f"{len(PLANTED) + len(GATE) - len(failed)} passed, {len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
