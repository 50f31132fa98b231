// anthropic_test.cc -- /v1/messages and /v1/messages/count_tokens as Anthropic's clients see them.
#include "serve/anthropic.h"

#include "tests/unit/serve/service_fixture.h"

namespace heed {
namespace {

using nlohmann::json;
using test::becomes;
using test::Client;
using test::NamedEvent;
using test::Reply;

class AnthropicTest : public test::ServiceTest {
 protected:
  static json message(const std::string& text = "hi", const json& more = json::object()) {
    json body = {{"model", "fake"}, {"max_tokens", 64}, {"messages", {{{"role", "user"}, {"content", text}}}}};
    body.update(more);
    return body;
  }
  json answer(const json& body) {
    const Reply reply = post("/v1/messages", body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json();
  }
  std::vector<NamedEvent> stream(json body) {
    body["stream"] = true;
    const Reply reply = post("/v1/messages", body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.header("content-type"), "text/event-stream; charset=utf-8");
    return test::parse_named_events(reply.body);
  }
  json count(const json& body) { return post("/v1/messages/count_tokens", body).json(); }
  json error(const json& body, const std::string& path = "/v1/messages") {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    const json got = reply.json();
    EXPECT_EQ(got["type"], "error") << reply.body;
    EXPECT_EQ(got["error"]["type"], "invalid_request_error");
    EXPECT_EQ(got["error"].size(), 2u);
    return got["error"]["message"];
  }
};

json user(const json& content) { return {{"role", "user"}, {"content", content}}; }
json assistant(const json& content) { return {{"role", "assistant"}, {"content", content}}; }
json text_block(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

TEST_F(AnthropicTest, AnswerHasEveryField) {
  start({.model = {.mode = FakeMode::echo}});
  const json got = answer(message("hello"));
  EXPECT_TRUE(got["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(got["type"], "message");
  EXPECT_EQ(got["role"], "assistant");
  EXPECT_EQ(got["model"], "fake");
  EXPECT_EQ(got["content"], json::array({text_block("hello")}));
  EXPECT_EQ(got["stop_reason"], "end_turn");
  EXPECT_TRUE(got["stop_sequence"].is_null());
  const auto prompt = static_cast<int>(std::string("user\nhello\nassistant\n").size() + 3);
  EXPECT_EQ(got["usage"]["input_tokens"], prompt);
  EXPECT_GE(got["usage"]["output_tokens"], 5);
  EXPECT_EQ(got["usage"]["cache_read_input_tokens"], 0);
  EXPECT_EQ(got["usage"]["cache_creation_input_tokens"], 0);
  EXPECT_EQ(post("/messages", message("hello")).status, 200);
}

TEST_F(AnthropicTest, StopReasonsSayWhy) {
  start({.model = {.mode = FakeMode::echo, .context = 64}});
  const json cut = answer(message("hello", {{"max_tokens", 2}}));
  EXPECT_EQ(cut["stop_reason"], "max_tokens");
  EXPECT_EQ(cut["content"][0]["text"], "he");
  EXPECT_EQ(cut["usage"]["output_tokens"], 2);
  const json stopped = answer(message("one, two", {{"stop_sequences", {"x", ", "}}}));
  EXPECT_EQ(stopped["stop_reason"], "stop_sequence");
  EXPECT_EQ(stopped["stop_sequence"], ", ");
  EXPECT_EQ(stopped["content"][0]["text"], "one");
  const json full = answer(message(std::string(30, 'x'), {{"max_tokens", 64}}));
  EXPECT_EQ(full["stop_reason"], "model_context_window_exceeded");
}

TEST_F(AnthropicTest, KnownTokensAreCountedApart) {
  start({.model = {.mode = FakeMode::echo}});
  const json first = answer(message("hello"));
  json body = message("hello");
  body["messages"].push_back(assistant("hello"));
  body["messages"].push_back(user("again"));
  const json second = answer(body);
  EXPECT_GE(second["usage"]["cache_read_input_tokens"], first["usage"]["input_tokens"].get<int>() - 1);
  body.erase("max_tokens");
  EXPECT_EQ(count(body)["input_tokens"],
            second["usage"]["cache_read_input_tokens"].get<int>() + second["usage"]["input_tokens"].get<int>());
}

TEST_F(AnthropicTest, StreamIsTheApisEventsInOrder) {
  start({.model = {.mode = FakeMode::echo}});
  const auto events = stream(message("hello there", {{"stop_sequences", {"re"}}}));
  ASSERT_GE(events.size(), 6u);
  std::string text;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& [name, data] = events[i];
    EXPECT_EQ(data["type"], name);
    const bool is_delta = i >= 2 && i + 3 < events.size();
    if (!is_delta) continue;
    EXPECT_EQ(name, "content_block_delta");
    EXPECT_EQ(data["index"], 0);
    EXPECT_EQ(data["delta"]["type"], "text_delta");
    text += data["delta"]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "hello the");
  const json& begun = events[0].data["message"];
  EXPECT_EQ(events[0].name, "message_start");
  EXPECT_TRUE(begun["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(begun["content"], json::array());
  EXPECT_TRUE(begun["stop_reason"].is_null());
  EXPECT_EQ(begun["usage"]["input_tokens"], count(message("hello there"))["input_tokens"]);
  EXPECT_EQ(events[1].name, "content_block_start");
  EXPECT_EQ(events[1].data["content_block"], text_block(""));
  EXPECT_EQ(events[events.size() - 3].name, "content_block_stop");
  const json& last = events[events.size() - 2].data;
  EXPECT_EQ(last["type"], "message_delta");
  EXPECT_EQ(last["delta"], (json{{"stop_reason", "stop_sequence"}, {"stop_sequence", "re"}}));
  EXPECT_EQ(last["usage"]["input_tokens"], begun["usage"]["input_tokens"]);
  EXPECT_GT(last["usage"]["output_tokens"], 8);
  EXPECT_EQ(events.back().name, "message_stop");
}

TEST_F(AnthropicTest, StreamAndWholeAnswerAgree) {
  start();
  const json body = message("tell me", {{"seed", 3}, {"max_tokens", 40}, {"top_k", 20}, {"top_p", 0.9}});
  const json whole = answer(body);
  std::string text;
  for (const auto& [name, data] : stream(body)) {
    if (name == "content_block_delta") text += data["delta"]["text"].get<std::string>();
  }
  EXPECT_EQ(text, whole["content"][0]["text"]);
}

TEST_F(AnthropicTest, SystemAndBlocksMakeTheChatsPrompt) {
  start();
  const auto tokens = [&](const json& messages) {
    return post("/tokenize", {{"content", post("/apply-template", {{"messages", messages}}).json()["prompt"]}})
        .json()["tokens"]
        .size();
  };
  const json plain = message("hi", {{"system", "Be brief."}});
  const json blocks = {{"system", {text_block("Be"), text_block("brief.")}},
                       {"messages", {user({text_block("a"), text_block("b")}), user("c"), assistant("d"), user("e")}}};
  EXPECT_EQ(count(plain)["input_tokens"], tokens({{{"role", "system"}, {"content", "Be brief."}}, user("hi")}));
  EXPECT_EQ(count(blocks)["input_tokens"],
            tokens({{{"role", "system"}, {"content", "Be\nbrief."}}, user("a\nb\nc"), assistant("d"), user("e")}));
}

TEST_F(AnthropicTest, ToolBlocksAreWhatTemplatesKnow) {
  const Json body = Json::parse(R"({"messages": [
    {"role": "user", "content": "weather?"},
    {"role": "assistant", "content": [{"type": "text", "text": "I look."},
      {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}]},
    {"role": "user", "content": [
      {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sun"}]},
      {"type": "text", "text": "and?"}]}]})");
  Json got;
  ASSERT_FALSE(anthropic_messages(body, got));
  EXPECT_EQ(got, Json::parse(R"([
    {"role": "user", "content": "weather?"},
    {"role": "assistant", "content": "I look.", "tool_calls": [
      {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Bern"}}}]},
    {"role": "tool", "tool_call_id": "t1", "name": "weather", "content": "sun"},
    {"role": "user", "content": "and?"}])"));
}

TEST_F(AnthropicTest, ALastMessageOfTheAssistantGoesOn) {
  start({.model = {.mode = FakeMode::echo}});
  json body = message("hello there");
  body["messages"].push_back(assistant("hello"));
  EXPECT_EQ(answer(body)["content"][0]["text"], " there");
  body["messages"][1] = assistant("");
  EXPECT_EQ(answer(body)["content"][0]["text"], "hello there");
  body["messages"][1] = assistant("hello ");
  EXPECT_NE(error(body).get<std::string>().find("white space"), std::string::npos);
}

TEST_F(AnthropicTest, ATemplateThatCannotGoOnSaysSo) {
  start({.chat_template = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"});
  json body = message("hello");
  body["messages"].push_back(assistant("hello"));
  EXPECT_NE(error(body).get<std::string>().find("template"), std::string::npos);
}

TEST_F(AnthropicTest, ErrorsNameTheClientsFields) {
  start();
  const auto starts = [&](const json& more, const std::string& text) {
    json body = message();
    body.update(more);
    for (const char* path : {"/v1/messages", "/v1/messages/count_tokens"}) {
      const std::string got = error(body, path);
      EXPECT_TRUE(got.starts_with(text)) << got << " instead of " << text;
    }
  };
  starts({{"max_tokens", "many"}}, "max_tokens: ");
  starts({{"max_tokens", -1}}, "max_tokens: ");
  starts({{"messages", nullptr}}, "messages: required");
  starts({{"messages", "hi"}}, "messages: ");
  starts({{"messages", json::array()}}, "messages: ");
  starts({{"messages", {3}}}, "messages[0]: ");
  starts({{"messages", {{{"content", "a"}}}}}, "messages[0].role: ");
  starts({{"messages", {{{"role", "tool"}, {"content", "a"}}}}}, "messages[0].role: ");
  starts({{"messages", {{{"role", "user"}}}}}, "messages[0].content: ");
  starts({{"messages", {user(7)}}}, "messages[0].content: ");
  starts({{"messages", {user(json::array())}}}, "messages[0].content: ");
  starts({{"messages", {user({3})}}}, "messages[0].content[0]: ");
  starts({{"messages", {user({{{"text", "a"}}})}}}, "messages[0].content[0].type: ");
  starts({{"messages", {user({{{"type", "poem"}}})}}}, "messages[0].content[0].type: expected text or tool_result");
  starts({{"messages", {user({{{"type", "image"}}})}}}, "messages[0].content[0].type: blocks of type image are not");
  starts({{"messages", {user({{{"type", "text"}, {"text", 3}}})}}}, "messages[0].content[0].text: ");
  starts({{"messages", {user({{{"type", "tool_result"}, {"tool_use_id", "x"}}})}}},
         "messages[0].content[0].tool_use_id: ");
  starts({{"messages", {assistant({{{"type", "tool_use"}, {"id", "x"}, {"name", "f"}, {"input", 3}}})}}},
         "messages[0].content[0].input: ");
  starts({{"messages", {assistant({{{"type", "tool_use"}, {"id", "x"}, {"name", "f"}, {"input", json::object()}}})}}},
         "messages: expected a tool_result");
  starts({{"system", 3}}, "system: ");
  starts({{"system", {{{"type", "image"}}}}}, "system[0].type: ");
  starts({{"stop_sequences", "x"}}, "stop_sequences: ");
  starts({{"stop_sequences", {"x", 3}}}, "stop_sequences[1]: ");
  starts({{"stop_sequences", json(std::vector<std::string>(17, "x"))}}, "stop_sequences: ");
  starts({{"temperature", "hot"}}, "temperature: ");
  starts({{"top_p", 7}}, "top_p: ");
  starts({{"top_k", "all"}}, "top_k: ");
  starts({{"stream", "yes"}}, "stream: ");
  starts({{"model", 3}}, "model: ");
  starts({{"metadata", 3}}, "metadata: ");
  starts({{"metadata", {{"user_id", 3}}}}, "metadata.user_id: ");
  starts({{"heed", {{"deadline_ms", "soon"}}}}, "heed.deadline_ms: ");
}

TEST_F(AnthropicTest, WhatHasNoRoomYetIsRefusedNotIgnored) {
  start();
  for (const json& more :
       {json{{"tools", {{{"name", "f"}}}}}, json{{"tools", "f"}}, json{{"tool_choice", {{"type", "any"}}}},
        json{{"tool_choice", 3}}, json{{"thinking", {{"type", "enabled"}, {"budget_tokens", 1024}}}},
        json{{"thinking", {{"type", "adaptive"}}}}, json{{"output_config", {{"effort", "low"}}}},
        json{{"mcp_servers", {{{"name", "x"}}}}}, json{{"container", "c"}}}) {
    const std::string got = error(message("hi", more));
    EXPECT_TRUE(got.starts_with(more.begin().key() + ": ")) << got;
  }
  for (const json& more :
       {json{{"tools", json::array()}}, json{{"tool_choice", {{"type", "auto"}}}}, json{{"system", nullptr}},
        json{{"thinking", {{"type", "disabled"}}}}, json{{"metadata", {{"user_id", "u"}}}},
        json{{"service_tier", "auto"}}, json{{"max_tokens", 1}}})
    EXPECT_EQ(post("/v1/messages", message("hi", more)).status, 200) << more;
  json body = message();
  body.erase("max_tokens");
  EXPECT_EQ(error(body), "max_tokens: required");
  EXPECT_EQ(post("/v1/messages/count_tokens", body).status, 200);
}

// Every field of every wrong type: a refusal in this API's shape or an answer, never anything else.
TEST_F(AnthropicTest, HostileValuesAreRefused) {
  start({.model = {.end_bias = 100}});
  const json values[] = {nullptr,
                         true,
                         0,
                         -1,
                         1e300,
                         "",
                         "x",
                         json::array(),
                         json::array({nullptr}),
                         json::object(),
                         {{"type", nullptr}},
                         json::array({json::array({json::array()})}),
                         {{"role", {1}}}};
  json fields = json::parse(R"(["heed"])");
  for (const DialectField& field : anthropic_shape(AnthropicUse::create).fields)
    fields.push_back(std::string(field.theirs));
  for (const auto& field : fields) {
    for (const json& value : values) {
      json body = message();
      body[field.get<std::string>()] = value;
      const Reply reply = post("/v1/messages", body);
      const bool is_told = reply.status == 200 || reply.status == 400 || (field == "model" && reply.status == 404);
      EXPECT_TRUE(is_told) << field << " " << value << " " << reply.status;
      if (reply.status == 400) {
        EXPECT_EQ(reply.json()["error"]["type"], "invalid_request_error") << reply.body;
      }
    }
  }
  for (const char* body : {"", "{", "[]", "3", "{\"messages\":[{}]}", "\xff"}) {
    const Reply reply = test::call(port(), "POST", "/v1/messages", body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_EQ(reply.json()["type"], "error") << reply.body;
  }
}

TEST_F(AnthropicTest, EveryRefusalHasTheApisShape) {
  start({.model = {.context = 64}}, {.api_keys = {"sk-test-key"}});
  const test::Headers key = {{"x-api-key", "sk-test-key"}};
  const auto type = [](const Reply& reply) {
    const json got = reply.json();
    EXPECT_EQ(got["type"], "error") << reply.body;
    return got["error"]["type"].get<std::string>();
  };
  const Reply nobody = post("/v1/messages", message());
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(type(nobody), "authentication_error");
  EXPECT_EQ(post("/v1/messages", message(), key).status, 200);
  const Reply unknown = post("/v1/messages", message("hi", {{"model", "claude"}}), key);
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(type(unknown), "not_found_error");
  EXPECT_EQ(type(post("/v1/messages/count_tokens", message("hi", {{"model", "claude"}}), key)), "not_found_error");
  EXPECT_EQ(type(post("/v1/messages/batches", message(), key)), "not_found_error");
  const Reply wrong = get("/v1/messages", key);
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "POST");
  EXPECT_EQ(type(wrong), "invalid_request_error");
  const Reply foreign =
      post("/v1/messages", message(), {{"x-api-key", "sk-test-key"}, {"Origin", "http://evil.example"}});
  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(type(foreign), "permission_error");
  const Reply long_one = post("/v1/messages", message(std::string(500, 'x')), key);
  EXPECT_EQ(long_one.status, 400);
  EXPECT_NE(long_one.body.find("64"), std::string::npos) << "both numbers";
  service->start_draining();
  const Reply draining = post("/v1/messages", message(), key);
  EXPECT_EQ(draining.status, 503);
  EXPECT_EQ(type(draining), "overloaded_error");
  EXPECT_EQ(draining.header("retry-after"), "5");
}

TEST_F(AnthropicTest, ABodyTooLargeIsRefusedInTheApisShape) {
  http.max_body_bytes = 1000;
  start();
  const Reply reply = post("/v1/messages", message(std::string(2000, 'x')));
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.json()["error"]["type"], "request_too_large");
}

TEST_F(AnthropicTest, FailureInTheStreamIsAnErrorEvent) {
  start({.model = {.end_bias = -100, .fail_at_step = 5}});
  const auto events = stream(message());
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().name, "error");
  EXPECT_EQ(events.back().data["type"], "error");
  EXPECT_EQ(events.back().data["error"]["type"], "api_error");
  EXPECT_NE(events.back().data["error"]["message"].get<std::string>().find("injected"), std::string::npos);
}

TEST_F(AnthropicTest, AFailedStepIsAnErrorNotSilence) {
  start({.model = {.fail_at_step = 1}});
  const Reply reply = post("/v1/messages", message());
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.json()["error"]["type"], "api_error");
}

// Ask: prefill timeouts. Here what keeps the stream alive is a ping.
TEST_F(AnthropicTest, AQueuedStreamIsPinged) {
  start({.model = {.end_bias = -100}, .engine = {.max_running = 1}});
  FakeModel& model = fake();
  model.hold();
  Client first(port()), second(port());
  first.send(test::request_text("POST", "/v1/messages", message("a", {{"max_tokens", 2}}).dump()));
  ASSERT_TRUE(model.wait_until_held(5'000));
  second.send(test::request_text("POST", "/v1/messages", message("b", {{"max_tokens", 2}, {"stream", true}}).dump()));
  EXPECT_TRUE(second.receive_until(": queued\nevent: ping\ndata: {\"type\":\"ping\"}\n\n", 5'000));
  model.resume();
  EXPECT_TRUE(second.receive_until("message_stop", 5'000));
}

TEST_F(AnthropicTest, LossyAttentionIsNamedInTheAnswer) {
  start({.model = {.mode = FakeMode::echo}});
  const json body = message("hello", {{"heed", {{"attention", {{"policy", "window"}, {"window", 256}}}}}});
  EXPECT_EQ(answer(body)["heed"]["attention"]["policy"], "window");
  const auto events = stream(body);
  EXPECT_EQ(events[events.size() - 2].data["heed"]["attention"]["window"], 256);
}

TEST_F(AnthropicTest, TheInterfaceIsDescribed) {
  start();
  const json document = get("/openapi.json").json();
  const json& schema = document["components"]["schemas"]["MessagesRequest"];
  EXPECT_EQ(schema["required"], json::array({"max_tokens"}));
  EXPECT_EQ(schema["properties"]["temperature"]["maximum"], 2.0);
  EXPECT_TRUE(schema["properties"].contains("stop_sequences"));
  EXPECT_EQ(document["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/MessagesRequest");
  EXPECT_TRUE(document["paths"].contains("/v1/messages/count_tokens"));
}

}  // namespace
}  // namespace heed
