#!/usr/bin/env python3
"""Begins a model family: its reader, its rows, its golden. What is left is to say how it differs from llama.

    tools/new_family.py nemotron --model NemotronForCausalLM --config NemotronConfig
    tools/new_family.py nemotron --names      tensors of the class that tools/goldens/models.py has no name for yet

NAME is the architecture as GGUF files call it (general.architecture). Afterwards follow docs/guide/new-family.md.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
FAMILIES = ROOT / "src/model/families"
READER = """// {file}.cc -- {title}: llama, but (paper, year).
#include "model/families/families.h"

namespace heed {{

Expected<ModelSpec> read_{file}(const Metadata& metadata) {{
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "{name}"));
  each_block(spec, []([[maybe_unused]] BlockSpec& block) {{}});
  return spec;
}}

}}  // namespace heed
"""


def edit(path, pattern, insert):
    """Puts `insert` behind the last match of `pattern`; the file says when it is there already."""
    text = path.read_text()
    if insert.strip() in text:
        return
    matches = list(re.finditer(pattern, text, re.M))
    if not matches:
        sys.exit(f"{path.relative_to(ROOT)}: found no place for the new row (looked for {pattern})")
    end = matches[-1].end()
    path.write_text(text[:end] + insert + text[end:])
    print("changed", path.relative_to(ROOT))


def begin(name, model, config):
    file = re.sub(r"\W", "_", name)
    reader = FAMILIES / f"{file}.cc"
    if reader.exists():
        sys.exit(f"{reader.relative_to(ROOT)} is there already")
    reader.write_text(READER.format(file=file, name=name, title=name))
    print("wrote  ", reader.relative_to(ROOT))
    edit(FAMILIES / "families.h", r"^Expected<ModelSpec> read_.*\n", f"Expected<ModelSpec> read_{file}(const Metadata& metadata);\n")
    edit(ROOT / "src/model/family.cc", r"^    \{\"[\w-]+\", read_\w+\}.*\n", f'    {{"{name}", read_{file}}},\n')
    edit(ROOT / "tools/goldens/models.py", r"^    \"[\w-]+\": \(\"[\w-]+\", tf\.(?:.*\n)+?(?=\}$)",
         f'    "{name}": ("{name}", tf.{model}, tf.{config}(**GROUPED)),\n')
    edit(ROOT / "tests/unit/model/golden_test.cc", r"\"gpt-oss\"", f', "{name}"')
    subprocess.run(["clang-format-19", "-i", ROOT / "src/model/family.cc", ROOT / "tests/unit/model/golden_test.cc"], check=True)


def show_names(name):
    """In .oracles, where transformers is."""
    script = f"""
import sys; sys.path.insert(0, "tools/goldens")
import models, torch
arch, cls, config = models.MODELS[{name!r}]
for key, tensor in cls(config).state_dict().items():
    if ".layers.0." not in key and ".h.0." not in key and (".layers." in key or ".h." in key):
        continue
    try:
        for to, data in models.tensors(arch, config, key, tensor.numpy()):
            print(f"{{key:60}} {{to}} {{list(data.shape)}}")
    except KeyError as e:
        print(f"{{key:60}} UNKNOWN: {{e}}  (TOP, PARTS or OWN_PARTS of tools/goldens/models.py)")
"""
    sys.exit(subprocess.run([ROOT / ".oracles/bin/python", "-c", script], cwd=ROOT).returncode)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="general.architecture of its GGUF files")
    parser.add_argument("--model", help="class of transformers, e.g. NemotronForCausalLM")
    parser.add_argument("--config", help="its configuration class")
    parser.add_argument("--names", action="store_true", help="list the class' tensors and their names in GGUF")
    args = parser.parse_args()
    if args.names:
        show_names(args.name)
    if not args.model or not args.config:
        parser.error("--model and --config are needed")
    begin(args.name, args.model, args.config)
    print(f"next: docs/guide/new-family.md, from step 2; `tools/new_family.py {args.name} --names`")


if __name__ == "__main__":
    main()
