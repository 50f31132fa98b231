#!/usr/bin/env python3
"""Runs every test suite but the long ones; the last line is `N passed, N failed`.

A suite is a row: a name, a group for --only, a command, and how its output counts. Suites that need something this
machine cannot have say so in a line of their own and count as skipped, never as passed.
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "test"
ROOMS = ["core", "kernels", "formats", "text", "cache", "model", "decode", "engine", "store", "observe", "serve"]
SMALL_MODELS = ["smollm2-135m-instruct", "gemma-3-270m", "qwen2.5-coder-0.5b-instruct", "all-minilm-l6-v2"]  # the real weights that tests need
HEED = str(BUILD / "heed")


def count_gtest(text, code):
    ran = re.search(r"\[==========\] (\d+) tests? from .* ran", text)
    passed = re.search(r"\[  PASSED  \] (\d+) tests?", text)
    skipped = re.search(r"\[  SKIPPED \] (\d+) tests?", text)
    n_skipped = int(skipped[1]) if skipped else 0
    if not ran or not passed:
        return 0, 1, 0
    n_passed = int(passed[1])
    failed = int(ran[1]) - n_passed - n_skipped
    return n_passed, max(failed, 1 if code else 0), n_skipped


def count_lines(text, code):
    last = re.findall(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", text)
    if not last:
        return 0, 1, 0
    passed, failed, skipped = (int(x or 0) for x in last[-1])
    return passed, max(failed, 1 if code else 0), skipped


def count_pytest(text, code):
    found = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error|errors|skipped)", text.splitlines()[-1] if text else "")}
    failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
    return found.get("passed", 0), max(failed, 1 if code else 0), found.get("skipped", 0)


def count_vitest(text, code):
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    found = re.search(r"Tests\s+(?:(\d+) failed \| )?(\d+) passed", text)
    return (int(found[2]), max(int(found[1] or 0), 1 if code else 0), 0) if found else (0, 1, 0)


def count_exit(text, code):
    return (0, 1, 0) if code else (1, 0, 0)


def skip_reasons(text):
    """Why tests were skipped, and how many for each: what GTEST_SKIP streams, `pytest -rs` and our own suites print."""
    return collections.Counter(re.findall(r": Skipped\n(.+)", text) + re.findall(r"^SKIP(?:PED)?\b *(.+)", text, re.M))


END_TO_END = {
    "command line": ("e2e", ["cli", "lora", "convert", "tokenize"]),
    "hub, store and import": ("e2e", ["store"]),
    "benchmarks": ("e2e", ["bench"]),
    "openai client": ("e2e", ["openai"]),
    "restart": ("e2e", ["restart"]),
    "anthropic client": ("e2e", ["anthropic"]),
    "encoder-decoder": ("e2e", ["encoder_decoder"]),
    "embeddings": ("e2e", ["embeddings"]),
    "clients of Ollama and llama.cpp": ("e2e", ["ollama"]),
    "README commands": ("docs", ["readme"]),
}


def end_to_end():
    """The rows above, and every file that none of them names."""
    named = {f"tests/e2e/test_{part}.py" for _, parts in END_TO_END.values() for part in parts}
    found = {f"tests/e2e/{path.name}" for path in (ROOT / "tests/e2e").glob("test_*.py")}
    rows = {name: (group, [f"tests/e2e/test_{part}.py" for part in parts]) for name, (group, parts) in END_TO_END.items()}
    return rows | {path: ("e2e", [path]) for path in sorted(found - named)}


def page_suites():
    yield "page unit tests", "unit", ["npm", "--prefix", "web", "test", "--silent"], count_vitest
    yield "page types", "lint unit", ["npm", "--prefix", "web", "run", "check", "--silent"], count_exit
    yield "page in a browser", "e2e", [".venv/bin/python", "tests/e2e/run_page.py"], count_lines


def suites():
    yield "include table", "lint unit", ["python3", "tools/check_deps.py"], count_exit
    yield "sizes", "lint unit", ["python3", "tools/check_size.py"], count_exit
    yield "no links in the tree", "lint unit", ["bash", "-c", "! git ls-files -s | grep ^120000"], count_exit
    yield "Python files compile", "lint unit", ["python3", "-m", "compileall", "-q", "tools", "bench", "tests"], count_exit
    yield "the house tools catch what they should", "lint unit", ["python3", "tools/check_tools_test.py"], count_lines
    yield "clang-format", "lint", ["tools/lint.sh", "format"], count_exit
    yield "build", "unit docs e2e", ["tools/build.sh", "test"], count_exit
    for model in SMALL_MODELS:
        yield f"getting {model}", "unit docs e2e", [HEED, "pull", model], count_exit
    for room in ROOMS:
        if list((ROOT / "tests/unit" / room).glob("**/*.cc")):
            yield f"{room} unit tests", "unit", [str(BUILD / f"{room}_test"), "--gtest_brief=0"], count_gtest
    for room in sorted({path.name.split("_")[0] for path in (ROOT / "tests/fuzz").glob("*_*.cc")} & set(ROOMS)):
        yield f"{room} on mutated files", "unit", [str(BUILD / f"{room}_mutations"), "--gtest_brief=0"], count_gtest
    if (ROOT / "web/package.json").exists():
        yield from page_suites()
    else:
        print("SKIP the page: this tree has no web/")
    for name, (group, files) in end_to_end().items():
        yield name, group, [".venv/bin/python", "-m", "pytest", "-q", "-rs", *files], count_pytest
    yield "clang-tidy", "lint", ["tools/lint.sh", "tidy"], count_exit


def run(name, command, count):
    print(f"==> {name}", flush=True)
    start = time.monotonic()
    log = ROOT / "build/test-logs" / (re.sub(r"\W+", "-", name) + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    env = dict(os.environ, HEED=HEED, NO_COLOR="1")
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
        text, code = done.stdout.decode(errors="replace"), done.returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        text, code = f"could not run: {error}", 1
    log.write_text(text)
    passed, failed, skipped = count(text.strip(), code)
    print(f"    {passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''} ({time.monotonic() - start:.0f} s)", flush=True)
    for reason, times in skip_reasons(text).items():
        print(f"    skipped {times} x: {reason}", flush=True)
    if failed:
        print("\n".join("    " + line for line in text.splitlines()[-40:]))
        print(f"    whole log: {log.relative_to(ROOT)}", flush=True)
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="a group: unit, lint, e2e, docs")
    group = parser.parse_args().only
    total = [0, 0, 0]
    for name, groups, command, count in suites():
        if group and group not in groups.split():
            continue
        result = run(name, command, count)
        total = [a + b for a, b in zip(total, result)]
        if name == "build" and result[1]:
            break  # nothing after it can run
    if total[2]:
        print(f"{total[2]} skipped, each for the reason above")
    print(f"{total[0]} passed, {total[1]} failed")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
