#!/usr/bin/env bash
# lint.sh format|tidy -- clang-format and clang-tidy over the C++ files; tidy remembers clean files by content.
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
  format) git ls-files '*.cc' '*.h' '*.inl' | xargs clang-format-19 --dry-run -Werror ;;
  tidy)
    [ -f build/dev/compile_commands.json ] || tools/build.sh dev heed_core
    mkdir -p build/tidy
    headers=$(git ls-files 'src/*.h' 'src/*.inl' .clang-tidy | xargs cat | sha256sum | cut -c1-16)
    export headers
    git ls-files 'src/*.cc' | grep -v '/isa/' | xargs -P "$(nproc)" -I{} bash -c '
      stamp=build/tidy/$(echo "$headers $(cat {})" | sha256sum | cut -c1-24)
      [ -e $stamp ] || { clang-tidy-19 -quiet -p build/dev {} 2>/dev/null && touch $stamp; }' ;;
esac
