#!/usr/bin/env python3
"""Fails when a file or a function is too long, or a file does not say what it is for."""
import pathlib
import re
import sys

FILE_LINES, LONG_FILE_LINES, FUNCTION_LINES = 600, 800, 60


def file_limit(path):
    long = "body" in path.parts or "tests" in path.parts
    return LONG_FILE_LINES if long else FILE_LINES


def functions(lines):
    """(first line, length) of every brace block that opens after a parameter list; the tree is clang-formatted, so the
    block ends at the first brace two columns left of its first statement."""
    start, closing = None, ""
    for number, line in enumerate(lines, 1):
        if start is not None and closing is None and line.strip():
            closing = re.match(r"\s*", line)[0][2:]
        if start is None:
            opens = re.match(r"^\s*(?!namespace|class|struct|enum|union|extern|if|for|while|switch|else|do\b|return)\S.*\)[^;=]*\{$", line)
            if opens:
                start, closing = number, None
        elif closing is not None and re.match(rf"^{closing}\}}", line):
            yield start, number - start + 1
            start = None


def violations(roots):
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix not in (".h", ".cc", ".inl"):
                continue
            lines = path.read_text(errors="replace").splitlines()
            if len(lines) > file_limit(path):
                yield f"{path}: {len(lines)} lines, at most {file_limit(path)}"
            if not lines or not lines[0].startswith("// "):
                yield f"{path}: the first line must say what the file is for"
            if "tests" in path.parts:
                continue
            for start, length in functions(lines):
                if length > FUNCTION_LINES:
                    yield f"{path}:{start}: a function of {length} lines, at most {FUNCTION_LINES}"


if __name__ == "__main__":
    found = list(violations([pathlib.Path(p) for p in (sys.argv[1:] or ["src", "tests", "bench"])]))
    print("\n".join(found) if found else "check_size: sizes hold")
    sys.exit(bool(found))
