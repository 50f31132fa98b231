"""all-MiniLM-L6-v2 on a real server and on the command line, against transformers, by the official client."""
import concurrent.futures
import json
import math
import pathlib
import subprocess
import urllib.request

import openai
import pytest

import server

MODEL = server.EMBEDDER
GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden/embed/minilm.json").read_text())
TEXTS = [row["text"] for row in GOLDEN]
LEAST_COSINE = 0.9999


@pytest.fixture(scope="module")
def url():
    server.pull(MODEL, server.SMALL_MODEL)
    with server.serving(models=(server.SMALL_MODEL, MODEL)) as address:
        yield address


@pytest.fixture(scope="module")
def client(url):
    return openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)


def embed(client, texts, **more):
    return client.embeddings.create(model=MODEL, input=texts, extra_body={"truncate": True}, **more)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def cli(*arguments, text=None):
    return subprocess.run([server.HEED, "embed", *arguments], input=text, capture_output=True, text=True)


def test_vectors_are_those_of_transformers(client):
    got = embed(client, TEXTS)  # base64, the client's default
    for row, one in zip(GOLDEN, got.data):
        assert len(one.embedding) == 384
        assert cosine(one.embedding, row["vector"]) >= LEAST_COSINE, row["text"]
    assert [one.index for one in got.data] == list(range(len(TEXTS)))
    assert got.usage.prompt_tokens == got.usage.total_tokens == sum(row["tokens"] for row in GOLDEN)


def test_floats_and_base64_are_the_same_numbers(client):
    floats = embed(client, TEXTS[0], encoding_format="float").data[0].embedding
    assert embed(client, TEXTS[0]).data[0].embedding == pytest.approx(floats, abs=1e-7)


def test_alone_and_in_a_batch_no_bit_differs(client):
    together = [one.embedding for one in embed(client, TEXTS).data]
    assert [embed(client, text).data[0].embedding for text in TEXTS] == together
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: embed(client, text).data[0].embedding, TEXTS)) == together


def test_near_texts_are_near(client):
    cat, kitten, attention = (one.embedding for one in embed(client, TEXTS[:3]).data)
    assert cosine(cat, kitten) > 0.5 > cosine(cat, attention) + 0.2


def test_token_ids_are_the_text(client, url):
    request = urllib.request.Request(url + "/tokenize", json.dumps({"model": MODEL, "content": TEXTS[0], "add_special": True}).encode())
    tokens = json.loads(urllib.request.urlopen(request).read())["tokens"]
    assert embed(client, [tokens + ([102] if tokens[-1] != 102 else [])]).data[0].embedding == embed(client, TEXTS[0]).data[0].embedding


def test_dimensions(client):
    short = embed(client, TEXTS[0], dimensions=64).data[0].embedding
    assert len(short) == 64 and sum(x * x for x in short) == pytest.approx(1, abs=1e-5)


def test_embeddings_over_the_window_are_a_400(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.embeddings.create(model=MODEL, input=["short", "word " * 400])
    assert error.value.code == "context_length_exceeded" and error.value.param == "input[1]"
    assert "402 tokens, the model reads at most 256" in error.value.message


def test_each_model_does_what_it_can(client):
    with pytest.raises(openai.BadRequestError, match="makes vectors of texts"):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(openai.BadRequestError, match="makes no vectors"):
        client.embeddings.create(model=server.SMALL_MODEL, input="hi")


def test_without_a_name_the_embedder_answers(url):
    request = urllib.request.Request(url + "/v1/embeddings", json.dumps({"input": "hi"}).encode())
    assert json.loads(urllib.request.urlopen(request).read())["model"] == MODEL


def test_ollamas_path(url, client):
    request = urllib.request.Request(url + "/api/embed", json.dumps({"model": MODEL, "input": TEXTS[:2]}).encode())
    got = json.loads(urllib.request.urlopen(request).read())
    assert got["embeddings"][1] == pytest.approx(embed(client, TEXTS[1]).data[0].embedding, abs=1e-7)


def test_the_command_line_gives_the_same_vectors(client):
    lines = [text for text in TEXTS if "\n" not in text and len(text) < 200]
    done = cli("--json", text="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["index"] for row in rows] == list(range(len(lines)))
    for row, one in zip(rows, embed(client, lines).data):
        assert row["embedding"] == pytest.approx(one.embedding, abs=1e-7)
    assert json.loads(cli(lines[0]).stdout) == rows[0]["embedding"]


def test_the_command_line_names_the_line_that_is_too_long():
    done = cli(text="short\n" + "word " * 400 + "\n")
    assert done.returncode == 1 and "line 2" in done.stderr and "--truncate" in done.stderr
    assert cli("--truncate", text="word " * 400).returncode == 0


def test_the_command_line_says_what_a_model_is_for():
    done = cli("--model", server.SMALL_MODEL, "hi")
    assert done.returncode == 1 and "makes no vectors" in done.stderr
    chat = subprocess.run([server.HEED, "chat", "--model", MODEL, "-p", "hi"], capture_output=True, text=True)
    assert chat.returncode == 1 and "heed embed" in chat.stderr
