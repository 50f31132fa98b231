#!/usr/bin/env bash
# peers.sh [avx2] -- the peers that compare.py runs against, in .peers (native flags; minutes the first time); with avx2,
# llama.cpp once more in .peers-avx2 without anything beyond AVX2, for HEED_CPU=avx2 (compare.py --peers .peers-avx2).
set -euo pipefail
cd "$(dirname "$0")/.."
LLAMA_CPP=0.3.36 TORCH=2.13.0 ONNXRUNTIME=1.32.0 ONNX=1.23.2

llama_cpp() { # FOLDER CMAKE_ARGS [ENVIRONMENT]
  "$1/bin/python" -c "import llama_cpp; assert llama_cpp.__version__ == '$LLAMA_CPP'" 2>/dev/null && return
  echo "==> building llama-cpp-python $LLAMA_CPP into $1: $2"
  [ -x "$1/bin/python" ] || python3 -m venv "$1"
  env ${3:-} CMAKE_ARGS="$2" "$1/bin/pip" install -q --no-cache-dir --no-binary llama-cpp-python "llama-cpp-python==$LLAMA_CPP" numpy
}

if [ "${1:-}" = avx2 ]; then
  llama_cpp .peers-avx2 "-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON"
else
  # GCC 12 drops the tile shapes that llama.cpp loads (its intrinsic does not say what it reads): illegal instruction.
  compiler=""
  if grep -qw amx_int8 /proc/cpuinfo; then tools/setup.sh peers; compiler="CC=clang-19 CXX=clang++-19"; fi
  llama_cpp .peers "-DGGML_NATIVE=ON" "$compiler"
  .peers/bin/python -c "import torch, onnxruntime, onnx; assert torch.__version__.split('+')[0] == '$TORCH' and onnxruntime.__version__ == '$ONNXRUNTIME'" 2>/dev/null ||
    { echo "==> installing torch $TORCH and onnxruntime $ONNXRUNTIME into .peers"
      .peers/bin/pip install -q "torch==$TORCH" "onnxruntime==$ONNXRUNTIME" "onnx==$ONNX"; }
fi
