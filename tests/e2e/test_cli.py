"""The commands as a person types them."""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import server


def heed(*arguments, **more):
    return subprocess.run([server.HEED, *arguments], capture_output=True, text=True, timeout=300, **more)


@pytest.fixture(scope="module", autouse=True)
def models():
    server.pull(server.DEFAULT_MODEL, server.SMALL_MODEL, server.BASE_MODEL)


def commands_of(*path):
    """The subcommands that `heed PATH --help` lists, with the text of that help."""
    shown = heed(*path, "--help")
    assert shown.returncode == 0, shown.stderr
    listed = shown.stdout.partition("Subcommands:")[2].partition("Example")[0]
    return re.findall(r"^  ([a-z]+)\s", listed, re.M), shown.stdout


def test_help_has_an_example_everywhere():
    commands, shown = commands_of()
    assert {"serve", "chat", "pull", "models", "rm", "import", "inspect", "convert", "tokenize", "bench"} <= set(commands)
    groups, _ = commands_of("bench")
    assert {"llm", "quality", "matmul"} <= set(groups)
    for path in [[c] for c in commands] + [["bench", g] for g in groups]:
        examples = re.split(r"^Examples?:", commands_of(*path)[1], flags=re.M)
        line = re.compile(rf"^  (?:\S.* )?heed {' '.join(path)}\b", re.M)
        assert len(examples) == 2 and line.search(examples[1]), f"heed {' '.join(path)} --help shows no example"


def test_usage_errors_exit_2():
    for wrong in (["nonsense"], [], ["chat", "--no-such-option"]):
        done = heed(*wrong)
        assert done.returncode == 2, wrong
        assert done.stderr.startswith("heed: ")


def test_failures_exit_1_and_say_what_to_do():
    done = heed("chat", "--model", "qwen2.5-coder-0.5b", "-p", "hi")
    assert done.returncode == 1
    assert "heed pull" in done.stderr and server.DEFAULT_MODEL in done.stderr


def test_models_lists_the_catalogue():
    listed = json.loads(heed("models", "--json").stdout)["models"]
    assert {server.DEFAULT_MODEL, server.SMALL_MODEL, server.BASE_MODEL} <= {m["name"] for m in listed if m.get("path")}


def test_inspect_shows_metadata_and_tensors():
    shown = heed("inspect", server.SMALL_MODEL).stdout
    assert "llama" in shown and "Q4_1" in shown


def test_tokenize_shows_ids_kinds_and_pieces():
    shown = heed("tokenize", "--model", server.DEFAULT_MODEL, "Hello world").stdout
    assert '" world"' in shown and "2 tokens" in shown
    tokens = json.loads(heed("tokenize", "--model", server.DEFAULT_MODEL, "--json", "Grüße 🦙").stdout)
    assert tokens["count"] == len(tokens["tokens"]) and tokens["tokens"][0]["piece"].startswith("Gr")
    lines = heed("tokenize", "--model", server.DEFAULT_MODEL, "--lines", input='"Hello world"\n"<|im_end|>"\n').stdout.splitlines()
    assert json.loads(lines[0]) == [t["id"] for t in json.loads(heed("tokenize", "--model", server.DEFAULT_MODEL, "--json", "Hello world").stdout)["tokens"]]
    assert len(json.loads(lines[1])) > 1  # content is never a control token
    special = json.loads(heed("tokenize", "--model", server.DEFAULT_MODEL, "--json", "--special", input="<|im_end|>").stdout)
    assert special["tokens"][0]["kind"] == "control"
    assert heed("tokenize", "--model", server.DEFAULT_MODEL, "--lines", input="not JSON\n").returncode == 1


def test_inspect_names_what_is_wrong(tmp_path):
    for name, data in {"empty": b"", "magic": b"NOPE" + bytes(100), "truncated": b"GGUF\x03\x00\x00\x00"}.items():
        path = tmp_path / name
        path.write_bytes(data)
        done = heed("inspect", str(path))
        assert done.returncode == 1 and done.stderr.startswith("heed: "), name


def test_chat_writes_code_that_runs():
    done = heed("chat", "--model", server.DEFAULT_MODEL, "-p", "Write a Python function that reverses a list.", "--max-tokens", "400")
    assert done.returncode == 0, done.stderr
    code = re.search(r"```python\n(.*?)```", done.stdout, re.S)[1]
    name = re.search(r"def (\w+)\(", code)[1]
    space = {}
    exec(code, space)  # written by the model under test, on a list of ours
    assert space[name]([1, 2, 3]) == [3, 2, 1]


def test_small_model_chats():
    done = heed("chat", "--model", server.SMALL_MODEL, "-p", "What is 2 + 2?", "--max-tokens", "40")
    assert done.returncode == 0 and "4" in done.stdout


