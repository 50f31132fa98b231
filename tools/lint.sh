#!/usr/bin/env bash
# lint.sh format|tidy -- clang-format and clang-tidy over the C++ files; tidy remembers clean files by content.
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
  format) git ls-files '*.cc' '*.h' '*.inl' | xargs clang-format-19 --dry-run -Werror ;;
  tidy) # the units of preset test: ten files together cost little more than one, as it is their headers that take long
    cmake --preset test >/dev/null
    mkdir -p build/tidy
    headers=$(git ls-files 'src/*.h' 'src/*.inl' .clang-tidy | xargs cat | sha256sum | cut -c1-16)
    export headers
    { ls -S build/test/CMakeFiles/heed*.dir/Unity/*.cxx; git ls-files 'src/kernels/*.cc' | grep -v '/isa/'; } |
      xargs -P "$(nproc)" -I{} bash -c '
        stamp=build/tidy/$({ echo "$headers"; cat {} $(sed -n "s|^#include \"\(/.*\)\"|\1|p" {}); } | sha256sum | cut -c1-24)
        [ -e $stamp ] || { clang-tidy-19 -quiet --checks=-bugprone-suspicious-include -p build/test {} 2>/dev/null && touch $stamp; }' ;;
esac
