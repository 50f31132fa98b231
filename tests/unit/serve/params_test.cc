// params_test.cc -- the parameter table: every row's type and range, what belongs together, what has no room yet.
#include "serve/params.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "serve/prompt.h"

namespace heed {
namespace {

const char* kChatBase = R"({"messages":[{"role":"user","content":"hi"}]})";
const char* kCompletionBase = R"({"prompt":"hi"})";
const char* kEmbeddingBase = R"({"input":"hi"})";
constexpr Endpoint kEndpoints[] = {kChatEndpoint, kCompletionEndpoint, kEmbeddingEndpoint};

/// A body with what the endpoint requires.
Json base_of(Endpoint endpoint) {
  if (endpoint == kEmbeddingEndpoint) return Json::parse(kEmbeddingBase);
  return Json::parse(endpoint == kChatEndpoint ? kChatBase : kCompletionBase);
}

std::optional<ApiError> parse(Endpoint endpoint, const std::string& more, GenerationParams& out) {
  Json body = base_of(endpoint);
  body.update(Json::parse(more));
  return parse_params(body, endpoint, out);
}

std::optional<ApiError> chat(const std::string& more) {
  GenerationParams out;
  return parse(kChatEndpoint, more, out);
}

GenerationParams good_chat(const std::string& more) {
  GenerationParams out;
  const auto error = parse(kChatEndpoint, more, out);
  EXPECT_FALSE(error) << more << ": " << error->message;
  return out;
}

TEST(Params, DefaultsAreDeterministic) {
  const GenerationParams params = good_chat("{}");
  EXPECT_EQ(params.sampling.seed, 0u);
  EXPECT_EQ(params.sampling.temperature, 1.0f);
  EXPECT_EQ(params.sampling.top_p, 1.0f);
  EXPECT_EQ(params.max_tokens, -1);
  EXPECT_EQ(params.n, 1);
  EXPECT_FALSE(params.stream);
  GenerationParams completion;
  ASSERT_FALSE(parse(kCompletionEndpoint, "{}", completion));
  EXPECT_EQ(completion.max_tokens, 16);
}

TEST(Params, EveryRowRefusesWrongTypesNamingTheField) {
  for (const ParamRow& row : parameter_table()) {
    if (row.apply == nullptr || row.type == ParamType::any) continue;
    for (const Endpoint endpoint : kEndpoints) {
      if ((row.endpoints & endpoint) == 0) continue;
      const std::string name(row.name);
      const bool wants_flag = row.type == ParamType::boolean;
      GenerationParams out;
      const auto error = parse(endpoint, "{\"" + name + "\":" + (wants_flag ? "\"yes\"" : "true") + "}", out);
      ASSERT_TRUE(error) << name;
      EXPECT_EQ(error->status, 400) << name;
      EXPECT_EQ(error->param, name);
      EXPECT_EQ(error->code, "invalid_type") << name;
      EXPECT_NE(error->message.find(name), std::string::npos);
    }
  }
}

TEST(Params, EveryNumberRefusesValuesJustOutsideItsRange) {
  for (const ParamRow& row : parameter_table()) {
    const bool is_number = row.type == ParamType::number || row.type == ParamType::integer;
    if (!is_number || row.name == "seed") continue;
    const auto endpoint = std::find_if(std::begin(kEndpoints), std::end(kEndpoints),
                                       [&](Endpoint e) { return (row.endpoints & e) != 0; });
    for (const double value : {row.low - 1, row.high + 1}) {
      Json body = base_of(*endpoint);
      body[std::string(row.name)] = value;
      GenerationParams out;
      const auto error = parse_params(body, *endpoint, out);
      ASSERT_TRUE(error) << row.name << " " << value;
      EXPECT_EQ(error->param, row.name);
      EXPECT_EQ(error->code, "invalid_value");
    }
  }
}

TEST(Params, NullMeansAbsent) {
  for (const ParamRow& row : parameter_table()) {
    if (row.name == "messages" || row.name == "prompt") continue;
    EXPECT_FALSE(chat("{\"" + std::string(row.name) + "\":null}")) << row.name;
  }
}

TEST(Params, UnknownFieldsAreIgnored) {
  EXPECT_FALSE(chat(R"({"frobnicate":{"a":[1]},"metadata":{},"service_tier":"auto"})"));
}

TEST(Params, RequiredFieldsAreNamed) {
  GenerationParams out;
  const auto chat_error = parse_params(Json::object(), kChatEndpoint, out);
  ASSERT_TRUE(chat_error);
  EXPECT_EQ(chat_error->param, "messages");
  EXPECT_EQ(chat_error->code, "missing_required_parameter");
  const auto completion_error = parse_params(Json::object(), kCompletionEndpoint, out);
  ASSERT_TRUE(completion_error);
  EXPECT_EQ(completion_error->param, "prompt");
  const auto embedding_error = parse_params(Json::object(), kEmbeddingEndpoint, out);
  ASSERT_TRUE(embedding_error);
  EXPECT_EQ(embedding_error->param, "input");
}

// Ask: a schema is never silently ignored.
TEST(Params, SchemaCrashOrSilentIgnore) {
  for (const char* row :
       {R"({"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}}}})",
        R"({"response_format":{"type":"json_object"}})", R"({"tools":[{"type":"function"}]})",
        R"({"tool_choice":"required"})", R"({"tool_choice":{"type":"function"}})", R"({"grammar":"root ::= x"})",
        R"({"guided_json":{}})", R"({"audio":{}})", R"({"modalities":["text","audio"]})", R"({"heed":{"session":"s"}})",
        R"({"heed":{"attention":{"kv_dtype":"int8"}}})", R"({"functions":[{}]})"}) {
    const auto error = chat(row);
    ASSERT_TRUE(error) << row;
    EXPECT_EQ(error->code, "not_supported_yet") << row;
    EXPECT_EQ(error->status, 400);
    EXPECT_FALSE(error->param.empty());
  }
}

