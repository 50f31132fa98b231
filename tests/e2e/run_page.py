#!/usr/bin/env python3
"""Runs the browser test of the page against the real server and real models. Models are named smallest first: most
checks need an answer, not a good one."""
import os
import subprocess
import sys
import tempfile

import server

MODELS = (server.SMALL_MODEL, server.DEFAULT_MODEL, server.BASE_MODEL)


def main():
    server.pull(*MODELS)
    shots = server.ROOT / "build/screenshots"
    shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as kept, server.serving("--conversations", f"{kept}/conversations.sqlite", "--max-loaded", "2", models=MODELS) as address:
        done = subprocess.run(["node", "tests/e2e/page.e2e.mjs"], cwd=server.ROOT, env={**os.environ, "HEED_URL": address, "SCREENSHOTS": str(shots)})
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
