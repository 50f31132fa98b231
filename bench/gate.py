"""The gate: a ratio to a peer may not fall by more than 10 % against bench/baseline.json, for the same CPU and ISA.

The baseline holds ratios, not speeds: heed and the peer meet the same noise. {"CPU | ISA | N threads": {case: ratio}}
"""
import json
import pathlib

MOST = 1.10  # a fall beyond this fails


def key(line):
    return f"{line['cpu']} | {line['isa']} | {line['threads']} threads"


def read(path):
    path = pathlib.Path(path)
    return json.loads(path.read_text()) if path.exists() else {}


def suspects(lines, baseline):
    """The lines whose ratio fell too far. A case without a baseline cannot fail."""
    return [line for line in lines if line["ratio"] * MOST < baseline.get(key(line), {}).get(line["case"], 0)]


def unknown(lines, baseline):
    return [line for line in lines if line["case"] not in baseline.get(key(line), {})]


def judge(lines, baseline, measure_again):
    """Suspects are measured once more; the better of both ratios counts. Returns (failures, the lines that count).
    measure_again(lines) gives new lines of at least those cases."""
    doubtful = suspects(lines, baseline)
    if not doubtful:
        return [], lines
    again = {(key(line), line["case"]): line for line in measure_again(doubtful)}
    best = []
    for line in lines:
        second = again.get((key(line), line["case"]), line)
        best.append(second if second["ratio"] > line["ratio"] else line)
    return suspects(best, baseline), best


def updated(lines, baseline):
    """The baseline with these ratios put in; other machines' and other cases' stay."""
    result = {name: dict(cases) for name, cases in baseline.items()}
    for line in lines:
        result.setdefault(key(line), {})[line["case"]] = line["ratio"]
    return {name: dict(sorted(cases.items())) for name, cases in sorted(result.items())}


def write(path, baseline):
    pathlib.Path(path).write_text(json.dumps(baseline, indent=1) + "\n")


def report(failures, baseline):
    for line in failures:
        before = baseline[key(line)][line["case"]]
        print(f"compare: {line['case']}: {before / line['ratio']:.2f} x slower against {line['peer_name']} than the baseline "
              f"({line['ratio']:.2f}, was {before:.2f})", flush=True)
