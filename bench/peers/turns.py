"""How a peer takes turns with heed: the other half of `heed bench GROUP --turns` (src/apps/bench_run.cc)."""
import json
import sys
import time

LEAST_SECONDS = 0.02  # of one run: shorter calls are repeated, as heed does


def seconds_per_call(call):
    start, calls, elapsed = time.perf_counter(), 0, 0.0
    while elapsed < LEAST_SECONDS:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
    return elapsed / calls


def take(groups, about):
    """Each group is a function that prepares and returns {case: run}; run() gives one value. Every case runs once before
    it counts. `about`: name, version, isa."""
    for prepare in groups:
        cases = prepare()
        for run in cases.values():
            run()
        print(json.dumps({"cases": list(cases)} | about), flush=True)
        while (line := sys.stdin.readline().strip()) == "run":
            for name, run in cases.items():
                print(json.dumps({"case": name, "value": run()}), flush=True)
            print('{"done": true}', flush=True)
        if not line:
            return
