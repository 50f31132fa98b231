// hf_sentence_test.cc -- embedding models of a hub: poolings, lengths, what is refused, and a directory in one file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "formats/hf_bundle.h"
#include "formats/hf_families.h"
#include "formats/hf_model.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_safetensors::entry;
using testing_safetensors::file_of;

constexpr const char* kBertConfig =
    R"({"model_type":"bert","hidden_size":4,"num_hidden_layers":1,"intermediate_size":8,"num_attention_heads":2,
        "layer_norm_eps":1e-12,"max_position_embeddings":8,"vocab_size":3,"type_vocab_size":2,"hidden_act":"gelu"})";
constexpr const char* kMeanPooling = R"({"word_embedding_dimension":4,"pooling_mode_cls_token":false,
                                     "pooling_mode_mean_tokens":true})";
constexpr const char* kSixTokens = R"({"max_seq_length":6})";
constexpr const char* kThreeModules = R"([{"idx":0,"type":"sentence_transformers.models.Transformer"},
    {"idx":1,"path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
    {"idx":2,"path":"2_Normalize","type":"sentence_transformers.models.Normalize"}])";

std::vector<std::byte> weights() {
  return file_of("{" + entry("bert.embeddings.position_embeddings.weight", "F32", "[8,4]", 0, 128) + "," +
                     entry("bert.embeddings.LayerNorm.gamma", "F32", "[4]", 128, 144) + "," +
                     entry("bert.pooler.dense.weight", "F32", "[4,4]", 144, 208) + "," +
                     entry("embeddings.position_ids", "I64", "[1,8]", 208, 272) + "}",
                 272);
}

class HfSentence : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("heed_sentence_" + std::to_string(::getpid()));
    fs::remove_all(directory_);
    fs::create_directories(directory_ / "1_Pooling");
    put("config.json", kBertConfig);
    put("1_Pooling/config.json", kMeanPooling);
    put("sentence_bert_config.json", kSixTokens);
    put("modules.json", kThreeModules);
    put("model.safetensors", weights());
  }
  void TearDown() override { fs::remove_all(directory_); }

  void put(const std::string& name, std::string_view text) {
    std::ofstream(directory_ / name, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  }
  void put(const std::string& name, const std::vector<std::byte>& bytes) {
    put(name, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  /// The weights with `texts` behind them, in a directory of its own.
  Expected<HfModel> open_bundle(std::string_view texts) {
    std::vector<std::byte> bytes = weights();
    const auto* begin = reinterpret_cast<const std::byte*>(texts.data());
    bytes.insert(bytes.end(), begin, begin + texts.size());
    fs::create_directories(directory_ / "alone");
    put("alone/tiny.safetensors", bytes);
    return HfModel::open((directory_ / "alone/tiny.safetensors").string());
  }
  void expect_refused(const std::string& says, Code code = Code::unsupported) {
    const auto model = HfModel::open(directory_.string());
    ASSERT_FALSE(model) << says;
    EXPECT_EQ(model.error().code, code) << model.error().text;
    EXPECT_THAT(model.error().text, HasSubstr(says));
  }
  static void expect_whole(const HfModel& model) {
    const Metadata& m = model.metadata();
    EXPECT_EQ(*m.integer("bert.pooling_type", 0), 1);
    EXPECT_EQ(*m.integer("bert.text_length", 0), 6);
    EXPECT_EQ(*m.integer("bert.context_length", 0), 8);
    EXPECT_EQ(*m.integer("tokenizer.ggml.token_type_count", 0), 2);
    ASSERT_EQ(model.tensors().size(), 2u) << "neither pooler nor position ids";
    EXPECT_NE(model.find("position_embd.weight"), nullptr);
    EXPECT_NE(model.find("token_embd_norm.weight"), nullptr) << "a gamma";
  }

  fs::path directory_;
};

TEST_F(HfSentence, DirectoryBecomesMetadata) {
  const auto model = HfModel::open(directory_.string());
  ASSERT_TRUE(model) << model.error().text;
  expect_whole(*model);
}

TEST_F(HfSentence, RobertasFirstPositionsAreNoTexts) {
  std::string config = kBertConfig;
  config.replace(config.find("bert"), 4, "roberta");
  put("config.json", config);
  std::vector<std::byte> bytes =
      file_of("{" + entry("roberta.embeddings.position_embeddings.weight", "F32", "[8,4]", 0, 128) + "}", 128);
  put("model.safetensors", bytes);
  const auto model = HfModel::open(directory_.string());
  ASSERT_TRUE(model) << model.error().text;
  EXPECT_EQ(*model->metadata().integer("bert.context_length", 0), 6);
  EXPECT_EQ(model->find("position_embd.weight")->shape[0], 6);
}

TEST_F(HfSentence, PoolingsByFlagAndByMode) {
  for (const auto& [text, type] : {std::pair{R"({"pooling_mode_cls_token":true})", 2},
                                   {R"({"pooling_mode_lasttoken":true,"pooling_mode_mean_tokens":false})", 3},
                                   {R"({"pooling_mode":"cls"})", 2}}) {
    put("1_Pooling/config.json", text);
    const auto model = HfModel::open(directory_.string());
    ASSERT_TRUE(model) << model.error().text;
    EXPECT_EQ(*model->metadata().integer("bert.pooling_type", 0), type) << text;
  }
}

TEST_F(HfSentence, WhatHeedDoesNotComputeIsRefusedByName) {
  for (const char* text : {R"({"pooling_mode_max_tokens":true})", R"({"pooling_mode":"weightedmean"})",
                           R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true})",
                           R"({"pooling_mode_cls_token":false})", R"({"pooling_mode":3})"}) {
    put("1_Pooling/config.json", text);
    expect_refused("1_Pooling/config.json: expected one pooling, of mean, cls and lasttoken");
  }
  put("1_Pooling/config.json", kMeanPooling);
  put("modules.json", R"([{"type":"sentence_transformers.models.Dense"}])");
  expect_refused("module 'Dense'");
  put("modules.json", kThreeModules);
  put("sentence_bert_config.json", R"({"max_seq_length":"long"})");
  expect_refused("'max_seq_length': expected an integer", Code::malformed);
  put("sentence_bert_config.json", kSixTokens);
  std::string config = kBertConfig;
  config.replace(config.find("\"gelu\""), 6, "\"relu\"");
  put("config.json", config);
  expect_refused(R"(key 'hidden_act': heed runs models with "gelu", got "relu")");
}

