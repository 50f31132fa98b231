#!/usr/bin/env python3
"""What heed makes of chat templates against Python's jinja2, template by template and scenario by scenario.

usage: .oracles/bin/pip install transformers jinja2 gguf
       .oracles/bin/python tools/compare_templates.py build/dev/text_test FILE.jinja|FILE.gguf|DIRECTORY...

Renders every template in every scenario of tools/goldens/chat_templates.py by jinja2, replays that by the text room's
test, and prints a row a template: t the same text, e the same error raised by the template, f both fail, X they differ.
The exit code is 1 if any differs. Template texts belong to their models and stay outside the repository; try those that packages bring.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent / "goldens"))
import chat_templates as goldens  # noqa: E402


def sources(paths):
    for path in map(pathlib.Path, paths):
        for file in sorted(path.rglob("*.jinja")) if path.is_dir() else [path]:
            text = goldens.gguf_template(file) if file.suffix == ".gguf" else file.read_text()
            if text:
                yield f"{file.parent.name}-{file.stem}".replace("templates-", "").replace(" ", "_"), text


def main():
    program, paths = sys.argv[1], sys.argv[2:]
    names, cells = list(goldens.SCENARIOS), {}
    with tempfile.TemporaryDirectory() as room:
        goldens.OUT = pathlib.Path(room)
        for name, source in sources(paths):
            goldens.family(name, source)
            cases = json.loads((goldens.OUT / f"{name}.json").read_text())["cases"]
            cells[name] = {c["name"]: "t" if "expected" in c else "e" if "raises" in c else "f" for c in cases}
        done = subprocess.run([program, "--gtest_filter=ChatTemplateGolden.Families"], capture_output=True, text=True,
                              env={**os.environ, "HEED_CHAT_TEMPLATE_GOLDENS": room})
    for name, scenario in re.findall(r"^case: (\S+): (.*)$", done.stdout, re.MULTILINE):
        cells[name][scenario] = "X"
    differ = sum(cell == "X" for row in cells.values() for cell in row.values())
    if done.returncode and not differ:
        sys.exit(done.stdout + done.stderr)
    width = max(map(len, cells))
    for i, scenario in enumerate(names):
        print(f"{' ' * width} {'|' * i} {scenario}")
    for name, row in cells.items():
        print(f"{name:{width}} {''.join(row[s] for s in names)}")
    print(f"{len(cells)} templates x {len(names)} scenarios: {differ} differ")
    if differ:
        print(done.stdout[-6000:])
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
