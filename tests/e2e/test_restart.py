"""A conversation goes on after the server was stopped or killed as if it had not been, and nobody else finds it."""
import json
import os
import signal
import time
import urllib.request

import pytest

import server

TEXT = " ".join(f"Item {i} of the inventory weighs {i * 7 % 50} kilograms." for i in range(60))
QUESTION = [{"role": "user", "content": TEXT + " Which item is the heaviest?"}]
PAGE = 64


@pytest.fixture
def env(tmp_path):
    """The usual models, pages of its own."""
    server.pull(server.SMALL_MODEL)
    os.symlink(server.models_directory(), tmp_path / "models")
    return {"HEED_HOME": str(tmp_path), "HEED_PAGE_CACHE_BYTES": str(1 << 30)}


def request(url, path, body=None, key="nobody"):
    asked = urllib.request.Request(url + path, json.dumps(body).encode() if body else None, {"content-type": "application/json", "x-api-key": key})
    with urllib.request.urlopen(asked, timeout=300) as answer:
        return answer.read().decode()


def chat(url, messages=QUESTION, key="nobody"):
    body = {"messages": messages, "temperature": 0, "max_tokens": 24}
    out = json.loads(request(url, "/v1/chat/completions", body, key))
    usage = out["usage"]
    return out["choices"][0]["message"]["content"], usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]


def wait_for_pages(url, least):
    for _ in range(200):
        told = [line for line in request(url, "/metrics").splitlines() if line.startswith("heed_disk_pages ")]
        if float(told[0].split()[1]) >= least:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {least} pages on disk after ten seconds: {told}")


def whole_pages(tokens):
    return tokens // PAGE * PAGE


def test_goes_on_after_a_stop_and_a_kill(env):
    with server.serving(models=[server.SMALL_MODEL], env=env) as url:
        answer, prompt, cached = chat(url)
        assert cached == 0 and prompt > 10 * PAGE
    with server.serving(models=[server.SMALL_MODEL], env=env, stop=signal.SIGKILL) as url:
        again, _, cached = chat(url)
        assert (again, cached) == (answer, whole_pages(prompt - 1))
        longer = QUESTION + [{"role": "assistant", "content": answer}, {"role": "user", "content": TEXT[::-1]}]
        second, longer_prompt, cached = chat(url, longer)
        assert cached >= whole_pages(prompt - 1)
        wait_for_pages(url, longer_prompt // PAGE)
    with server.serving(models=[server.SMALL_MODEL], env=env) as url:
        again, _, cached = chat(url, longer)
        assert (again, cached) == (second, whole_pages(longer_prompt - 1))


def test_damaged_pages_are_computed_again(env, tmp_path):
    with server.serving(models=[server.SMALL_MODEL], env=env) as url:
        answer, prompt, _ = chat(url)
    pages = sorted((tmp_path / "pages").iterdir())
    assert len(pages) >= prompt // PAGE
    for page in pages:
        data = bytearray(page.read_bytes())
        data[len(data) // 2] ^= 1
        page.write_bytes(data)
    with server.serving(models=[server.SMALL_MODEL], env=env) as url:
        assert chat(url) == (answer, prompt, 0)


def test_another_key_finds_nothing(env):
    env |= {"HEED_API_KEY": "key-of-one,key-of-another"}
    with server.serving(models=[server.SMALL_MODEL], env=env) as url:
        answer, prompt, _ = chat(url, key="key-of-one")
    with server.serving(models=[server.SMALL_MODEL], env=env) as url:
        assert chat(url, key="key-of-another") == (answer, prompt, 0)
        assert chat(url, key="key-of-one") == (answer, prompt, whole_pages(prompt - 1))
