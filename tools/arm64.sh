#!/usr/bin/env bash
# arm64.sh [TEST...]  -- cross-compiles the rooms that need no outside library but utf8proc and runs their unit tests for
# 64-bit Arm under qemu: on a processor with everything qemu knows, and the kernels once more on older ones, which stop
# at the first instruction they lack. Test programs: core_test kernels_test formats_test ... (default: all). Example:
#   tools/arm64.sh kernels_test
set -euo pipefail
cd "$(dirname "$0")/.."
ROOMS="core kernels formats text cache model decode engine"
tests=("$@")
[ $# -gt 0 ] || for room in $ROOMS; do tests+=("${room}_test"); done

tools/setup.sh arm64
tools/build.sh arm64 "${tests[@]}"

failed=0
on() { # PROCESSOR PROGRAM [ARGUMENT...]
  local processor=$1 program=$2; shift 2
  printf '==> %s on %s\n' "$program" "$processor"
  qemu-aarch64 -E HEED_SLOW_MACHINE=1 -cpu "$processor" "build/arm64/$program" --gtest_brief=1 "$@" || failed=$((failed + 1))
}
for test in "${tests[@]}"; do
  on max "$test"
  case $test in
    core_test) on cortex-a72 "$test"; on neoverse-n1 "$test" ;;
    kernels_test) # one test a kind of kernel; the values were compared above
      for processor in cortex-a72 neoverse-n1; do
        on "$processor" "$test" --gtest_filter='Kernels.*:LayerTable.*:Modes/Matmul.InstructionSetsAgree*:AttentionBits.ABatch*'
      done ;;
  esac
done
[ "$failed" = 0 ] || { printf 'heed: arm64: %d runs failed\n' "$failed" >&2; exit 1; }
echo "arm64: all runs passed"
