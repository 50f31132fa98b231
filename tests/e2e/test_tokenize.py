"""`heed tokenize` and `heed bench tokenize` with a tokenizer.json: the goldens' ids, and errors that name the part."""
import json
import pathlib

from test_cli import heed

GOLDENS = pathlib.Path(__file__).parents[1] / "golden" / "tokenizers"


def written(directory, kind):
    golden = json.loads((GOLDENS / f"kind_{kind}.json").read_text())
    file = {**golden["file"], "model": json.loads((GOLDENS / f"{golden['model']}.json").read_text())}
    path = directory / "tokenizer.json"
    path.write_text(json.dumps(file))
    return path, golden["cases"]


def test_a_tokenizer_json_needs_no_model(tmp_path):
    for kind in ("gpt2", "llama2", "bert", "xlm_r"):
        path, cases = written(tmp_path, kind)
        cases = [case for case in cases if None not in case[:3]]
        texts = "".join(json.dumps(case[0]) + "\n" for case in cases)
        plain = heed("tokenize", "--model", str(path), "--lines", input=texts).stdout.splitlines()
        framed = heed("tokenize", "--model", str(path), "--lines", "--special", "--with-bos", input=texts).stdout.splitlines()
        assert [json.loads(line) for line in plain] == [case[1] for case in cases]
        assert [json.loads(line) for line in framed] == [case[2] for case in cases]


def test_what_is_not_known_is_named(tmp_path):
    path, _ = written(tmp_path, "gpt2")
    file = json.loads(path.read_text())
    file["pre_tokenizer"] = {"type": "UnicodeScripts"}
    path.write_text(json.dumps(file))
    done = heed("tokenize", "--model", str(path), "x")
    assert done.returncode == 1 and "pre_tokenizer" in done.stderr and "UnicodeScripts" in done.stderr


def test_bench_says_megabytes_a_second(tmp_path):
    path, _ = written(tmp_path, "bert")
    (tmp_path / "text").write_text("Hello world, and all that. " * 1000)
    line = json.loads(heed("bench", "tokenize", "--model", str(path), "--text", str(tmp_path / "text"), "--runs", "2", "--json").stdout)
    assert line["unit"] == "MB/s" and line["value"] > 0 and line["threads"] == 1 and line["median_of"] == 2 and line["tokens"] > 1000
