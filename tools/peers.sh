#!/usr/bin/env bash
# peers.sh -- builds the peers that compare.py runs against into .peers (native flags; minutes the first time).
set -euo pipefail
cd "$(dirname "$0")/.."
LLAMA_CPP=0.3.36
.peers/bin/python -c "import llama_cpp; assert llama_cpp.__version__ == '$LLAMA_CPP'" 2>/dev/null && exit 0
echo "==> building llama-cpp-python $LLAMA_CPP for this CPU into .peers"
python3 -m venv .peers
CMAKE_ARGS="-DGGML_NATIVE=ON" .peers/bin/pip install -q --no-binary llama-cpp-python "llama-cpp-python==$LLAMA_CPP" numpy