TEST(Params, WhatAsksForNothingIsAccepted) {
  EXPECT_FALSE(chat(
      R"({"tools":[],"tool_choice":"none","response_format":{"type":"text"},"modalities":["text"],"store":false})"));
  EXPECT_FALSE(chat(R"({"tool_choice":"auto","parallel_tool_calls":true,"heed":{}})"));
}

TEST(Params, Stop) {
  EXPECT_EQ(good_chat(R"({"stop":"a"})").stop, std::vector<std::string>{"a"});
  EXPECT_EQ(good_chat(R"({"stop":["a","","b"]})").stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(good_chat(R"({"stop":[]})").stop.empty());
  EXPECT_EQ(chat(R"({"stop":["a",1]})")->param, "stop[1]");
  EXPECT_EQ(chat(R"({"stop":["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]})")->param,
            "stop");
}

TEST(Params, LogitBias) {
  const auto bias = good_chat(R"({"logit_bias":{"5":-100,"70":1.5}})").sampling.logit_bias;
  ASSERT_EQ(bias.size(), 2u);
  EXPECT_EQ(bias[0].first, 5);
  EXPECT_EQ(bias[1].second, 1.5f);
  for (const char* row : {R"({"logit_bias":{"x":1}})", R"({"logit_bias":{"-1":1}})", R"({"logit_bias":{"1":101}})",
                          R"({"logit_bias":{"1":"a"}})", R"({"logit_bias":{"1.5":1}})", R"({"logit_bias":{"":1}})"}) {
    ASSERT_TRUE(chat(row)) << row;
    EXPECT_TRUE(chat(row)->param.starts_with("logit_bias")) << row;
  }
}

TEST(Params, SeedTakesEverySixtyFourBitNumber) {
  EXPECT_EQ(good_chat(R"({"seed":18446744073709551615})").sampling.seed, 18446744073709551615u);
  EXPECT_EQ(good_chat(R"({"seed":-1})").sampling.seed, 18446744073709551615u);
  EXPECT_EQ(good_chat(R"({"seed":7})").sampling.seed, 7u);
  EXPECT_EQ(good_chat(R"({"seed":7.0})").sampling.seed, 7u);
  EXPECT_TRUE(chat(R"({"seed":7.5})"));
  EXPECT_TRUE(chat(R"({"seed":1e30})"));
}

