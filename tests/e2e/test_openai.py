"""The official openai client against a real model on a real server."""
import openai
import pytest

import server

MODEL = server.DEFAULT_MODEL
ASK = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]


@pytest.fixture(scope="module")
def address():
    server.pull(server.DEFAULT_MODEL, server.SMALL_MODEL, server.BASE_MODEL)
    with server.serving("--api-key", "sk-test", "--context", "2048", models=(server.DEFAULT_MODEL, server.SMALL_MODEL, server.BASE_MODEL)) as url:
        yield url


@pytest.fixture(scope="module")
def client(address):
    return openai.OpenAI(base_url=address + "/v1", api_key="sk-test", max_retries=0)


def chat(client, **more):
    return client.chat.completions.create(**({"model": MODEL, "messages": ASK, "max_tokens": 16, "temperature": 0} | more))


def test_models_are_listed(client):
    assert {MODEL, server.SMALL_MODEL, server.BASE_MODEL} <= {m.id for m in client.models.list()}


def test_chat_answers(client):
    answer = chat(client)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_streaming_gives_the_same_text_and_usage(client):
    whole = chat(client)
    text, usage, reason = "", None, None
    for chunk in chat(client, stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            reason = chunk.choices[0].finish_reason or reason
        else:
            usage = chunk.usage
    assert text == whole.choices[0].message.content
    assert reason == "stop"
    assert usage.completion_tokens == whole.usage.completion_tokens


def test_stop_string_ends_the_answer(client):
    answer = chat(client, messages=[{"role": "user", "content": "Count from 1 to 9, separated by spaces."}], stop=["5"], max_tokens=64)
    assert "5" not in answer.choices[0].message.content
    assert "4" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


def test_a_lossy_attention_policy_answers_and_is_named(client):
    for policy in ("window", "topk_pages", "big_bird"):
        attention = {"policy": policy, "window": 256, "budget": 256}
        answer = chat(client, extra_body={"heed": {"attention": attention}})
        assert "Paris" in answer.choices[0].message.content
        assert answer.heed["attention"]["policy"] == policy and answer.heed["attention"]["window"] == 256
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, extra_body={"heed": {"attention": {"policy": "some"}}})
    assert refused.value.param == "heed.attention.policy"


def test_max_tokens_ends_with_length(client):
    answer = chat(client, messages=[{"role": "user", "content": "Tell me a long story."}], max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


def test_n_gives_different_answers_same_seed_gives_the_same(client):
    ask = dict(messages=[{"role": "user", "content": "Invent a name for a cat."}], n=2, temperature=1.5, seed=7, max_tokens=24)
    first, second = chat(client, **ask), chat(client, **ask)
    texts = [c.message.content for c in first.choices]
    assert len(texts) == 2 and texts[0] != texts[1]
    assert texts == [c.message.content for c in second.choices]


def test_same_request_same_bytes(client):
    ask = dict(temperature=1.0, messages=[{"role": "user", "content": "Write one line about the sea."}])
    assert chat(client, **ask).choices[0].message.content == chat(client, **ask).choices[0].message.content


def test_logprobs(client):
    answer = chat(client, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) >= 1
    for token in content:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob
        assert token.logprob <= 0
        assert abs(token.logprob - token.top_logprobs[0].logprob) < 1e-6  # greedy
    assert "".join(t.token for t in content).strip() == answer.choices[0].message.content.strip()


def test_logit_bias_forbids_a_token(client):
    first = chat(client, logprobs=True, max_tokens=1)
    spelled = first.choices[0].logprobs.content[0].token
    ids = client.post("/tokenize", body={"content": spelled}, cast_to=object)["tokens"]
    assert len(ids) == 1
    second = chat(client, logit_bias={str(ids[0]): -100}, max_tokens=1, logprobs=True)
    assert second.choices[0].logprobs.content[0].token != spelled


def test_multi_turn_reuses_the_prefix(client):
    long = [{"role": "user", "content": "Remember the word banana. " * 20}]
    first = chat(client, messages=long)
    more = long + [{"role": "assistant", "content": first.choices[0].message.content}, {"role": "user", "content": "Which word?"}]
    second = chat(client, messages=more)
    assert second.usage.prompt_tokens_details.cached_tokens >= first.usage.prompt_tokens - 1
    assert "banana" in second.choices[0].message.content.lower()


def test_over_long_is_400_with_both_numbers(client):
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, messages=[{"role": "user", "content": "word " * 5000}])
    assert error.value.code == "context_length_exceeded"
    assert "2048" in str(error.value) and "50" in str(error.value)


@pytest.mark.parametrize("field, value", [("temperature", "hot"), ("max_tokens", "many"), ("messages", "hello"), ("top_p", 7), ("n", 0),
                                          ("stop", 3), ("logit_bias", [1]), ("stream", "yes"), ("seed", "x"), ("top_logprobs", 99)])
def test_wrong_type_is_400_naming_the_field(client, field, value):
    with pytest.raises(openai.BadRequestError) as error:
        client.post("/chat/completions", body={"model": MODEL, "messages": ASK, "logprobs": True} | {field: value}, cast_to=object)
    assert field in str(error.value)
    assert error.value.param and error.value.param.startswith(field)


def test_bad_key_is_401(address):
    with pytest.raises(openai.AuthenticationError):
        chat(openai.OpenAI(base_url=address + "/v1", api_key="sk-wrong", max_retries=0))


def test_unknown_model_is_404(client):
    with pytest.raises(openai.NotFoundError):
        chat(client, model="gpt-nothing")


def test_what_has_no_room_yet_says_so(client):
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}})
    assert error.value.code == "not_supported_yet"


def test_model_is_switched_by_request(client):
    answer = chat(client, model=server.SMALL_MODEL)
    assert answer.model == server.SMALL_MODEL
    assert answer.choices[0].message.content


def test_base_model_completes_text(client):
    answer = client.completions.create(model=server.BASE_MODEL, prompt="Monday, Tuesday, Wednesday,", max_tokens=6, temperature=0)
    assert answer.choices[0].text.startswith(" Thursday, Friday")


def test_base_model_refuses_chat_and_says_why(client):
    with pytest.raises(openai.BadRequestError) as error:
        chat(client, model=server.BASE_MODEL)
    assert "completions" in str(error.value)


def test_echo_logprobs(client):
    answer = client.completions.create(model=MODEL, prompt="def add(a, b):", max_tokens=1, echo=True, logprobs=2, temperature=0)
    tokens = answer.choices[0].logprobs
    assert answer.choices[0].text.startswith("def add(a, b):")
    assert tokens.token_logprobs[0] is None
    assert all(x <= 0 for x in tokens.token_logprobs[1:])


def test_fill_in_the_middle(client):
    answer = client.completions.create(model=MODEL, prompt="def add(a, b):\n    return ", suffix="\n\nprint(add(1, 2))\n", max_tokens=8, temperature=0)
    assert "a + b" in answer.choices[0].text
