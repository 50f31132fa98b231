#!/usr/bin/env bash
# web.sh -- builds the page when its sources changed since the last build.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f web/package.json ] || { echo "SKIP the page: this tree has no web/"; exit 0; }
cd web
now=$(find . -path ./node_modules -prune -o -path ./dist -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
[ -f dist/index.html ] && [ "$(cat dist/.built 2>/dev/null)" = "$now" ] && exit 0
echo "==> building the page"
log=../build/web.log
mkdir -p ../build
{ npm ci --no-audit --no-fund && npm run build; } >"$log" 2>&1 || { tail -20 "$log" >&2; echo "heed: the page could not be built (whole log: build/web.log)" >&2; exit 1; }
echo "$now" >dist/.built
