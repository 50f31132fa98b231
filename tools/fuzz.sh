#!/usr/bin/env bash
# fuzz.sh SECONDS -- every parser under ASan + UBSan: 50,000 mutated files each (HEED_MUTATIONS for another number) and
# a file cut off at every byte, as a table; then each under libFuzzer for SECONDS, from the same seeds.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
export HEED_MUTATIONS=${HEED_MUTATIONS:-50000} ASAN_OPTIONS=abort_on_error=1:quarantine_size_mb=16 UBSAN_OPTIONS=abort_on_error=1
rooms="formats text model" failed=0
tools/build.sh asan $(printf '%s_mutations ' $rooms)
mkdir -p build/crashes build/corpus

row() { printf '| %-16s | %7s | %8s | %7s | %7s | %9s | %9s | %10s |\n' "$@"; }
row parser mutated "cut off" loaded crashes "heap MiB" "slow ms" "process MiB"
for room in $rooms; do
  for test in $("build/asan/${room}_mutations" --gtest_list_tests | sed -nE 's/^  (LoadOrHaveAnError\/[a-zA-Z0-9_]+).*/\1/p'); do
    name=${test#*/} log=build/crashes/${test#*/}.log
    # Each in a process of its own: a crash is a row, not the end of the table.
    if HEED_CRASH_FILE=build/crashes/$name "build/asan/${room}_mutations" --gtest_filter="*/$name" >"$log" 2>&1; then
      grep -a '^|' "$log"
    else
      failed=1
      row "$name" - - - 1 - - "see $log"
    fi
  done
done

for program in build/fuzz/fuzz_*; do
  [ -x "$program" ] || continue
  name=$(basename "$program") corpus=build/corpus/$(basename "$program") log=build/crashes/$(basename "$program").log
  mkdir -p "$corpus"
  if HEED_SEEDS=$corpus "$program" -max_total_time="$seconds" -print_final_stats=1 -rss_limit_mb=2048 -timeout=30 \
    -artifact_prefix=build/crashes/ "$corpus" >"$log" 2>&1; then
    echo "$name: $(sed -nE 's/^stat::(number_of_executed_units|peak_rss_mb): +/\1 /p' "$log" | paste -sd' ')"
  else
    failed=1
    echo "$name: FAILED, see $log"
  fi
done
[ $failed = 0 ] && echo "no findings"
exit $failed
