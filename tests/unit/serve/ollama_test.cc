// ollama_test.cc -- Ollama's API: records, streams, what its requests mean, refusals as texts.
#include <regex>

#include "tests/unit/serve/service_fixture.h"

namespace heed {
namespace {

using nlohmann::json;
using test::Reply;

class OllamaTest : public test::ServiceTest {
 protected:
  json ask_whole(const std::string& path, json body) {
    body["stream"] = false;
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json();
  }
  std::vector<json> records(const std::string& path, const json& body) {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.header("content-type"), "application/x-ndjson");
    std::vector<json> out;
    for (std::size_t at = 0; at < reply.body.size();) {
      const std::size_t end = reply.body.find('\n', at);
      out.push_back(json::parse(reply.body.substr(at, end - at)));
      at = end == std::string::npos ? reply.body.size() : end + 1;
    }
    return out;
  }
  std::string error(const std::string& path, const json& body, int status = 400) {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, status) << reply.body;
    const json got = reply.json();
    EXPECT_TRUE(got.is_object() && got.contains("error") && got["error"].is_string()) << reply.body;
    return got.is_object() ? got.value("error", "") : "";
  }
};

TEST_F(OllamaTest, AWholeAnswerHasEveryField) {
  start({.model = {.mode = FakeMode::echo}});
  const json got = ask_whole("/api/chat", ask("hello"));
  EXPECT_EQ(got["model"], "fake");
  EXPECT_EQ(got["message"], (json{{"role", "assistant"}, {"content", "hello"}}));
  EXPECT_EQ(got["done"], true);
  EXPECT_EQ(got["done_reason"], "stop");
  EXPECT_TRUE(
      std::regex_match(got["created_at"].get<std::string>(), std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)")));
  EXPECT_EQ(got["prompt_eval_count"], 24);
  EXPECT_EQ(got["eval_count"], 6);
  for (const char* name : {"total_duration", "load_duration", "prompt_eval_duration", "eval_duration"})
    EXPECT_TRUE(got[name].is_number_unsigned()) << name;
  EXPECT_GE(got["total_duration"], got["load_duration"]);
}

TEST_F(OllamaTest, AStreamIsLinesAndTheSameText) {
  start();
  json body = ask("hi", {{"options", {{"seed", 3}, {"num_predict", 12}}}});
  const json whole = ask_whole("/api/chat", body);
  const auto lines = records("/api/chat", body);
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["done"], i + 1 == lines.size());
    EXPECT_EQ(lines[i]["message"]["role"], "assistant");
    text += lines[i]["message"]["content"].get<std::string>();
  }
  EXPECT_EQ(text, whole["message"]["content"]);
  EXPECT_EQ(lines.back()["message"]["content"], "");
  EXPECT_EQ(lines.back()["eval_count"], whole["eval_count"]);
  EXPECT_EQ(lines.back()["done_reason"], whole["done_reason"]);
}

TEST_F(OllamaTest, GenerateUsesTheChatTemplate) {
  start();
  const json options = {{"seed", 5}, {"num_predict", 10}};
  const json chat =
      ask_whole("/api/chat",
                {{"messages", {{{"role", "system"}, {"content", "be brief"}}, {{"role", "user"}, {"content", "hi"}}}},
                 {"options", options}});
  const json got = ask_whole("/api/generate", {{"prompt", "hi"}, {"system", "be brief"}, {"options", options}});
  EXPECT_EQ(got["response"], chat["message"]["content"]);
  EXPECT_EQ(got["prompt_eval_count"], chat["prompt_eval_count"]);
  std::string text;
  for (const json& line : records("/api/generate", {{"prompt", "hi"}, {"system", "be brief"}, {"options", options}}))
    text += line["response"].get<std::string>();
  EXPECT_EQ(text, got["response"]);
}

TEST_F(OllamaTest, RawIsWhatTheModelReads) {
  start();
  const std::string rendered = post("/apply-template", ask("hi")).json()["prompt"];
  const json options = {{"seed", 5}, {"num_predict", 10}};
  const json raw = ask_whole("/api/generate", {{"prompt", rendered}, {"raw", true}, {"options", options}});
  EXPECT_EQ(raw["response"], ask_whole("/api/generate", {{"prompt", "hi"}, {"options", options}})["response"]);
  EXPECT_EQ(raw["prompt_eval_count"], 21) << "control tokens of a raw prompt are read as such";
}

