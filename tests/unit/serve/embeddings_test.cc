// embeddings_test.cc -- /v1/embeddings and Ollama's paths: shapes, encodings, refusals by name.
#include <cmath>
#include <cstring>

#include "tests/unit/serve/service_fixture.h"
#include "text/base64.h"

namespace heed {
namespace {

using nlohmann::json;
using test::Reply;

constexpr FakeModelOptions kVectors{.context = 16, .vector_size = 8};

class EmbeddingsTest : public test::ServiceTest {
 protected:
  void start_embedder(FakeModelOptions model = kVectors) { start({.model = model, .chat_template = ""}); }
  json embed(const json& body, const std::string& path = "/v1/embeddings") {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.json();
  }
  json error(const json& body, const std::string& path = "/v1/embeddings") {
    const Reply reply = post(path, body);
    EXPECT_EQ(reply.status, 400) << reply.body;
    return reply.json()["error"];
  }
};

std::vector<float> floats(const std::string& base64) {
  const std::string bytes = base64_bytes(base64).value();
  std::vector<float> out(bytes.size() / 4);
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

TEST_F(EmbeddingsTest, AnswerHasEveryField) {
  start_embedder();
  const json got = embed({{"model", "fake"}, {"input", "abc"}});
  EXPECT_EQ(got["object"], "list");
  EXPECT_EQ(got["model"], "fake");
  EXPECT_EQ(got["data"][0]["object"], "embedding");
  EXPECT_EQ(got["data"][0]["index"], 0);
  EXPECT_EQ(got["usage"], (json{{"prompt_tokens", 3}, {"total_tokens", 3}}));
  const auto vector = got["data"][0]["embedding"].get<std::vector<float>>();
  ASSERT_EQ(vector.size(), 8u);
  double power = 0;
  for (const float x : vector) power += double{x} * x;
  EXPECT_NEAR(power, 1.0, 1e-6);
}

TEST_F(EmbeddingsTest, Base64IsTheSameNumbers) {
  start_embedder();
  const auto vector = embed({{"input", "abc"}})["data"][0]["embedding"].get<std::vector<float>>();
  EXPECT_EQ(floats(embed({{"input", "abc"}, {"encoding_format", "base64"}})["data"][0]["embedding"]), vector);
}

TEST_F(EmbeddingsTest, BatchesOfTextsAndTokensKeepTheirOrder) {
  start_embedder();
  const json all = embed({{"input", {"one", "two", "three"}}})["data"];
  ASSERT_EQ(all.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(all[i]["index"], i);
    EXPECT_EQ(all[i]["embedding"], embed({{"input", i == 0   ? "one"
                                                    : i == 1 ? "two"
                                                             : "three"}})["data"][0]["embedding"]);
  }
  EXPECT_EQ(embed({{"input", {111, 110, 101}}})["data"][0]["embedding"], all[0]["embedding"]) << "token ids";
  EXPECT_EQ(embed({{"input", {{111, 110, 101}, {116, 119, 111}}}})["data"][1]["embedding"], all[1]["embedding"]);
}

TEST_F(EmbeddingsTest, FewerDimensionsAreOfLengthOneAgain) {
  start_embedder();
  const auto whole = embed({{"input", "abc"}})["data"][0]["embedding"].get<std::vector<double>>();
  const auto part = embed({{"input", "abc"}, {"dimensions", 2}})["data"][0]["embedding"].get<std::vector<double>>();
  ASSERT_EQ(part.size(), 2u);
  EXPECT_NEAR(part[0] * part[0] + part[1] * part[1], 1.0, 1e-6);
  EXPECT_NEAR(part[0] / part[1], whole[0] / whole[1], 1e-4);
}

// embeddings over the window giving 500
TEST_F(EmbeddingsTest, OverTheWindowIsA400WithBothNumbers) {
  start_embedder();
  const json refused = error({{"input", {"short", "a text of more than 16 bytes"}}});
  EXPECT_EQ(refused["code"], "context_length_exceeded");
  EXPECT_EQ(refused["param"], "input[1]");
  EXPECT_NE(refused["message"].get<std::string>().find("28 tokens, the model reads at most 16"), std::string::npos)
      << refused;
  EXPECT_EQ(error({{"input", std::vector<int>(17, 65)}})["code"], "context_length_exceeded");
  const json cut = embed({{"input", "a text of more than 16 bytes"}, {"truncate", true}});
  EXPECT_EQ(cut["usage"]["prompt_tokens"], 16);
  EXPECT_EQ(cut["data"][0]["embedding"], embed({{"input", "a text of more t"}})["data"][0]["embedding"]);
}

TEST_F(EmbeddingsTest, RefusalsNameTheField) {
  start_embedder();
  EXPECT_EQ(error(json::object())["code"], "missing_required_parameter");
  EXPECT_EQ(error({{"input", 3}})["param"], "input");
  EXPECT_EQ(error({{"input", ""}})["param"], "input");
  EXPECT_EQ(error({{"input", json::array()}})["param"], "input");
  EXPECT_EQ(error({{"input", {"a", 1}}})["param"], "input[1]");
  EXPECT_EQ(error({{"input", {{1}, {9999}}}})["param"], "input[1][0]");
  EXPECT_EQ(error({{"input", {"a", ""}}})["param"], "input[1]");
  EXPECT_EQ(error({{"input", std::vector<std::string>(2049, "a")}})["param"], "input");
  EXPECT_EQ(error({{"input", "a"}, {"encoding_format", "int8"}})["param"], "encoding_format");
  EXPECT_EQ(error({{"input", "a"}, {"dimensions", 0}})["param"], "dimensions");
  EXPECT_EQ(error({{"input", "a"}, {"dimensions", 9}})["param"], "dimensions");
  EXPECT_EQ(error({{"input", "a"}, {"truncate", "yes"}})["param"], "truncate");
  EXPECT_EQ(post("/v1/embeddings", {{"input", "a"}, {"model", "none"}}).status, 404);
}

TEST_F(EmbeddingsTest, AModelDoesWhatItCan) {
  start_embedder();
  const json chat = error(ask(), "/v1/chat/completions");
  EXPECT_EQ(chat["code"], "model_not_supported");
  EXPECT_NE(chat["message"].get<std::string>().find("/v1/embeddings"), std::string::npos);
  EXPECT_EQ(error({{"prompt", "a"}}, "/v1/completions")["code"], "model_not_supported");
}

TEST_F(EmbeddingsTest, AModelThatWritesMakesNoVectors) {
  start();
  const json refused = error({{"input", "abc"}});
  EXPECT_EQ(refused["code"], "model_not_supported");
  EXPECT_EQ(refused["param"], "model");
}

TEST_F(EmbeddingsTest, WithoutANameTheFirstEmbedderAnswers) {
  sources.specs = {{"writer", {}}, {"reader", {.model = kVectors}}};
  sources.kinds = {{"reader", "embed"}};
  start({}, {}, {.max_loaded = 2});
  EXPECT_EQ(embed({{"input", "abc"}})["model"], "reader");
}

TEST_F(EmbeddingsTest, OllamasPaths) {
  start_embedder();
  const json vector = embed({{"input", "abc"}})["data"][0]["embedding"];
  const json got = embed({{"model", "fake"}, {"input", {"abc", "a text of more than 16 bytes"}}}, "/api/embed");
  EXPECT_EQ(got["model"], "fake");
  EXPECT_EQ(got["embeddings"].size(), 2u) << "long inputs are truncated unless the client says otherwise";
  EXPECT_EQ(got["embeddings"][0], vector);
  EXPECT_EQ(got["prompt_eval_count"], 19);
  const json refused = error({{"input", "a text of more than 16 bytes"}, {"truncate", false}}, "/api/embed");
  EXPECT_TRUE(refused.get<std::string>().starts_with("input: ")) << "Ollama's errors are texts: " << refused;
  EXPECT_EQ(post("/api/embed", {{"model", "none"}, {"input", "a"}}).status, 404);
  EXPECT_EQ(embed({{"model", "fake:latest"}, {"input", "abc"}}, "/api/embed")["embeddings"][0], vector);
  EXPECT_EQ(embed({{"prompt", "abc"}}, "/api/embeddings")["embedding"], vector);
}

TEST_F(EmbeddingsTest, AFailedPassIsA500AndTheNextOneWorks) {
  start_embedder();
  fake().fail_at_step(fake().steps() + 1);
  EXPECT_EQ(post("/v1/embeddings", {{"input", "abc"}}).status, 500);
  embed({{"input", "abc"}});
}

TEST_F(EmbeddingsTest, IsDocumented) {
  start_embedder();
  const json document = get("/openapi.json").json();
  const json& schema = document["components"]["schemas"]["EmbeddingRequest"];
  EXPECT_EQ(schema["required"], json::array({"input"}));
  EXPECT_TRUE(schema["properties"].contains("dimensions"));
  EXPECT_FALSE(schema["properties"].contains("temperature"));
  EXPECT_TRUE(document["paths"].contains("/v1/embeddings"));
}

}  // namespace
}  // namespace heed
