#!/usr/bin/env bash
# fuzz.sh SECONDS -- 100,000 mutated files of every format under ASan + UBSan, then every libFuzzer target for SECONDS.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
tools/build.sh asan formats_test
HEED_MUTATIONS=100000 build/asan/formats_test --gtest_filter='*Mutations*'
for program in build/fuzz/fuzz_*; do
  [ -x "$program" ] || continue
  corpus=build/corpus/$(basename "$program")
  mkdir -p "$corpus"
  echo "==> $(basename "$program"), $seconds s"
  "$program" -max_total_time="$seconds" -print_final_stats=1 -rss_limit_mb=2048 "$corpus" 2>build/fuzz.log || { tail -30 build/fuzz.log; exit 1; }
  grep -E 'stat::number_of_executed_units' build/fuzz.log
done
echo "no findings"
