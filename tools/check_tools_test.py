#!/usr/bin/env python3
"""Plants violations of the house rules and expects each tool to find them: a check that cannot fail is no check."""
import pathlib
import subprocess
import sys
import tempfile

TOOLS = pathlib.Path(__file__).parent
HEAD = "// planted.cc -- for the test.\n"
PLANTED = {  # name: (tool, file, text, what the tool must say)
    "include over the table": ("check_deps.py", "kernels/planted.cc", HEAD + '#include "model/spec.h"\n', "kernels may not include model"),
    "library outside its adapter": ("check_deps.py", "model/planted.cc", HEAD + "#include <boost/asio.hpp>\n", "belongs in serve"),
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


def main():
    failed = [name for name, case in PLANTED.items() if not finds(*case)]
    for name in failed:
        print(f"not found: {name}")
    print(f"{len(PLANTED) - len(failed)} passed, {len(failed)} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
