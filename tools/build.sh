#!/usr/bin/env bash
# build.sh PRESET [TARGET...] -- configures and builds; prints the errors, not the noise.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1; shift
mkdir -p build
cmake --preset "$preset" >"build/$preset.log" 2>&1 || { tail -20 "build/$preset.log"; exit 1; }
cmake --build --preset "$preset" -j "$(nproc)" ${1:+--target "$@"} >>"build/$preset.log" 2>&1 ||
  { grep -E 'error:|undefined reference|FAILED|ninja:' "build/$preset.log" | head -40; exit 1; }
