#!/usr/bin/env bash
# arm64.sh [TARGET...]  -- cross-compiles for 64-bit Arm and runs the unit tests under qemu: on a processor with everything
# qemu knows, and the kernels once more on older ones, which stop at the first instruction they lack. Targets: heed,
# core_test kernels_test ... (default: the program, and the tests of the rooms up to the engine). Example:
#   tools/arm64.sh kernels_test
set -euo pipefail
cd "$(dirname "$0")/.."
ROOMS="core kernels formats text cache model decode engine"
targets=("$@")
[ $# -gt 0 ] || { targets=(heed); for room in $ROOMS; do targets+=("${room}_test"); done; }

tools/setup.sh arm64
tools/build.sh arm64 "${targets[@]}"

failed=0
on() { # PROCESSOR PROGRAM [ARGUMENT...]
  local processor=$1 program=$2; shift 2
  printf '==> %s on %s\n' "$program" "$processor"
  qemu-aarch64 -E HEED_SLOW_MACHINE=1 -L build/arm64-libraries -cpu "$processor" "build/arm64/$program" "$@" ||
    failed=$((failed + 1))
}
older() { for processor in cortex-a72 neoverse-n1; do on "$processor" "$@"; done; }
SOME_KERNELS='Kernels.*:LayerTable.*:Modes/Matmul.InstructionSetsAgree*:AttentionBits.ABatch*' # one test a kind
for target in "${targets[@]}"; do
  case $target in
    heed) on max heed --version ;;
    *) on max "$target" --gtest_brief=1 ;;
  esac
  case $target in
    core_test) older core_test --gtest_brief=1 ;;
    kernels_test) older kernels_test --gtest_brief=1 --gtest_filter="$SOME_KERNELS" ;;
  esac
done
[ "$failed" = 0 ] || { printf 'heed: arm64: %d runs failed\n' "$failed" >&2; exit 1; }
echo "arm64: all runs passed"
