// llama_test.cc -- llama.cpp's paths and Mistral's fill-in-the-middle.
#include "tests/unit/serve/service_fixture.h"

namespace heed {
namespace {

using nlohmann::json;
using test::Reply;

class LlamaTest : public test::ServiceTest {
 protected:
  json complete(const json& body, const std::string& path = "/completion") {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json();
  }
  std::string openai_text(const json& body) {
    return post("/v1/completions", body).json()["choices"][0]["text"].get<std::string>();
  }
  json error(const json& body, const std::string& path = "/completion", int status = 400) {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, status) << reply.body;
    const json got = reply.json()["error"];
    EXPECT_EQ(got["code"], status);
    EXPECT_TRUE(got["message"].is_string() && got["type"].is_string()) << reply.body;
    return got;
  }
};

json byte_ids(const std::string& text) {
  json out = json::array();
  for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  return out;
}

TEST_F(LlamaTest, AnswerHasEveryField) {
  start({.model = {.end_bias = -100}});
  const json got = complete({{"prompt", "abc"}, {"n_predict", 8}, {"seed", 7}, {"top_k", 5}, {"stop", {"\x01"}}});
  EXPECT_EQ(got["content"].get<std::string>().size(), 8u);
  EXPECT_EQ(got["stop"], true);
  EXPECT_EQ(got["stop_type"], "limit");
  EXPECT_EQ(got["stopping_word"], "");
  EXPECT_EQ(got["tokens_predicted"], 8);
  EXPECT_EQ(got["tokens_evaluated"], 3);
  EXPECT_EQ(got["truncated"], false);
  EXPECT_EQ(got["model"], "fake");
  EXPECT_EQ(got["prompt"], "abc");
  EXPECT_EQ(got["tokens"], json::array());
  const json& settings = got["generation_settings"];
  EXPECT_EQ(settings["n_predict"], 8);
  EXPECT_EQ(settings["seed"], 7);
  EXPECT_EQ(settings["top_k"], 5);
  EXPECT_EQ(settings["n_ctx"], 2048);
  EXPECT_FLOAT_EQ(settings["temperature"].get<float>(), 0.8f);
  EXPECT_FLOAT_EQ(settings["top_p"].get<float>(), 0.95f);
  EXPECT_FLOAT_EQ(settings["min_p"].get<float>(), 0.05f);
  EXPECT_EQ(settings["stop"], json::array({"\x01"}));
  const json& timings = got["timings"];
  EXPECT_EQ(timings["prompt_n"].get<int>() + timings["cache_n"].get<int>(), 3);
  EXPECT_EQ(timings["predicted_n"], 8);
  for (const char* name : {"prompt_ms", "prompt_per_second", "predicted_ms", "predicted_per_second"})
    EXPECT_TRUE(timings[name].is_number()) << name;
}

TEST_F(LlamaTest, StopTypesAreTold) {
  start({.model = {.mode = FakeMode::echo}});
  const std::string prompt = "<|im_start|>user\nabcdef<|im_end|>\n<|im_start|>assistant\n";
  const json end = complete({{"prompt", prompt}, {"temperature", 0}});
  EXPECT_EQ(end["content"], "abcdef") << "control tokens of a prompt are read as such";
  EXPECT_EQ(end["stop_type"], "eos");
  const json word = complete({{"prompt", prompt}, {"temperature", 0}, {"stop", {"zz", "", "de"}}});
  EXPECT_EQ(word["content"], "abc");
  EXPECT_EQ(word["stop_type"], "word");
  EXPECT_EQ(word["stopping_word"], "de");
  EXPECT_EQ(complete({{"prompt", prompt}, {"n_predict", 2}, {"temperature", 0}})["stop_type"], "limit");
}

TEST_F(LlamaTest, ItIsTheSameGeneration) {
  start();
  const json theirs = {{"prompt", "abc"}, {"n_predict", 20}, {"seed", 2}, {"repeat_penalty", 1.3}};
  const json ours = {{"prompt", "abc"}, {"max_tokens", 20},   {"seed", 2},     {"repetition_penalty", 1.3},
                     {"top_k", 40},     {"temperature", 0.8}, {"top_p", 0.95}, {"min_p", 0.05}};
  EXPECT_EQ(complete(theirs)["content"], openai_text(ours));
  json tokens = theirs;
  tokens["prompt"] = byte_ids("abc");
  EXPECT_EQ(complete(tokens)["content"], complete(theirs)["content"]);
}

TEST_F(LlamaTest, AStreamEndsWithoutDone) {
  start();
  json body = {{"prompt", "abc"}, {"n_predict", 20}, {"seed", 2}, {"return_tokens", true}};
  const json whole = complete(body);
  body["stream"] = true;
  const Reply reply = post("/completion", body);
  EXPECT_TRUE(reply.header("content-type").starts_with("text/event-stream"));
  const auto events = test::parse_events(reply.body);
  EXPECT_FALSE(events.is_done);
  std::string text;
  json tokens = json::array();
  for (std::size_t i = 0; i < events.data.size(); ++i) {
    const json& event = events.data[i];
    EXPECT_EQ(event["stop"], i + 1 == events.data.size());
    text += event["content"].get<std::string>();
    for (const json& token : event["tokens"]) tokens.push_back(token);
  }
  EXPECT_EQ(text, whole["content"]);
  EXPECT_EQ(tokens, whole["tokens"]);
  EXPECT_EQ(events.data.back()["tokens_predicted"], whole["tokens_predicted"]);
  EXPECT_EQ(events.data.back()["stop_type"], whole["stop_type"]);
}

TEST_F(LlamaTest, Probabilities) {
  start({.model = {.end_bias = -100}});
  json body = {{"prompt", "abc"}, {"n_predict", 4}, {"n_probs", 3}};
  const json got = complete(body)["completion_probabilities"];
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[0]["top_logprobs"].size(), 3u);
  for (const char* name : {"id", "token", "bytes", "logprob"}) EXPECT_TRUE(got[0].contains(name)) << name;
  body["stream"] = true;
  json streamed = json::array();
  for (const json& event : test::parse_events(post("/completion", body).body).data) {
    for (const json& token : event.value("completion_probabilities", json::array())) streamed.push_back(token);
  }
  EXPECT_EQ(streamed, got);
  EXPECT_FALSE(complete({{"prompt", "abc"}, {"n_probs", 0}}).contains("completion_probabilities"));
}