TEST_F(HfSentence, StacksOfWindowsThatAreOtherwiseAreRefused) {
  put("config.json", R"({"model_type":"modernbert","hidden_size":4,"num_attention_heads":2,
                         "layer_types":["sliding_attention","full_attention"]})");
  expect_refused("layer_types: expected one global layer to 2 windows, layer 0 the first");
}

TEST_F(HfSentence, OneFileIsTheDirectory) {
  const auto model = open_bundle(std::string(kBertConfig) + "\n" + kThreeModules + kSixTokens + kMeanPooling + "  \n");
  ASSERT_TRUE(model) << model.error().text;
  expect_whole(*model);
  EXPECT_EQ(*model->metadata().text("general.name", ""), "tiny");
}

TEST_F(HfSentence, BrokenTextsBehindTheTensorsAreErrors) {
  for (const auto& [texts, says] :
       {std::pair{std::string("{}"), "text 1 behind the tensors: it is none"},
        {std::string(kBertConfig) + kBertConfig, "config.json appears twice"},
        {std::string(kBertConfig) + "{\"a\":[1", "text 2 behind the tensors: it has no end"},
        {std::string(kBertConfig) + "x", "expected an object or an array"},
        {std::string(kMeanPooling), "there is no config.json behind the tensors"}}) {
    const auto model = open_bundle(texts);
    ASSERT_FALSE(model) << texts;
    EXPECT_THAT(model.error().text, HasSubstr(says));
    EXPECT_THAT(model.error().text, HasSubstr("tiny.safetensors"));
  }
}

TEST_F(HfSentence, PositionsOfNoSizeAreRefused) {
  put("config.json",
      R"({"model_type":"roberta","hidden_size":4,"num_hidden_layers":1,"intermediate_size":8,"num_attention_heads":2,
          "layer_norm_eps":1e-12,"max_position_embeddings":-9223372036854775808,"vocab_size":3,"type_vocab_size":1})");
  expect_refused("'max_position_embeddings': expected an integer above -2^62", Code::malformed);
}

TEST_F(HfSentence, CutAnywhereItIsAnErrorOrAModel) {
  const std::string texts = std::string(kBertConfig) + kThreeModules + kMeanPooling;
  int opened = 0;
  for (std::size_t n = 1; n < texts.size(); ++n) opened += open_bundle(texts.substr(0, n)) ? 1 : 0;
  EXPECT_EQ(opened, 2) << "behind config.json, and behind modules.json";
}

TEST(HubTexts, KeysWithinAndInStringsDoNotCount) {
  const auto texts =
      split_hub_texts(R"({"x":{"model_type":1},"y":"\"added_tokens\":{}","max_seq_length":3}[{"a":"]"}])");
  ASSERT_TRUE(texts) << texts.error().text;
  EXPECT_EQ(texts->size(), 2u);
  EXPECT_EQ(texts->at("modules.json"), R"([{"a":"]"}])");
  EXPECT_TRUE(texts->contains("sentence_bert_config.json"));
}

}  // namespace
}  // namespace heed