TEST(Params, LogprobsBelongTogether) {
  EXPECT_EQ(good_chat(R"({"logprobs":true,"top_logprobs":3})").sampling.top_logprobs, 3);
  EXPECT_EQ(good_chat(R"({"logprobs":true})").sampling.top_logprobs, 0);
  EXPECT_EQ(good_chat("{}").sampling.top_logprobs, -1);
  EXPECT_EQ(chat(R"({"top_logprobs":3})")->param, "top_logprobs");
  EXPECT_EQ(chat(R"({"logprobs":true,"top_logprobs":21})")->param, "top_logprobs");
}

TEST(Params, MaxCompletionTokensGoesFirst) {
  EXPECT_EQ(good_chat(R"({"max_tokens":5,"max_completion_tokens":7})").max_tokens, 7);
  EXPECT_EQ(good_chat(R"({"max_tokens":5})").max_tokens, 5);
  EXPECT_TRUE(chat(R"({"max_tokens":99999999999})"));
  EXPECT_TRUE(chat(R"({"max_tokens":1.5})"));
}

TEST(Params, OpenEndsOfRanges) {
  EXPECT_EQ(chat(R"({"top_p":0})")->param, "top_p");
  EXPECT_EQ(chat(R"({"min_p":1})")->param, "min_p");
  EXPECT_FALSE(chat(R"({"top_p":1,"min_p":0,"temperature":0})"));
  EXPECT_FALSE(chat(R"({"temperature":2})"));
}

TEST(Params, BestOfMustBeN) {
  GenerationParams out;
  EXPECT_FALSE(parse(kCompletionEndpoint, R"({"n":2,"best_of":2})", out));
  GenerationParams other;
  EXPECT_EQ(parse(kCompletionEndpoint, R"({"best_of":2})", other)->param, "best_of");
}

TEST(Params, Speculation) {
  EXPECT_TRUE(good_chat("{}").speculates);
  EXPECT_TRUE(good_chat(R"({"heed":{"speculation":"auto"}})").speculates);
  EXPECT_TRUE(good_chat(R"({"heed":{"speculation":true}})").speculates);
  EXPECT_FALSE(good_chat(R"({"heed":{"speculation":"off"}})").speculates);
  EXPECT_FALSE(good_chat(R"({"heed":{"speculation":false}})").speculates);
  EXPECT_EQ(chat(R"({"heed":{"speculation":"always"}})")->param, "heed.speculation");
  EXPECT_EQ(chat(R"({"heed":{"speculation":1}})")->param, "heed.speculation");
}

TEST(Params, Prediction) {
  EXPECT_FALSE(good_chat("{}").prediction.has_value());
  EXPECT_EQ(good_chat(R"({"prediction":{"type":"content","content":"int x;"}})").prediction, "int x;");
  EXPECT_EQ(good_chat(R"({"prediction":{"type":"content","content":[{"type":"text","text":"a"},
                                                                    {"type":"text","text":"b"}]}})")
                .prediction,
            "ab");
  for (const auto& [body, field] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"prediction":"text"})", "prediction"},
           {R"({"prediction":{"content":"text"}})", "prediction.type"},
           {R"({"prediction":{"type":"image","content":"text"}})", "prediction.type"},
           {R"({"prediction":{"type":"content"}})", "prediction.content"},
           {R"({"prediction":{"type":"content","content":7}})", "prediction.content"},
           {R"({"prediction":{"type":"content","content":[{"type":"text"}]}})", "prediction.content[0]"}}) {
    const auto error = chat(body);
    ASSERT_TRUE(error) << body;
    EXPECT_EQ(error->param, field) << body;
  }
}