TEST_F(LlamaTest, SeveralPromptsAreAnArray) {
  start();
  const json got = complete({{"prompt", {"one", "two"}}, {"n_predict", 5}});
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1]["index"], 1);
  EXPECT_EQ(got[1]["content"], complete({{"prompt", "two"}, {"n_predict", 5}})["content"]);
  EXPECT_EQ(complete({{"prompt", "one"}, {"n_predict", 5}, {"n_cmpl", 3}}).size(), 3u);
}

TEST_F(LlamaTest, ASeedOfMinusOneIsDrawnAndTold) {
  start();
  const json body = {{"prompt", "abc"}, {"n_predict", 2}, {"seed", -1}};
  const json first = complete(body)["generation_settings"]["seed"],
             second = complete(body)["generation_settings"]["seed"];
  EXPECT_NE(first, second);
  EXPECT_EQ(complete({{"prompt", "abc"}, {"n_predict", 2}})["generation_settings"]["seed"], 0)
      << "same request, same answer";
}

TEST_F(LlamaTest, BiasesArePairs) {
  start({.model = {.end_bias = -100}});
  const std::string text = complete({{"prompt", "abc"}, {"n_predict", 1}, {"temperature", 0}})["content"];
  const int token = static_cast<unsigned char>(text[0]);
  const auto biased = [&](const json& bias) {
    return complete({{"prompt", "abc"}, {"n_predict", 1}, {"temperature", 0}, {"logit_bias", bias}})["content"];
  };
  EXPECT_NE(biased({{token, false}}), text);
  EXPECT_NE(biased({{std::to_string(token), -50}}), text) << "an object, OpenAI's form";
  EXPECT_EQ(biased(json::array({json::array({65, 100})})), "A");
  EXPECT_TRUE(error({{"prompt", "a"}, {"logit_bias", {{"Hello", -1}, 3}}})["message"].get<std::string>().starts_with(
      "logit_bias[0]"));
}

