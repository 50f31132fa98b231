"""Hub names, shared contents, rm, import and offline, as a person types them; the hub is a small one on this machine."""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

import pytest
from openai import OpenAI

import server
from fake_hub import serving_hub

REPOSITORY = "someone/SmolLM2-GGUF"
TYPE = "Q4_1"  # of the small model's file


def heed(home, *arguments, env=None, **more):
    environment = {**os.environ, "HEED_HOME": str(home), "no_proxy": "127.0.0.1", **(env or {})}
    return subprocess.run([server.HEED, *arguments], capture_output=True, text=True, timeout=300, env=environment, **more)


def succeed(home, *arguments, **more):
    done = heed(home, *arguments, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(home):
    listed = json.loads(succeed(home, "models", "--json"))
    return {m["name"]: m for m in listed["models"] if m["installed"]}, listed["disk"]


@pytest.fixture(autouse=True)
def tidy(tmp_path):
    """Models are large: no test leaves its own behind."""
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def small_file():
    server.pull(server.SMALL_MODEL)
    return str(server.models_directory() / f"{server.SMALL_MODEL}.gguf")


@pytest.fixture
def hub(small_file):
    with serving_hub({REPOSITORY: {f"SmolLM2.{TYPE}.gguf": small_file, "SmolLM2.Q8_0.gguf": b"GGUF" + bytes(1000), "README.md": b"hi"}}) as hub:
        yield hub


@pytest.fixture
def at_hub(hub, monkeypatch):
    monkeypatch.setenv("HEED_HUB", hub.url)
    return hub


def test_a_repository_lists_its_choices_and_a_type_gets_one(at_hub, tmp_path):
    listed = heed(tmp_path, "pull", REPOSITORY)
    assert listed.returncode == 1 and TYPE in listed.stdout and "Q8_0" in listed.stdout and "name one" in listed.stderr
    pulled = json.loads(succeed(tmp_path, "pull", f"{REPOSITORY}:{TYPE.lower()}", "--json"))
    assert pulled["name"] == f"{REPOSITORY}:SmolLM2.{TYPE}.gguf"
    answer = succeed(tmp_path, "chat", "--model", f"{REPOSITORY}:{TYPE}", "--verify", "-p", "What is 2 + 2?", "--max-tokens", "40")
    assert "4" in answer
    missing = heed(tmp_path, "chat", "--model", f"{REPOSITORY}:Q8_0", "-p", "hi")
    assert missing.returncode == 1 and f"heed pull {REPOSITORY}:Q8_0" in missing.stderr


def test_the_api_takes_hub_names(at_hub, tmp_path):
    name = f"{REPOSITORY}:{TYPE}"
    succeed(tmp_path, "pull", name)
    with server.serving(models=(name,), env={"HEED_HOME": str(tmp_path), "HEED_VERIFY": "true"}) as address:
        client = OpenAI(base_url=address + "/v1", api_key="unused")
        assert [m.id for m in client.models.list()] == [name]
        assert client.models.retrieve(name).id == name
        answer = client.chat.completions.create(model=name, max_tokens=20, temperature=0, messages=[{"role": "user", "content": "What is 2 + 2?"}])
        assert answer.model == name and "4" in answer.choices[0].message.content
    with server.serving(models=(), env={"HEED_HOME": str(tmp_path)}) as address:
        client = OpenAI(base_url=address + "/v1", api_key="unused")
        assert [m.id for m in client.models.list()] == [f"{REPOSITORY}:SmolLM2.{TYPE}.gguf"]


def test_the_same_bytes_are_fetched_and_kept_once(at_hub, small_file, tmp_path):
    (tmp_path / "models").mkdir()
    shutil.copy(small_file, tmp_path / "models")  # the catalogue's own, pulled earlier
    succeed(tmp_path, "pull", f"{REPOSITORY}:{TYPE}")
    assert not [path for path, *_ in at_hub.requests if "/resolve/" in path]
    models, disk = installed(tmp_path)
    assert len(models) == 2 and disk["shared_bytes"] == disk["models_bytes"] == os.path.getsize(small_file)
    assert [m.get("shared_with") for m in models.values() if m.get("shared_with")] == [server.SMALL_MODEL]
    assert "0 B set free" in succeed(tmp_path, "rm", "--yes", server.SMALL_MODEL)
    assert "4" in succeed(tmp_path, "chat", "--model", REPOSITORY, "-p", "What is 2 + 2?", "--max-tokens", "40")
    assert list((tmp_path / "packs").glob("*.pack"))
    succeed(tmp_path, "rm", "--yes", REPOSITORY)
    assert not list((tmp_path / "packs").glob("*.pack")), "its packed weights go with it"
    assert not [f for f in (tmp_path / "models").rglob("*") if f.is_file()]


def test_rm_asks_and_refuses(at_hub, tmp_path):
    succeed(tmp_path, "pull", f"{REPOSITORY}:Q8_0")
    for wrong, expected in ((("rm", REPOSITORY), "say --yes"), (("rm", "--yes", "no-such"), "there is " + REPOSITORY), (("rm",), "name a model")):
        done = heed(tmp_path, *wrong, stdin=subprocess.DEVNULL)
        assert done.returncode == 1 and expected in done.stderr, done.stderr
    assert len(installed(tmp_path)[0]) == 1


def test_rm_refuses_what_is_served(at_hub, tmp_path):
    name = f"{REPOSITORY}:{TYPE}"
    succeed(tmp_path, "pull", name)
    with server.serving(models=(name,), env={"HEED_HOME": str(tmp_path)}):
        done = heed(tmp_path, "rm", "--yes", name)
        assert done.returncode == 1 and re.search(r"process \d+ \(heed\) uses it", done.stderr), done.stderr
    succeed(tmp_path, "rm", "--yes", name)


def test_a_damaged_model_is_found(at_hub, tmp_path):
    succeed(tmp_path, "pull", f"{REPOSITORY}:{TYPE}")
    assert f"SmolLM2.{TYPE}.gguf: ok" in succeed(tmp_path, "models", "--verify")
    path = tmp_path / "models" / REPOSITORY / f"SmolLM2.{TYPE}.gguf"
    with open(path, "r+b") as file:
        file.seek(50_000_000)
        file.write(b"damage")
    for wrong in (("models", "--verify"), ("models", "--verify", REPOSITORY), ("chat", "--verify", "--model", REPOSITORY, "-p", "hi")):
        done = heed(tmp_path, *wrong)
        assert done.returncode == 1 and "expected SHA-256" in done.stdout + done.stderr, wrong
    assert heed(tmp_path, "models", "--verify", "no-such").returncode == 1


def test_tokens_reach_their_hub_only_and_are_never_shown(at_hub, tmp_path):
    at_hub.token = "hub_secret_1"
    done = heed(tmp_path, "pull", f"{REPOSITORY}:Q8_0")
    assert done.returncode == 1 and "HEED_HUB_TOKEN" in done.stderr
    with serving_hub(at_hub.repositories) as storage:
        at_hub.storage = storage.url
        done = heed(tmp_path, "pull", f"{REPOSITORY}:Q8_0", env={"HEED_HUB_TOKEN": "hub_secret_1"})
        assert done.returncode == 0, done.stderr
        assert "hub_secret" not in done.stdout + done.stderr
        assert storage.requests and all(authorization is None for _, authorization, _ in storage.requests)
    (tmp_path / "hub.toml").write_text('token = "hub_secret_1"\n')
    (tmp_path / "hub.toml").chmod(0o644)
    done = heed(tmp_path, "pull", f"{REPOSITORY}:{TYPE}", env={"HEED_HUB": ""})
    assert done.returncode == 1 and "chmod 600" in done.stderr and "hub_secret" not in done.stderr


def test_a_busy_hub_is_waited_for(at_hub, tmp_path):
    at_hub.busy = 1
    start = time.monotonic()
    succeed(tmp_path, "pull", f"{REPOSITORY}:Q8_0")
    assert time.monotonic() - start > 0.9


@pytest.mark.parametrize("flags, env", [(["--offline"], {}), ([], {"HEED_OFFLINE": "1"})])
def test_offline_touches_no_network(at_hub, tmp_path, flags, env):
    for command in (["pull", f"{REPOSITORY}:Q8_0"], ["pull", REPOSITORY], ["pull", server.SMALL_MODEL]):
        done = heed(tmp_path, *command, *flags, env=env)
        assert done.returncode == 1 and "HEED_OFFLINE" in done.stderr, done.stderr
    succeed(tmp_path, "models", *flags, env=env)
    assert not at_hub.requests


def consistent(home):
    """Every model that is listed is whole; what else there is can be swept away."""
    verified = heed(home, "models", "--verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    models, disk = installed(home)
    return models


def test_killed_pulls_leave_a_store_that_goes_on(at_hub, tmp_path):
    at_hub.pause = 0.002
    name = f"{REPOSITORY}:{TYPE}"
    chance = random.Random(7)
    for _ in range(12):
        process = subprocess.Popen([server.HEED, "pull", name], env={**os.environ, "HEED_HOME": str(tmp_path)}, stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.6))
        process.kill()
        process.wait()
        assert not consistent(tmp_path) or process.returncode == 0
    at_hub.pause = 0
    resumed = [begin for path, _, begin in at_hub.requests if begin]
    assert resumed, "the tries went on where the one before was killed"
    succeed(tmp_path, "pull", name)
    assert len(consistent(tmp_path)) == 1
    for delay in range(12):
        process = subprocess.Popen([server.HEED, "rm", "--yes", name], env={**os.environ, "HEED_HOME": str(tmp_path)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay * 0.002)
        process.kill()
        process.wait()
        consistent(tmp_path)
    heed(tmp_path, "rm", "--yes", name)
    succeed(tmp_path, "rm", "--unused")
    assert not [f for f in (tmp_path / "models").rglob("*") if f.is_file() and not f.name.endswith(".lock")]


@pytest.fixture
def ollama(small_file, tmp_path):
    """A store as Ollama keeps it, with the small model in it."""
    root = tmp_path / "ollama"
    (root / "blobs").mkdir(parents=True)
    layers = []
    for kind, content in (("model", None), ("license", b"Apache License\nVersion 2.0"), ("params", b'{"stop":["<|im_end|>"]}')):
        data = pathlib.Path(small_file).read_bytes() if content is None else content
        digest = hashlib.sha256(data).hexdigest()
        (root / "blobs" / f"sha256-{digest}").write_bytes(data)
        layers.append({"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)})
    manifest = root / "manifests/registry.ollama.ai/library/smollm2/135m"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
    return root


def test_import_shares_what_ollama_has(ollama, tmp_path):
    home = tmp_path / "home"
    nowhere = {"OLLAMA_MODELS": str(ollama), "LLAMA_CACHE": str(tmp_path / "none"), "HF_HUB_CACHE": str(tmp_path / "none")}
    listed = succeed(home, "import", env=nowhere)
    assert "smollm2:135m" in listed and "Apache License" in listed
    assert "shared" in succeed(home, "import", "--all", env=nowhere)
    assert json.loads(succeed(home, "import", "--json", env=nowhere))["models"][0]["installed"]
    ours = home / "models/smollm2:135m.gguf"
    assert any(ours.samefile(blob) for blob in (ollama / "blobs").iterdir())
    assert "4" in succeed(home, "chat", "--model", "smollm2:135m", "-p", "What is 2 + 2?", "--max-tokens", "40")
    succeed(home, "rm", "--yes", "smollm2:135m")
    assert len(list((ollama / "blobs").iterdir())) == 3, "theirs stays"
    with contextlib.suppress(FileNotFoundError):
        assert not list((home / "models/.blobs").iterdir())
    assert heed(home, "import", "no-such", env=nowhere).returncode == 1
