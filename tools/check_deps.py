#!/usr/bin/env python3
"""Fails when a room includes a room it may not see, or when two headers define a type of one name: the program would take
either for both. The table below IS the architecture (ARCHITECTURE.md shows it)."""
import pathlib
import re
import sys

ALLOWED = {  # room: rooms it may include besides itself
    "core": "",
    "kernels": "core",
    "formats": "core",
    "text": "core formats",
    "cache": "core kernels",
    "model": "core kernels formats cache",
    "decode": "core text",
    "engine": "core kernels formats text cache model decode",
    "store": "core formats",
    "observe": "core",
    "serve": "core text decode engine observe store",
    "apps": "core formats kernels cache model text decode engine store observe serve",
}
# No inner file may include what only one room adapts: header prefix -> the rooms that may.
ADAPTED = {"boost/": "serve", "curl/": "store", "sqlite3.h": "store", "prometheus/": "observe serve", "CLI/": "apps", "toml++/": "serve store"}


def violations(root):
    for path in sorted(root.rglob("*")):
        if path.suffix not in (".h", ".cc", ".inl"):
            continue
        room = path.relative_to(root).parts[0]
        if room not in ALLOWED:
            yield f"{path}: room {room} is not in the table"
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            own = re.match(r'\s*#\s*include\s+"([a-z_0-9]+)/', line)
            if own and own[1] != room and own[1] not in ALLOWED[room].split():
                yield f"{path}:{number}: {room} may not include {own[1]}"
            outside = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            for prefix, rooms in ADAPTED.items():
                if outside and outside[1].startswith(prefix) and room not in rooms.split():
                    yield f"{path}:{number}: <{prefix}...> belongs in {rooms}"


def doubles(root):
    seen = {}
    for path in sorted(root.rglob("*.h")):
        if "body" in path.parts:  # included once an instruction set, in anonymous namespaces
            continue
        text = path.read_text(errors="replace")
        space = re.search(r"^namespace ([\w:]+) \{", text, flags=re.M)
        for name in re.findall(r"^(?:struct|class|enum class) (\w+)(?: final)?(?: : [^;{]*)? \{", text, flags=re.M):
            whole = f"{space[1] if space else ''}::{name}"
            if whole in seen:
                yield f"{path}: {whole} is defined in {seen[whole]}, too"
            seen[whole] = path


if __name__ == "__main__":
    source = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "src")
    found = [*violations(source), *doubles(source)]
    print("\n".join(found) if found else "check_deps: the include table holds")
    sys.exit(bool(found))
