#!/usr/bin/env bash
# sanitize.sh [PRESET [ROOM...]] -- the rooms' unit tests under AddressSanitizer + UBSan (asan), then ThreadSanitizer
# (tsan); asks for a few GiB and most of an hour. The largest kernel cases are left to the plain build.
set -euo pipefail
cd "$(dirname "$0")/.."
presets=${1:-"asan tsan"}; shift || true
rooms=("${@:-core kernels formats text cache model decode engine store observe serve}")
export HEED_SLOW_MACHINE=1e5 TSAN_OPTIONS=halt_on_error=1
failed=0
for preset in $presets; do
  for room in ${rooms[*]}; do
    tools/build.sh "$preset" "${room}_test"
    start=$SECONDS log=build/$preset-$room.log filter='*'
    [ "$preset" = tsan ] && filter='-Real*' # real weights take minutes there, longer than a test waits
    if "build/$preset/${room}_test" --gtest_filter="$filter" >"$log" 2>&1; then verdict=$(tail -1 "$log"); else verdict="FAILED, see $log"; failed=1; fi
    echo "$preset $room: $verdict ($((SECONDS - start)) s)"
  done
done
exit $failed
