// completions_test.cc -- /v1/completions, /tokenize and kin.
#include "tests/unit/serve/service_fixture.h"

namespace heed {
namespace {

using nlohmann::json;
using test::FakeSpec;
using test::Reply;

class CompletionsTest : public test::ServiceTest {
 protected:
  json complete(const json& body) {
    const Reply reply = post("/v1/completions", body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json();
  }
  json error(const std::string& path, const json& body) {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    return reply.json()["error"];
  }
};

json bytes(const std::string& text) {
  json out = json::array();
  for (const char c : text) out.push_back(static_cast<unsigned char>(c));
  return out;
}

TEST_F(CompletionsTest, AnswerHasEveryField) {
  start({.model = {.end_bias = -100}});
  const json got = complete({{"prompt", "abc"}});
  EXPECT_TRUE(got["id"].get<std::string>().starts_with("cmpl-"));
  EXPECT_EQ(got["object"], "text_completion");
  EXPECT_EQ(got["choices"][0]["finish_reason"], "length");
  EXPECT_TRUE(got["choices"][0]["logprobs"].is_null());
  EXPECT_EQ(got["usage"]["prompt_tokens"], 3);
  EXPECT_EQ(got["usage"]["completion_tokens"], 16) << "OpenAI's default";
}

TEST_F(CompletionsTest, TextAndTokensAreTheSamePrompt) {
  start();
  EXPECT_EQ(complete({{"prompt", "abc"}})["choices"][0]["text"],
            complete({{"prompt", bytes("abc")}})["choices"][0]["text"]);
}

TEST_F(CompletionsTest, BatchesKeepTheirOrder) {
  start();
  const json got = complete({{"prompt", {"one", "two"}}, {"n", 2}, {"seed", 4}});
  ASSERT_EQ(got["choices"].size(), 4u);
  for (int i = 0; i < 4; ++i) {
    const json one = complete({{"prompt", i < 2 ? "one" : "two"}, {"seed", 4 + i % 2}});
    EXPECT_EQ(got["choices"][static_cast<std::size_t>(i)]["text"], one["choices"][0]["text"]) << i;
    EXPECT_EQ(got["choices"][static_cast<std::size_t>(i)]["index"], i);
  }
  EXPECT_EQ(got["usage"]["prompt_tokens"], 6);
  const json tokens = complete({{"prompt", {bytes("one"), bytes("two")}}, {"n", 2}, {"seed", 4}});
  EXPECT_EQ(tokens["choices"], got["choices"]);
}

// Ask: echo logprobs.
TEST_F(CompletionsTest, EchoLogprobs) {
  start();
  const json got =
      complete({{"prompt", "a\xc3\xa4z"}, {"echo", true}, {"logprobs", 2}, {"max_tokens", 3}, {"seed", 1}});
  const json& choice = got["choices"][0];
  const json& lists = choice["logprobs"];
  EXPECT_TRUE(choice["text"].get<std::string>().starts_with("a\xc3\xa4z"));
  ASSERT_EQ(lists["tokens"].size(), 7u);
  for (const char* name : {"token_logprobs", "top_logprobs", "text_offset"}) EXPECT_EQ(lists[name].size(), 7u) << name;
  EXPECT_TRUE(lists["token_logprobs"][0].is_null());
  EXPECT_TRUE(lists["top_logprobs"][0].is_null());
  for (std::size_t i = 1; i < 7; ++i) {
    EXPECT_LE(lists["token_logprobs"][i].get<double>(), 0);
    EXPECT_GE(lists["top_logprobs"][i].size(), 2u);
    EXPECT_LE(lists["top_logprobs"][i].size(), 3u);
  }
  EXPECT_EQ(lists["text_offset"][0], 0);
  EXPECT_EQ(lists["text_offset"][1], 1);
  EXPECT_EQ(lists["text_offset"][4], 3) << "offsets count characters";
}

TEST_F(CompletionsTest, ScoringAPromptDrawsNothing) {
  start();
  const json got = complete({{"prompt", "abc"}, {"echo", true}, {"logprobs", 0}, {"max_tokens", 0}});
  EXPECT_EQ(got["choices"][0]["text"], "abc");
  EXPECT_EQ(got["choices"][0]["logprobs"]["tokens"], (json{"a", "b", "c"}));
  EXPECT_EQ(got["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(got["usage"]["completion_tokens"], 0);
  // The score of a token does not depend on what follows it.
  const json longer = complete({{"prompt", "abcd"}, {"echo", true}, {"logprobs", 0}, {"max_tokens", 0}});
  EXPECT_EQ(got["choices"][0]["logprobs"]["token_logprobs"][2], longer["choices"][0]["logprobs"]["token_logprobs"][2]);
}

TEST_F(CompletionsTest, StreamAndWholeAnswerAgree) {
  start();
  json body = {{"prompt", "abc"}, {"echo", true}, {"logprobs", 1}, {"max_tokens", 20}, {"seed", 2}};
  const json whole = complete(body)["choices"][0];
  body["stream"] = true;
  std::string text;
  json tokens = json::array(), offsets = json::array();
  for (const json& chunk : test::parse_events(post("/v1/completions", body).body).data) {
    const json& choice = chunk["choices"][0];
    text += choice["text"].get<std::string>();
    if (choice["logprobs"].is_null()) continue;
    for (const json& token : choice["logprobs"]["tokens"]) tokens.push_back(token);
    for (const json& offset : choice["logprobs"]["text_offset"]) offsets.push_back(offset);
  }
  EXPECT_EQ(text, whole["text"]);
  EXPECT_EQ(tokens, whole["logprobs"]["tokens"]);
}

TEST_F(CompletionsTest, SuffixFillsTheMiddle) {
  start();
  json tokens = json::array({FakeTokenizer::fim_prefix});
  for (const json& token : bytes("head")) tokens.push_back(token);
  tokens.push_back(FakeTokenizer::fim_suffix);
  for (const json& token : bytes("tail")) tokens.push_back(token);
  tokens.push_back(FakeTokenizer::fim_middle);
  EXPECT_EQ(complete({{"prompt", "head"}, {"suffix", "tail"}})["choices"][0]["text"],
            complete({{"prompt", tokens}})["choices"][0]["text"]);
}

TEST_F(CompletionsTest, ControlTextInAPromptIsText) {
  start();
  EXPECT_EQ(complete({{"prompt", "<|im_start|>"}})["usage"]["prompt_tokens"], 12);
}

TEST_F(CompletionsTest, ErrorsNameTheField) {
  start();
  EXPECT_EQ(error("/v1/completions", json::object())["param"], "prompt");
  EXPECT_EQ(error("/v1/completions", {{"prompt", 3}})["param"], "prompt");
  EXPECT_EQ(error("/v1/completions", {{"prompt", ""}})["param"], "prompt");
  EXPECT_EQ(error("/v1/completions", {{"prompt", json::array()}})["param"], "prompt");
  EXPECT_EQ(error("/v1/completions", {{"prompt", {1, 999999}}})["param"], "prompt[1]");
  EXPECT_EQ(error("/v1/completions", {{"prompt", {1, -1}}})["param"], "prompt[1]");
  EXPECT_EQ(error("/v1/completions", {{"prompt", {1, "a"}}})["param"], "prompt[1]");
  EXPECT_EQ(error("/v1/completions", {{"prompt", {"a", 1}}})["param"], "prompt[1]");
  EXPECT_EQ(error("/v1/completions", {{"prompt", "a"}, {"best_of", 2}})["param"], "best_of");
  EXPECT_EQ(error("/v1/completions", {{"prompt", std::string(5000, 'x')}})["code"], "context_length_exceeded");
  EXPECT_EQ(error("/v1/completions", {{"prompt", json(std::vector<std::string>(40, "a"))}, {"n", 4}})["param"], "n");
}

TEST_F(CompletionsTest, TokenizeAndBack) {
  start();
  const json tokens = post("/tokenize", {{"content", "a\xc3\xa4"}}).json();
  EXPECT_EQ(tokens["tokens"], (json{97, 0xc3, 0xa4}));
  const json two = post("/tokenize", {{"content", "a\xc3\xa4"}, {"with_pieces", true}}).json();
  EXPECT_EQ(two["tokens"][0], (json{{"id", 97}, {"piece", "a"}}));
  EXPECT_EQ(two["tokens"][1]["piece"], json::array({0xc3}));
  EXPECT_EQ(post("/detokenize", {{"tokens", tokens["tokens"]}}).json()["content"], "a\xc3\xa4");
  EXPECT_EQ(post("/tokenize", {{"content", "<|im_end|>"}}).json()["tokens"], json::array({257}));
  EXPECT_EQ(post("/tokenize", {{"content", "<|im_end|>"}, {"parse_special", false}}).json()["tokens"].size(), 10u);
  EXPECT_EQ(error("/tokenize", json::object())["param"], "content");
  EXPECT_EQ(error("/tokenize", {{"content", "a"}, {"with_pieces", 1}})["param"], "with_pieces");
  EXPECT_EQ(error("/detokenize", {{"tokens", {99999}}})["param"], "tokens[0]");
  EXPECT_EQ(error("/detokenize", json::object())["param"], "tokens");
}

TEST_F(CompletionsTest, ApplyTemplate) {
  start();
  EXPECT_EQ(post("/apply-template", ask("hi")).json()["prompt"],
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(error("/apply-template", json::object())["param"], "messages");
}

}  // namespace
}  // namespace heed
