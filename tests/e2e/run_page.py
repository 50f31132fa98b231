#!/usr/bin/env python3
"""Runs the browser test of the page against the real server and real models."""
import os
import subprocess
import sys

import server


def main():
    server.pull(server.DEFAULT_MODEL, server.SMALL_MODEL, server.BASE_MODEL)
    shots = server.ROOT / "build/screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    with server.serving(models=(server.DEFAULT_MODEL, server.SMALL_MODEL, server.BASE_MODEL)) as address:
        done = subprocess.run(["node", "tests/e2e/page.e2e.mjs"], cwd=server.ROOT, env={**os.environ, "HEED_URL": address, "SCREENSHOTS": str(shots)})
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
