"""Ollama's API by its official client, llama.cpp's and Mistral's paths by plain HTTP, against a real server."""
import json
import urllib.error
import urllib.request

import ollama
import pytest

import server

MODEL = server.DEFAULT_MODEL  # a code model: it chats and fills gaps
ASK = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
GREEDY = {"temperature": 0, "num_predict": 32}


@pytest.fixture(scope="module")
def url():
    server.pull(MODEL, server.SMALL_MODEL, server.EMBEDDER)
    with server.serving("--context", "2048", models=(MODEL, server.SMALL_MODEL, server.EMBEDDER)) as address:
        yield address


@pytest.fixture(scope="module")
def client(url):
    return ollama.Client(host=url)


def post(url, path, **body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(request, timeout=300).read().decode()


def refusal(url, path, **body):
    with pytest.raises(urllib.error.HTTPError) as error:
        post(url, path, **body)
    return error.value.code, json.loads(error.value.read())["error"]


def test_chat(client):
    answer = client.chat(MODEL, ASK, options=GREEDY)
    assert "Paris" in answer.message.content and answer.message.role == "assistant"
    assert answer.done and answer.done_reason == "stop" and answer.model == MODEL
    assert answer.prompt_eval_count > 10 and answer.eval_count >= 1
    assert answer.total_duration >= answer.prompt_eval_duration > 0 and answer.eval_duration > 0


def test_streamed_chat_is_the_same_text(client):
    chunks = list(client.chat(MODEL, ASK, stream=True, options=GREEDY))
    assert "".join(c.message.content for c in chunks) == client.chat(MODEL, ASK, options=GREEDY).message.content
    assert [c.done for c in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].eval_count >= 1


def test_generate(client):
    system = "You answer in one word."
    answer = client.generate(MODEL, "What is the capital of France?", system=system, options=GREEDY)
    chat = client.chat(MODEL, [{"role": "system", "content": system}, {"role": "user", "content": "What is the capital of France?"}], options=GREEDY)
    assert answer.response == chat.message.content and "Paris" in answer.response
    text = "".join(c.response for c in client.generate(MODEL, "What is the capital of France?", system=system, stream=True, options=GREEDY))
    assert text == answer.response


def test_raw_is_the_rendered_prompt(client, url):
    rendered = json.loads(post(url, "/apply-template", model=MODEL, messages=ASK))["prompt"]
    raw = client.generate(MODEL, rendered, raw=True, options=GREEDY)
    assert raw.response == client.chat(MODEL, ASK, options=GREEDY).message.content


def test_suffix_fills_the_gap(client):
    answer = client.generate(MODEL, "def add(a, b):\n    return ", suffix="\n\nprint(add(1, 2))\n", options=GREEDY)
    assert "a + b" in answer.response


def test_options(client):
    counting = [{"role": "user", "content": "Count from 1 to 9, separated by spaces."}]
    short = client.chat(MODEL, counting, options={"temperature": 0, "num_predict": 3})
    assert short.eval_count == 3 and short.done_reason == "length"
    stopped = client.chat(MODEL, counting, options={"temperature": 0, "stop": ["5"], "num_predict": 64, "num_ctx": 4096})
    assert "4" in stopped.message.content and "5" not in stopped.message.content
    sampled = dict(options={"seed": 11, "temperature": 1.2, "num_predict": 16})
    assert client.chat(MODEL, ASK, **sampled).message.content == client.chat(MODEL, ASK, **sampled).message.content


def test_load(client):
    assert client.generate(MODEL).done_reason == "load"
    assert client.chat(MODEL, []).done_reason == "load"


def test_models(client):
    listed = {m.model: m for m in client.list().models}
    assert {MODEL, server.SMALL_MODEL, server.EMBEDDER} <= set(listed)
    model = listed[MODEL]
    assert model.size > 1e8 and model.modified_at.year > 2020 and len(model.digest) in (0, 64)
    assert model.details.format == "gguf" and model.details.family == "qwen2"
    assert model.details.parameter_size.endswith("M") and model.details.quantization_level
    client.chat(MODEL, ASK, options=GREEDY)
    running = client.ps().models
    assert MODEL in [m.model for m in running] and all(m.size > 0 and m.expires_at.year > 2100 for m in running)


def test_show(client):
    shown = client.show(MODEL)
    assert shown.capabilities == ["completion", "insert"]
    assert "im_start" in shown.template and "temperature" in shown.parameters
    assert shown.modelinfo["general.architecture"] == "qwen2" and shown.modelinfo["qwen2.block_count"] > 0
    assert shown.modelinfo["general.parameter_count"] > 3e8
    assert client.show(server.EMBEDDER).capabilities == ["embedding"]
    assert client.show(MODEL + ":latest").details.family == "qwen2"


def test_embed(client):
    got = client.embed(server.EMBEDDER, ["one", "two"])
    assert len(got.embeddings) == 2 and len(got.embeddings[0]) == 384
    assert client.embeddings(server.EMBEDDER, "one").embedding == got.embeddings[0]


def test_errors_are_the_clients(client):
    with pytest.raises(ollama.ResponseError) as unknown:
        client.chat("no-such-model", ASK)
    assert unknown.value.status_code == 404 and "no-such-model" in unknown.value.error
    with pytest.raises(ollama.ResponseError) as streamed:
        list(client.generate("no-such-model", "hi", stream=True))
    assert streamed.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="format") as schema:
        client.chat(MODEL, ASK, format="json")
    assert schema.value.status_code == 400
    with pytest.raises(ollama.ResponseError, match=r"options\.top_p"):
        client.chat(MODEL, ASK, options={"top_p": 3})
    with pytest.raises(ollama.ResponseError, match="2048"):
        client.chat(MODEL, [{"role": "user", "content": "word " * 4000}])
    with pytest.raises(ollama.ResponseError, match="makes no vectors"):
        client.embed(MODEL, "hi")


