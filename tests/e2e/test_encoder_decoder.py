"""flan-t5-small, an encoder-decoder read out of ONNX files, on a real server."""
import concurrent.futures

import openai
import pytest

import server

MODEL = "flan-t5-small"
PROMPT = "translate English to German: The house is wonderful."
ANSWER = "Das Haus ist wunderbar."  # what ONNX Runtime gives with the same files, token for token


@pytest.fixture(scope="module")
def client():
    server.pull(MODEL)
    with server.serving(models=(MODEL,)) as url:
        yield openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)


def complete(client, prompt=PROMPT, **more):
    return client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=32, **more)


def test_it_translates(client):
    done = complete(client)
    assert done.choices[0].text.strip() == ANSWER
    assert done.choices[0].finish_reason == "stop"
    assert done.usage.completion_tokens <= 7


def test_streamed_text_is_the_same(client):
    assert "".join(c.choices[0].text for c in complete(client, stream=True) if c.choices).strip() == ANSWER


def test_requests_beside_each_other_do_not_mix(client):
    prompts = [PROMPT, "translate English to German: The garden is small.", PROMPT, "translate English to German: Good morning."]
    alone = [complete(client, p).choices[0].text for p in prompts]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda p: complete(client, p).choices[0].text, prompts)) == alone


def test_a_longer_prompt_is_another_source(client):
    complete(client)
    longer = complete(client, PROMPT + " " + ANSWER).choices[0].text
    again = complete(client).choices[0].text.strip()
    assert longer != "" and again == ANSWER


def test_logprobs_of_the_answer(client):
    logprobs = complete(client, logprobs=2).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) > 0
    assert all(p <= 0 for p in logprobs.token_logprobs)


def test_logprobs_of_the_source_are_refused_by_name(client):
    with pytest.raises(openai.APIStatusError) as error:
        complete(client, echo=True, logprobs=1)
    assert error.value.status_code in (400, 501)
