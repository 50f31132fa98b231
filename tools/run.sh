#!/usr/bin/env bash
# run.sh PORT [DETACH] -- gets the default model and serves it; with DETACH=1 in the background, returns once healthy.
set -euo pipefail
cd "$(dirname "$0")/.."
port=$1 detach=${2:-}
heed=build/release/heed
home=${HEED_HOME:-$HOME/.local/share/heed}
address="http://127.0.0.1:$port"
healthy() { curl -fsS -m 2 "$address/ready" >/dev/null 2>&1; }

if healthy; then
  echo "heed is already running at $address"
  exit 0
fi
$heed pull default
if [ -z "$detach" ]; then exec $heed serve --port "$port"; fi

mkdir -p "$home"
nohup $heed serve --port "$port" >"$home/serve.log" 2>&1 &
pid=$!
echo $pid >"$home/serve.pid"
for _ in $(seq 1 300); do
  if healthy; then
    echo "heed is running at $address (process $pid, log $home/serve.log)"
    exit 0
  fi
  kill -0 $pid 2>/dev/null || { tail -5 "$home/serve.log" >&2; exit 1; }
  sleep 0.2
done
echo "heed: the server did not become healthy in 60 s: see $home/serve.log" >&2
exit 1