def test_version(url):
    assert json.loads(urllib.request.urlopen(url + "/api/version").read())["version"]


def test_llama_completion(url):
    got = json.loads(post(url, "/completion", prompt="The capital of France is", n_predict=8, temperature=0, stop=["."]))
    assert "Paris" in got["content"] and got["stop"] and got["stop_type"] in ("word", "limit", "eos")
    assert got["tokens_evaluated"] >= 5 and got["tokens_predicted"] == got["timings"]["predicted_n"]
    assert got["generation_settings"]["stop"] == ["."] and got["model"] == MODEL
    events = post(url, "/completion", prompt="The capital of France is", n_predict=8, temperature=0, stop=["."], stream=True).split("\n\n")
    data = [json.loads(e.removeprefix("data: ")) for e in events if e]
    assert "".join(d["content"] for d in data) == got["content"] and data[-1]["stop"] and "[DONE]" not in events[-2]


def test_llama_infill(url):
    got = json.loads(post(url, "/infill", input_prefix="def add(a, b):\n    return ", input_suffix="\n\nprint(add(1, 2))\n", n_predict=16, temperature=0))
    assert "a + b" in got["content"]
    extra = [{"filename": "names.py", "text": "def quantum_banana(x):\n    return x * 41\n"}]
    got = json.loads(post(url, "/infill", input_prefix="from names import *\n\nprint(quantum_", input_suffix="(2))\n", input_extra=extra, n_predict=8, temperature=0))
    assert "banana" in got["content"], "other files of the repository are read"


def test_llama_props_and_slots(url):
    post(url, "/completion", prompt="a", n_predict=1)
    props = json.loads(urllib.request.urlopen(url + "/props").read())
    assert props["total_slots"] >= 1 and props["default_generation_settings"]["n_ctx"] == 2048 and "im_start" in props["chat_template"]
    slots = json.loads(urllib.request.urlopen(url + "/slots").read())
    assert len(slots) >= props["total_slots"] and not any(s["is_processing"] for s in slots)


def test_llama_errors(url):
    code, error = refusal(url, "/completion", prompt="a", n_predict="x")
    assert code == 400 and error["code"] == 400 and error["message"].startswith("n_predict")
    code, error = refusal(url, "/completion", prompt="a", json_schema={"type": "object"})
    assert code == 400 and error["type"] == "not_supported_error"
    code, error = refusal(url, "/infill", model=server.SMALL_MODEL, input_prefix="a", input_suffix="b")
    assert code == 400 and "fill-in-the-middle" in error["message"]


def test_mistrals_fill_in_the_middle(url):
    got = json.loads(post(url, "/v1/fim/completions", prompt="def add(a, b):\n    return ", suffix="\n\nprint(add(1, 2))\n", max_tokens=16, temperature=0))
    assert "a + b" in got["choices"][0]["message"]["content"] and got["usage"]["completion_tokens"] <= 16