TEST_F(LlamaTest, InfillIsFillInTheMiddle) {
  start();
  const json want = {{"prompt", "head"}, {"suffix", "tail"}, {"temperature", 0}, {"max_tokens", 10}};
  const json settings = {{"temperature", 0}, {"n_predict", 10}};
  json body = {{"input_prefix", "head"}, {"input_suffix", "tail"}};
  body.update(settings);
  EXPECT_EQ(complete(body, "/infill")["content"], openai_text(want));
  json tokens = byte_ids("extra\n");
  const auto add = [&](const json& more) {
    for (const json& token : more) tokens.push_back(token);
  };
  tokens.push_back(FakeTokenizer::fim_prefix);
  add(byte_ids("head"));
  tokens.push_back(FakeTokenizer::fim_suffix);
  add(byte_ids("tail"));
  tokens.push_back(FakeTokenizer::fim_middle);
  add(byte_ids("be"));
  body["input_extra"] = {{{"filename", "a.py"}, {"text", "extra"}}};
  body["prompt"] = "be";
  const json got = complete(body, "/infill");
  EXPECT_EQ(got["content"], openai_text({{"prompt", tokens}, {"temperature", 0}, {"max_tokens", 10}}));
  EXPECT_EQ(got["tokens_evaluated"], tokens.size());
}

TEST_F(LlamaTest, ErrorsNameTheField) {
  start();
  const auto begins = [&](const json& body, const std::string& field, const char* path = "/completion") {
    const std::string text = error(body, path)["message"];
    EXPECT_TRUE(text.starts_with(field + ": ")) << text;
  };
  begins(json::object(), "prompt");
  begins({{"prompt", 3}}, "prompt");
  begins({{"prompt", "a"}, {"n_predict", "x"}}, "n_predict");
  begins({{"prompt", "a"}, {"n_predict", -7}}, "n_predict");
  begins({{"prompt", "a"}, {"max_tokens", -7}}, "max_tokens");
  begins({{"prompt", "a"}, {"n_probs", 99}}, "n_probs");
  begins({{"prompt", "a"}, {"repeat_penalty", 0}}, "repeat_penalty");
  begins({{"prompt", "a"}, {"cache_prompt", 3}}, "cache_prompt");
  begins({{"prompt", "a"}, {"grammar", "root ::= \"a\""}}, "grammar");
  begins({{"prompt", "a"}, {"json_schema", json::object()}}, "json_schema");
  begins({{"input_prefix", 3}}, "input_prefix", "/infill");
  begins(json::object(), "input_prefix", "/infill");
  begins({{"input_prefix", "a"}, {"input_extra", {{{"text", 3}}}}}, "input_extra[0].text", "/infill");
  begins({{"input_prefix", "a"}, {"input_extra", {3}}}, "input_extra[0]", "/infill");
  begins({{"input_prefix", "a"}, {"prompt", {1, 2}}}, "prompt", "/infill");
  EXPECT_EQ(error({{"prompt", "a"}, {"grammar", "x"}})["type"], "not_supported_error");
  EXPECT_EQ(error({{"prompt", std::string(5000, 'x')}})["type"], "exceed_context_size_error");
  EXPECT_EQ(error({{"prompt", "a"}, {"model", "none"}}, "/completion", 404)["type"], "not_found_error");
  complete({{"prompt", "a"}, {"grammar", ""}, {"n_predict", 1}, {"samplers", {"top_k"}}, {"id_slot", -1}});
}

TEST_F(LlamaTest, WrongTypesAreRefusedInEveryField) {
  start();
  const std::vector<json> values = {
      nullptr, true, -1, 1e300, "x", json::array(), {1, "a", nullptr}, json::object(), {{"a", {{"b", 1}}}}};
  for (const char* path : {"/completion", "/infill", "/fim/completions"}) {
    for (const char* field :
         {"model",        "prompt",       "suffix",      "stream",    "n_predict",     "max_tokens", "temperature",
          "top_k",        "top_p",        "min_p",       "seed",      "random_seed",   "stop",       "logit_bias",
          "ignore_eos",   "n_probs",      "n_cmpl",      "heed",      "return_tokens", "grammar",    "json_schema",
          "input_prefix", "input_suffix", "input_extra", "min_tokens"}) {
      for (const json& value : values) {
        json body = {{"prompt", "hi"}, {"input_prefix", "a"}, {"n_predict", 2}, {"max_tokens", 2}};
        body[field] = value;
        const Reply reply = post(path, body);
        EXPECT_TRUE(reply.status == 200 || reply.status == 400 || reply.status == 404) << path << body << reply.body;
        EXPECT_TRUE(reply.status == 200 || reply.json()["error"]["message"].is_string()) << reply.body;
      }
    }
  }
}

