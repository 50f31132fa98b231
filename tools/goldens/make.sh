#!/usr/bin/env bash
# make.sh -- makes every golden anew in .oracles (torch, transformers, tokenizers, sentencepiece, gguf, jinja2): minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -x .oracles/bin/python ] || python3 -m venv .oracles
.oracles/bin/python -c "import torch, transformers, tokenizers, sentencepiece, gguf, jinja2" 2>/dev/null ||
  .oracles/bin/pip install -q torch==2.13.0 transformers tokenizers==0.23.3 sentencepiece==0.2.3 gguf jinja2 numpy
for script in tools/goldens/*.py; do
  echo "==> $script"
  .oracles/bin/python "$script"
done
git status --short tests/golden