TEST_F(OllamaTest, ABaseModelContinuesThePrompt) {
  start({.chat_template = ""});
  const json options = {{"seed", 5}, {"num_predict", 10}, {"temperature", 0}};
  const json plain =
      post("/v1/completions", {{"prompt", "abc"}, {"seed", 5}, {"max_tokens", 10}, {"temperature", 0}}).json();
  EXPECT_EQ(ask_whole("/api/generate", {{"prompt", "abc"}, {"options", options}})["response"],
            plain["choices"][0]["text"]);
  EXPECT_NE(error("/api/generate", {{"prompt", "abc"}, {"system", "x"}}).find("system"), std::string::npos);
  EXPECT_NE(error("/api/chat", ask()).find("chat template"), std::string::npos);
}

TEST_F(OllamaTest, SuffixFillsTheMiddle) {
  start();
  const json options = {{"temperature", 0}, {"num_predict", 10}};
  const json plain =
      post("/v1/completions", {{"prompt", "head"}, {"suffix", "tail"}, {"temperature", 0}, {"max_tokens", 10}}).json();
  EXPECT_EQ(ask_whole("/api/generate", {{"prompt", "head"}, {"suffix", "tail"}, {"options", options}})["response"],
            plain["choices"][0]["text"]);
}

TEST_F(OllamaTest, NoInputLoadsTheModel) {
  start();
  for (const json& body : {json{{"model", "fake"}}, json{{"model", "fake"}, {"prompt", ""}, {"keep_alive", "5m"}}}) {
    const Reply reply = post("/api/generate", body);
    EXPECT_EQ(reply.header("content-type"), "application/json");
    EXPECT_EQ(reply.json()["done_reason"], "load");
    EXPECT_EQ(reply.json()["response"], "");
  }
  EXPECT_EQ(sources.loads, 1);
  const json chat = post("/api/chat", {{"model", "fake"}, {"messages", json::array()}}).json();
  EXPECT_EQ(chat["message"], (json{{"role", "assistant"}, {"content", ""}}));
  EXPECT_EQ(chat["done_reason"], "load");
  EXPECT_EQ(chat["done"], true);
  error("/api/chat", {{"model", "none"}}, 404);
  EXPECT_NE(error("/api/generate", {{"model", "fake"}, {"keep_alive", 0}}).find("keep_alive"), std::string::npos)
      << "an unload that nobody does must not look done";
}

TEST_F(OllamaTest, OptionsAreTheTable) {
  start({.model = {.end_bias = -100}});
  const auto reason = [&](const json& options) { return ask_whole("/api/chat", ask("hi", {{"options", options}})); };
  EXPECT_EQ(reason({{"num_predict", 3}})["eval_count"], 3);
  EXPECT_EQ(reason({{"num_predict", 3}})["done_reason"], "length");
  for (const int all : {0, -1, -2}) EXPECT_EQ(reason({{"num_predict", all}})["eval_count"], 2048 - 21) << all;
  EXPECT_EQ(reason({{"num_predict", 5}, {"num_ctx", 512}, {"mirostat", 0}, {"num_keep", 4}})["eval_count"], 5);
  const std::string text = reason({{"num_predict", 20}})["message"]["content"];
  const json stopped = reason({{"num_predict", 20}, {"stop", text.substr(10, 2)}});
  EXPECT_EQ(stopped["done_reason"], "stop");
  EXPECT_LT(stopped["message"]["content"].get<std::string>().size(), text.size());
  EXPECT_EQ(reason({{"num_predict", 20}})["message"]["content"], text) << "same request, same answer";
}

TEST_F(OllamaTest, ItsDefaultsAreItsOwn) {
  start({.model = {.end_bias = -100}});
  const json spelled = {{"num_predict", 40}, {"temperature", 0.8}, {"top_k", 40}, {"top_p", 0.9}};
  EXPECT_EQ(ask_whole("/api/chat", ask("hi", {{"options", {{"num_predict", 40}}}}))["message"],
            ask_whole("/api/chat", ask("hi", {{"options", spelled}}))["message"]);
}