def test_chat_remembers_and_takes_commands():
    lines = "My name is Ada.\nWhat is my name?\n/help\n/new\n/quit\n"
    done = heed("chat", "--model", server.DEFAULT_MODEL, "--max-tokens", "40", input=lines)
    assert done.returncode == 0
    assert "Ada" in done.stdout.split("/help")[0]


def test_interrupt_stops_the_answer_not_the_program():
    process = subprocess.Popen([server.HEED, "chat", "--model", server.DEFAULT_MODEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write("Write a very long story about a lighthouse.\n")
    process.stdin.flush()
    process.stdout.read(20)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    out, _ = process.communicate("/quit\n", timeout=60)
    assert process.returncode == 0
    assert len(out) < 20000


def test_same_answer_for_any_thread_count():
    answers = {heed("chat", "--threads", n, "--json", "-p", "Name three colours.", "--max-tokens", "40").stdout.split('"finish')[0] for n in ("1", "2")}
    assert len(answers) == 1


@pytest.fixture
def own_home(tmp_path):
    """A data directory with the models that are there and no packs."""
    real = pathlib.Path(os.environ.get("HEED_HOME", pathlib.Path.home() / ".local/share/heed"))
    (tmp_path / "models").symlink_to(real / "models")
    return tmp_path


def ask(home, *more):
    done = heed("chat", "--model", server.SMALL_MODEL, "--json", "-p", "Name three colours.", "--max-tokens", "24", *more, env={**os.environ, "HEED_HOME": str(home)})
    assert done.returncode == 0, done.stderr
    return done.stdout.split('"tokens_per_second')[0], done.stderr


def packs(home):
    return sorted((home / "packs").glob("*.pack"))


def test_packed_weights_are_kept_checked_listed_and_pruned(own_home):
    environment = {**os.environ, "HEED_HOME": str(own_home)}
    expected, _ = ask(own_home, "--no-pack-cache")
    assert not (own_home / "packs").exists()
    assert ask(own_home)[0] == expected
    (pack,) = packs(own_home)
    made = pack.stat()
    assert ask(own_home)[0] == expected
    assert packs(own_home)[0].stat().st_ino == made.st_ino, "the second start maps the first one's pack"
    listed = {m["name"]: m for m in json.loads(heed("models", "--json", env=environment).stdout)["models"]}
    assert listed[server.SMALL_MODEL]["pack_bytes"] == made.st_size and listed[server.BASE_MODEL]["pack_bytes"] == 0

    with open(pack, "r+b") as file:  # a damaged byte in the middle of the weights
        file.seek(made.st_size // 2)
        byte = file.read(1)[0]
        file.seek(made.st_size // 2)
        file.write(bytes([byte ^ 16]))
    assert ask(own_home)[0] == expected
    assert packs(own_home)[0].stat().st_ino != made.st_ino, "it was made anew"
    with open(pack, "r+b") as file:
        file.truncate(made.st_size // 3)
    assert ask(own_home)[0] == expected

    pruned = heed("models", "--prune", env=environment)
    assert pruned.returncode == 0 and "removed" in pruned.stdout
    assert packs(own_home) == []
    assert ask(own_home, "--pack-cache-bytes", "0")[0] == expected
    assert packs(own_home) == []


def test_starts_at_the_same_time_share_one_pack(own_home):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = {answer for answer, _ in pool.map(lambda _: ask(own_home), range(3))}
    assert len(answers) == 1
    assert len(packs(own_home)) == 1 and not list((own_home / "packs").glob("*.partial"))


def test_without_a_place_for_packs_it_warns_and_answers(own_home):
    (own_home / "packs").write_text("in the way")
    answer, said = ask(own_home)
    assert "heed: warning:" in said and "packed in memory" in said
    (own_home / "packs").unlink()
    assert ask(own_home)[0] == answer
    _, said = ask(own_home, "--pack-cache-bytes", "1000")
    assert said == "", "what is there already is used"


def test_quality_of_the_small_model(tmp_path):
    """Perplexity on heed's own README-sized text is finite and near the f32 path's."""
    text = tmp_path / "text.txt"
    root = pathlib.Path(server.ROOT)
    text.write_text("\n".join((root / f).read_text() for f in ("ARCHITECTURE.md", "CONTRIBUTING.md", "LICENSE")))
    done = heed("bench", "quality", "--model", server.SMALL_MODEL, "--text", str(text), "--chunks", "2", "--json")
    assert done.returncode == 0, done.stderr
    values = {json.loads(line)["case"].rsplit(" ", 1)[0]: json.loads(line)["value"] for line in done.stdout.splitlines()}
    assert 1 < values["perplexity"] < 100
    assert values["mean KL to f32"] < 5e-3