TEST_F(LlamaTest, AFailureInAStreamIsAnEvent) {
  start({.model = {.end_bias = -100}});
  fake().fail_at_step(fake().steps() + 4);
  const auto events = test::parse_events(post("/completion", {{"prompt", "abc"}, {"stream", true}}).body);
  ASSERT_GE(events.data.size(), 2u);
  EXPECT_EQ(events.data.back()["error"]["code"], 500);
}

TEST_F(LlamaTest, PropsAndSlots) {
  start({.engine = {.max_running = 3}});
  EXPECT_EQ(get("/slots").json(), json::array()) << "no model is loaded";
  const json props = get("/props").json();
  EXPECT_EQ(props["total_slots"], 3);
  EXPECT_EQ(props["model_alias"], "fake");
  EXPECT_EQ(props["default_generation_settings"]["n_ctx"], 2048);
  EXPECT_EQ(props["default_generation_settings"]["params"]["top_k"], 40);
  EXPECT_EQ(props["default_generation_settings"]["params"]["n_predict"], -1);
  EXPECT_NE(props["chat_template"].get<std::string>().find("im_start"), std::string::npos);
  EXPECT_EQ(props["build_info"], "heed test");
  const json slots = get("/slots").json();
  ASSERT_EQ(slots.size(), 3u);
  for (const json& slot : slots) EXPECT_EQ(slot["is_processing"], false);
  FakeModel& model = fake();
  model.hold();
  std::thread asking([&] { complete({{"prompt", "abc"}, {"n_predict", 2}}); });
  EXPECT_TRUE(model.wait_until_held(10'000));
  EXPECT_TRUE(test::becomes([&] { return get("/slots").json()[0]["is_processing"] == true; }));
  EXPECT_EQ(get("/slots").json()[1]["is_processing"], false);
  model.resume();
  asking.join();
}

TEST_F(LlamaTest, KeysAreAskedForInItsShape) {
  start({}, {.api_keys = {"sk-test-key"}});
  EXPECT_EQ(error({{"prompt", "a"}}, "/completion", 401)["type"], "authentication_error");
  for (const char* path : {"/props", "/slots"}) EXPECT_EQ(get(path).status, 401);
}

TEST_F(LlamaTest, MistralsFillInTheMiddle) {
  start();
  const json body = {{"prompt", "head"}, {"suffix", "tail"}, {"max_tokens", 10}, {"random_seed", 4}};
  const json got = complete(body, "/v1/fim/completions");
  EXPECT_EQ(got["object"], "chat.completion");
  EXPECT_EQ(got["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(got["choices"][0]["message"]["content"],
            openai_text({{"prompt", "head"}, {"suffix", "tail"}, {"max_tokens", 10}, {"seed", 4}}));
  EXPECT_EQ(got["usage"]["prompt_tokens"], 11);
  json streamed = body;
  streamed["stream"] = true;
  std::string text;
  const auto events = test::parse_events(post("/v1/fim/completions", streamed).body);
  EXPECT_TRUE(events.is_done);
  for (const json& event : events.data) text += event["choices"][0]["delta"].value("content", "");
  EXPECT_EQ(text, got["choices"][0]["message"]["content"]);
  const auto refused = [&](const json& wrong) { return post("/v1/fim/completions", wrong).json()["error"]["param"]; };
  EXPECT_EQ(refused(json::object()), "prompt");
  EXPECT_EQ(refused({{"prompt", {1, 2}}}), "prompt");
  EXPECT_EQ(refused({{"prompt", "a"}, {"random_seed", "x"}}), "random_seed");
  EXPECT_EQ(refused({{"prompt", "a"}, {"min_tokens", 5}}), "min_tokens");
}

TEST_F(LlamaTest, IsDocumented) {
  start();
  const json document = get("/openapi.json").json();
  const json& schemas = document["components"]["schemas"];
  EXPECT_EQ(schemas["LlamaCompletionRequest"]["properties"]["n_predict"]["type"], "integer");
  EXPECT_TRUE(schemas["LlamaInfillRequest"]["properties"].contains("input_extra"));
  EXPECT_EQ(schemas["FimRequest"]["required"], json::array({"prompt"}));
  for (const char* path : {"/v1/completion", "/v1/infill", "/v1/fim/completions"})
    EXPECT_TRUE(
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"].contains("$ref"));
  for (const char* path : {"/v1/props", "/v1/slots"}) EXPECT_TRUE(document["paths"].contains(path));
}

}  // namespace
}  // namespace heed