TEST_F(OllamaTest, RefusalsAreTextsThatNameTheField) {
  start();
  const auto begins = [&](const json& more, const std::string& field, const char* path = "/api/chat") {
    const std::string text = error(path, path == std::string("/api/chat") ? ask("hi", more) : more);
    EXPECT_TRUE(text.starts_with(field + ": ")) << text;
  };
  begins({{"options", {{"num_predict", "many"}}}}, "options.num_predict");
  begins({{"options", {{"num_predict", -3}}}}, "options.num_predict");
  begins({{"options", {{"repeat_penalty", 0}}}}, "options.repeat_penalty");
  begins({{"options", {{"temperature", 3}}}}, "options.temperature");
  begins({{"options", {{"stop", {"a", 1}}}}}, "options.stop[1]");
  begins({{"options", 3}}, "options");
  begins({{"stream", "yes"}}, "stream");
  begins({{"model", 3}}, "model");
  begins({{"format", "json"}}, "format");
  begins({{"format", {{"type", "object"}}}}, "format");
  begins({{"think", true}}, "think");
  begins({{"think", "high"}}, "think");
  begins({{"tools", {{{"type", "function"}}}}}, "tools");
  begins({{"messages", 3}}, "messages");
  begins({{"messages", {{{"role", "user"}, {"content", "a"}, {"images", {"aGk="}}}}}}, "messages[0].images");
  begins({{"messages", {{{"role", "pope"}, {"content", "a"}}}}}, "messages[0].role");
  begins({{"prompt", 3}}, "prompt", "/api/generate");
  begins({{"prompt", "a"}, {"raw", 1}}, "raw", "/api/generate");
  begins({{"prompt", "a"}, {"images", {"aGk="}}}, "images", "/api/generate");
  begins({{"prompt", "a"}, {"context", {1, 2}}}, "context", "/api/generate");
  begins({{"prompt", "a"}, {"template", "{{ .Prompt }}"}}, "template", "/api/generate");
  EXPECT_TRUE(error("/api/chat", ask("hi", {{"model", "none"}}), 404).starts_with("model not found:"));
  const std::string long_text = error("/api/chat", ask(std::string(5000, 'x')));
  EXPECT_TRUE(long_text.starts_with("messages: ") && long_text.find("2048") != std::string::npos) << long_text;
  EXPECT_NE(test::call(port(), "POST", "/api/chat", "{").body.find("\"error\":\"the body"), std::string::npos);
  ask_whole("/api/chat", ask("hi", {{"tools", json::array()}, {"format", ""}, {"think", false}, {"options", nullptr}}));
}

// Whatever stands in whatever field: an answer or a 400 with a text, never a fault.
TEST_F(OllamaTest, WrongTypesAreRefusedInEveryField) {
  start();
  const std::vector<json> values = {nullptr,
                                    true,
                                    -1,
                                    1e300,
                                    "x",
                                    "\xf0\x9f\x8e\x89",
                                    json::array(),
                                    {1, "a", nullptr},
                                    json::object(),
                                    {{"a", {{"b", 1}}}}};
  for (const char* path : {"/api/chat", "/api/generate", "/api/show"}) {
    for (const char* field :
         {"model", "messages", "prompt", "stream", "options", "format", "tools", "think", "keep_alive", "suffix",
          "system", "raw", "template", "images", "context", "heed", "name", "verbose"}) {
      for (const json& value : values) {
        json body = ask("hi", {{"prompt", "hi"}, {"model", "fake"}, {"options", {{"num_predict", 2}}}});
        body[field] = value;
        const Reply reply = post(path, body);
        EXPECT_TRUE(reply.status == 200 || reply.status == 400 || reply.status == 404) << path << body << reply.body;
        EXPECT_TRUE(reply.status == 200 || reply.json()["error"].is_string()) << reply.body;
      }
    }
  }
  for (const char* option :
       {"num_predict", "temperature", "top_k", "top_p", "min_p", "seed", "stop", "repeat_penalty"}) {
    for (const json& value : values) {
      const Reply reply = post("/api/chat", ask("hi", {{"options", {{option, value}, {"x", 1}}}, {"stream", false}}));
      EXPECT_TRUE(reply.status == 200 || reply.status == 400) << option << value << reply.body;
    }
  }
}

TEST_F(OllamaTest, AFailureInAStreamIsItsLastLine) {
  start({.model = {.end_bias = -100}});
  fake().fail_at_step(fake().steps() + 4);
  const auto lines = records("/api/chat", ask());
  ASSERT_GE(lines.size(), 2u);
  EXPECT_TRUE(lines.back()["error"].is_string()) << lines.back();
}

