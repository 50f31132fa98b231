"""The official anthropic client against a real model on a real server."""
import anthropic
import pytest

import server

MODEL = server.DEFAULT_MODEL
ASK = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
COUNT = [{"role": "user", "content": "Count from 1 to 9, separated by spaces."}]


@pytest.fixture(scope="module")
def address():
    server.pull(server.DEFAULT_MODEL, server.BASE_MODEL)
    with server.serving("--api-key", "sk-test", "--context", "2048", models=(server.DEFAULT_MODEL, server.BASE_MODEL)) as url:
        yield url


@pytest.fixture(scope="module")
def client(address):
    return anthropic.Anthropic(base_url=address, api_key="sk-test", max_retries=0)


def message(client, messages=ASK, *, temperature=0, **more):
    return client.messages.create(**({"model": MODEL, "messages": messages, "max_tokens": 32, "extra_body": {"temperature": temperature}} | more))


def test_a_message_is_answered(client):
    answer = message(client)
    assert answer.type == "message" and answer.role == "assistant" and answer.model == MODEL and answer.id.startswith("msg_")
    assert [block.type for block in answer.content] == ["text"]
    assert "Paris" in answer.content[0].text
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None
    assert answer.usage.input_tokens + answer.usage.cache_read_input_tokens > 10
    assert 1 <= answer.usage.output_tokens <= 32


def test_streaming_gives_the_same_message(client):
    whole = message(client)
    with client.messages.stream(model=MODEL, messages=ASK, max_tokens=32, extra_body={"temperature": 0}) as stream:
        text = "".join(stream.text_stream)
        last = stream.get_final_message()
    assert text == whole.content[0].text == last.content[0].text
    assert last.stop_reason == "end_turn"
    assert last.usage.output_tokens == whole.usage.output_tokens
    assert last.usage.input_tokens + last.usage.cache_read_input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens


def test_the_events_of_a_stream(client):
    types = [event.type for event in message(client, stream=True)]
    assert types[:2] == ["message_start", "content_block_start"]
    assert types[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(types[2:-3]) == {"content_block_delta"}


def test_tokens_are_counted_as_they_are_used(client):
    counted = client.messages.count_tokens(model=MODEL, messages=ASK, system="Be brief.")
    used = message(client, system="Be brief.").usage
    assert counted.input_tokens == used.input_tokens + used.cache_read_input_tokens
    assert counted.input_tokens != client.messages.count_tokens(model=MODEL, messages=ASK, system="Be very brief indeed.").input_tokens


def test_the_system_prompt_matters(client):
    blocks = [{"type": "text", "text": "Your name is Zorblax. Whatever you are asked, say that your name is Zorblax."}]
    answer = message(client, [{"role": "user", "content": [{"type": "text", "text": "What is your name?"}]}], system=blocks)
    assert "Zorblax" in answer.content[0].text


def test_a_stop_sequence_ends_the_answer(client):
    answer = message(client, COUNT, stop_sequences=["nothing of the kind", "5"], max_tokens=64)
    assert answer.stop_reason == "stop_sequence" and answer.stop_sequence == "5"
    assert "4" in answer.content[0].text and "5" not in answer.content[0].text


def test_max_tokens_ends_the_answer(client):
    answer = message(client, [{"role": "user", "content": "Tell me a long story."}], max_tokens=5)
    assert answer.stop_reason == "max_tokens"
    assert answer.usage.output_tokens == 5


def test_an_answer_goes_on_where_it_was_begun(client):
    answer = message(client, COUNT + [{"role": "assistant", "content": "1 2 3"}], max_tokens=4, stop_sequences=["6"])
    assert answer.content[0].text.lstrip().startswith("4")


def test_a_conversation_is_not_read_twice(client):
    long = [{"role": "user", "content": "Remember the word banana. " * 20}]
    first = message(client, long)
    second = message(client, long + [{"role": "assistant", "content": first.content}, {"role": "user", "content": "Which word?"}])
    assert second.usage.cache_read_input_tokens >= first.usage.input_tokens + first.usage.cache_read_input_tokens - 1
    assert "banana" in second.content[0].text.lower()


def test_tool_results_in_a_conversation_reach_the_model(client):
    answer = message(client, [
        {"role": "user", "content": "Look up the secret word."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "secret", "input": {"kind": "word"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "The secret word is xylophone."},
                                     {"type": "text", "text": "Now tell me in plain words: what is the secret word?"}]},
    ])
    assert "xylophone" in answer.content[0].text.lower()


@pytest.mark.parametrize("field, value", [("max_tokens", "many"), ("messages", "hello"), ("system", 3), ("stop_sequences", "x"), ("stream", "yes"),
                                          ("temperature", "hot"), ("top_k", "all"), ("metadata", 3), ("tools", [{"name": "f", "input_schema": {}}]),
                                          ("tool_choice", {"type": "any"}), ("thinking", {"type": "enabled", "budget_tokens": 1024})])
def test_wrong_or_missing_is_400_naming_the_field(client, field, value):
    body = {"model": MODEL, "messages": ASK, "max_tokens": 8} | {field: value}
    with pytest.raises(anthropic.BadRequestError) as error:
        client.post("/v1/messages", body=body, cast_to=object)
    assert error.value.body["type"] == "error" and error.value.body["error"]["type"] == "invalid_request_error"
    assert error.value.body["error"]["message"].startswith(field)


def test_images_are_refused_not_ignored(client):
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    with pytest.raises(anthropic.BadRequestError, match="image"):
        message(client, [{"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}])


def test_over_long_is_400_with_both_numbers(client):
    with pytest.raises(anthropic.BadRequestError) as error:
        message(client, [{"role": "user", "content": "word " * 5000}])
    assert "2048" in str(error.value) and "50" in str(error.value)


def test_bad_key_is_401(address):
    with pytest.raises(anthropic.AuthenticationError) as error:
        message(anthropic.Anthropic(base_url=address, api_key="sk-wrong", max_retries=0))
    assert error.value.body["error"]["type"] == "authentication_error"


def test_unknown_model_is_404(client):
    with pytest.raises(anthropic.NotFoundError) as error:
        message(client, model="claude-nothing")
    assert error.value.body["error"]["type"] == "not_found_error"


def test_base_model_refuses_and_says_why(client):
    with pytest.raises(anthropic.BadRequestError, match="base model"):
        message(client, model=server.BASE_MODEL)