TEST(Params, HeedFields) {
  const auto params = good_chat(R"({"heed":{"deadline_ms":500,"priority":-3,"unknown":1}})");
  EXPECT_EQ(params.deadline_ms, 500);
  EXPECT_EQ(params.priority, -3);
  EXPECT_EQ(params.attention, AttentionPolicy{});
  EXPECT_EQ(chat(R"({"heed":{"deadline_ms":0}})")->param, "heed.deadline_ms");
  EXPECT_EQ(chat(R"({"heed":{"priority":"high"}})")->param, "heed.priority");
  const auto attention =
      good_chat(R"({"heed":{"attention":{"policy":"topk_pages","window":256,"sinks":0,"budget":512}}})").attention;
  EXPECT_EQ(attention, (AttentionPolicy{AttentionKept::topk_pages, 256, 0, 512}));
  for (const auto& [body, field] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"heed":{"attention":7}})", "heed.attention"},
           {R"({"heed":{"attention":{"policy":"some"}}})", "heed.attention.policy"},
           {R"({"heed":{"attention":{"policy":3}}})", "heed.attention.policy"},
           {R"({"heed":{"attention":{"window":63}}})", "heed.attention.window"},
           {R"({"heed":{"attention":{"window":"wide"}}})", "heed.attention.window"},
           {R"({"heed":{"attention":{"sinks":-1}}})", "heed.attention.sinks"},
           {R"({"heed":{"attention":{"budget":16777217}}})", "heed.attention.budget"}}) {
    const auto error = chat(body);
    ASSERT_TRUE(error) << body;
    EXPECT_EQ(error->status, 400);
    EXPECT_EQ(error->param, field);
  }
}

TEST(Params, BodyMustBeAnObject) {
  Json out;
  for (const char* body : {"", "{", "[]", "3", "nul", "{\"a\":1}}", "{\"a\":\"\xff\"}", "{'a':1}", "{\"a\":1,}"}) {
    const auto error = parse_body(body, out);
    ASSERT_TRUE(error) << body;
    EXPECT_EQ(error->code, "invalid_json") << body;
  }
  EXPECT_FALSE(parse_body("{}", out));
}

TEST(Params, DepthIsLimited) {
  Json out;
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}";
  };
  EXPECT_FALSE(parse_body(nested(90), out));
  EXPECT_TRUE(parse_body(nested(100), out));
  EXPECT_TRUE(parse_body(std::string(1 << 20, '['), out));
  EXPECT_FALSE(parse_body("{\"a\":\"" + std::string(1000, '[') + "\"}", out)) << "brackets inside strings do not count";
}

TEST(Params, MessagesAreNormalized) {
  Json out;
  ASSERT_FALSE(normalize_messages(Json::parse(R"([{"role":"developer","content":"be brief"},
    {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}])"),
                                  out));
  EXPECT_EQ(out[0]["role"], "system");
  EXPECT_EQ(out[1]["content"], "a\nb");
  EXPECT_EQ(out[2]["content"], "");
  EXPECT_EQ(out[2]["tool_calls"][0]["id"], "1");
}

TEST(Params, MessageErrorsNameTheMessage) {
  struct Row {
    const char* messages;
    const char* param;
  };
  const Row rows[] = {
      {R"(["x"])", "messages[0]"},
      {R"([{"content":"x"}])", "messages[0].role"},
      {R"([{"role":"user","content":"x"},{"role":"king","content":"x"}])", "messages[1].role"},
      {R"([{"role":"user"}])", "messages[0].content"},
      {R"([{"role":"user","content":3}])", "messages[0].content"},
      {R"([{"role":"assistant","content":null}])", "messages[0].content"},
      {R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0].text"},
      {R"([{"role":"user","content":[{"type":"text","text":"a"},7]}])", "messages[0].content[1]"},
      {R"([{"role":"user","content":[{"type":"hologram"}]}])", "messages[0].content[0].type"},
      {R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])", "messages[0].content[0].type"}};
  for (const Row& row : rows) {
    Json out;
    const auto error = normalize_messages(Json::parse(row.messages), out);
    ASSERT_TRUE(error) << row.messages;
    EXPECT_EQ(error->param, row.param);
  }
}

}  // namespace
}  // namespace heed