TEST_F(OllamaTest, LatestIsTheModel) {
  sources.specs = {{"first", {}}, {"second:latest", {}}};
  start({}, {}, {.max_loaded = 2});
  EXPECT_EQ(ask_whole("/api/chat", ask("hi", {{"model", "first:latest"}}))["model"], "first");
  EXPECT_EQ(ask_whole("/api/chat", ask("hi", {{"model", "second"}}))["model"], "second:latest");
  EXPECT_EQ(post("/api/show", {{"name", "first:latest"}}).status, 200);
  EXPECT_EQ(get("/v1/models/first:latest").status, 200);
}

TEST_F(OllamaTest, PagesAboutModels) {
  sources.specs = {{"writer", {}}, {"reader", {.model = {.context = 16, .vector_size = 8}, .chat_template = ""}}};
  sources.facts["writer"] = {.format = "gguf",
                             .family = "qwen2",
                             .quantization = "Q4_K_M",
                             .chat_template = "{{ x }}",
                             .sha256 = "abc",
                             .parameters = 494'032'768,
                             .fills_gaps = true};
  sources.facts["writer"].info["qwen2.block_count"] = 24;
  sources.facts["reader"].makes_vectors = true;
  start({}, {}, {.max_loaded = 2});
  EXPECT_EQ(get("/api/version").json(), (json{{"version", "test"}}));
  const json tags = get("/api/tags").json()["models"];
  ASSERT_EQ(tags.size(), 2u);
  EXPECT_EQ(tags[0]["name"], "writer");
  EXPECT_EQ(tags[0]["model"], "writer");
  EXPECT_EQ(tags[0]["modified_at"], "2023-11-14T22:13:20.000000000Z");
  EXPECT_EQ(tags[0]["size"], 42);
  EXPECT_EQ(tags[0]["digest"], "abc");
  EXPECT_EQ(tags[0]["details"]["parameter_size"], "494.03M");
  EXPECT_EQ(tags[0]["details"]["quantization_level"], "Q4_K_M");
  EXPECT_EQ(tags[0]["details"]["families"], json::array({"qwen2"}));
  EXPECT_EQ(get("/api/ps").json()["models"].size(), 0u);
  fake("writer");
  const json ps = get("/api/ps").json()["models"];
  ASSERT_EQ(ps.size(), 1u);
  EXPECT_EQ(ps[0]["name"], "writer");
  EXPECT_EQ(ps[0]["context_length"], 2048);
  EXPECT_EQ(ps[0]["size_vram"], 0);
  const json shown = post("/api/show", {{"model", "writer"}}).json();
  EXPECT_EQ(shown["capabilities"], (json{"completion", "insert"}));
  EXPECT_EQ(shown["template"], "{{ x }}");
  EXPECT_EQ(shown["model_info"], (json{{"qwen2.block_count", 24}}));
  EXPECT_EQ(shown["details"]["family"], "qwen2");
  EXPECT_NE(shown["parameters"].get<std::string>().find("temperature"), std::string::npos);
  EXPECT_EQ(post("/api/show", {{"model", "reader"}}).json()["capabilities"], json::array({"embedding"}));
  error("/api/show", json::object());
  error("/api/show", {{"model", "none"}}, 404);
}

TEST_F(OllamaTest, KeysAreAskedForInItsShape) {
  start({}, {.api_keys = {"sk-test-key"}});
  for (const char* path : {"/api/chat", "/api/generate", "/api/show", "/api/embed"}) error(path, ask(), 401);
  for (const char* path : {"/api/tags", "/api/ps", "/api/version"}) {
    EXPECT_EQ(get(path).status, 401) << path;
    EXPECT_EQ(get(path, {{"Authorization", "Bearer sk-test-key"}}).status, 200) << path;
  }
}

TEST_F(OllamaTest, IsDocumented) {
  start();
  const json document = get("/openapi.json").json();
  const json& chat = document["components"]["schemas"]["OllamaChatRequest"]["properties"];
  EXPECT_EQ(chat["options"]["properties"]["num_predict"]["type"], "integer");
  EXPECT_EQ(chat["options"]["properties"]["temperature"]["maximum"], 2.0);
  EXPECT_TRUE(chat["tools"]["description"].get<std::string>().starts_with("Not supported yet"));
  for (const char* path : {"/v1/api/chat", "/v1/api/generate", "/v1/api/show"}) {
    const json& body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
    const std::string name = body["$ref"].get<std::string>().substr(std::string("#/components/schemas/").size());
    EXPECT_TRUE(document["components"]["schemas"].contains(name)) << path;
  }
}

}  // namespace
}  // namespace heed
