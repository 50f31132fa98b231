// hf_model_test.cc -- directories of a hub: names, permutations and stacks as data, and what disagrees by its name.
#include "formats/hf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "formats/hf_families.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_safetensors::entry;
using testing_safetensors::file_of;

constexpr const char* kConfig =
    R"({"model_type":"llama","hidden_size":4,"num_hidden_layers":1,"intermediate_size":8,"num_attention_heads":2,
        "num_key_value_heads":1,"rms_norm_eps":1e-6,"rope_theta":500000.0,"max_position_embeddings":128,
        "vocab_size":3,"head_dim":null,"bos_token_id":1,"eos_token_id":[2,3],"tie_word_embeddings":true})";

class HfModelTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("heed_hub_" + std::to_string(::getpid()));
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    put("config.json", kConfig);
  }
  void TearDown() override { fs::remove_all(directory_); }

  void put(const std::string& name, std::string_view text) {
    std::ofstream(directory_ / name, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  }
  void put(const std::string& name, const std::vector<std::byte>& bytes) {
    put(name, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  Expected<HfModel> open() { return HfModel::open(directory_.string()); }
  void expect_refused(Code code, const std::string& says) {
    const auto model = open();
    ASSERT_FALSE(model) << says;
    EXPECT_EQ(model.error().code, code) << model.error().text;
    EXPECT_THAT(model.error().text, HasSubstr(says));
  }

  fs::path directory_;
};

std::string two() {
  std::string table = "{" + entry("model.norm.weight", "F32", "[4]", 0, 16) + "," +
                      entry("model.layers.0.self_attn.q_proj.weight", "BF16", "[4,4]", 16, 48) + "}";
  while (table.size() % 8 != 0) table += ' ';  // as the format's writers do
  return table;
}

TEST_F(HfModelTest, ConfigBecomesMetadata) {
  put("model.safetensors", file_of(two(), 48));
  put("tokenizer.json", "{}");
  put("chat_template.jinja", "{{ x }}");
  put("tokenizer_config.json", R"({"add_bos_token":true,"chat_template":"old"})");
  put("generation_config.json", R"({"eos_token_id":[2,1]})");
  const auto model = open();
  ASSERT_TRUE(model) << model.error().text;
  const Metadata& m = model->metadata();
  EXPECT_EQ(*m.text("general.architecture", ""), "llama");
  EXPECT_EQ(*m.integer("llama.embedding_length", 0), 4);
  EXPECT_EQ(*m.integer("llama.attention.head_count_kv", 0), 1);
  EXPECT_EQ(m.find("llama.attention.key_length"), nullptr) << "null is absent";
  EXPECT_DOUBLE_EQ(*m.real("llama.rope.freq_base", 0), 500000.0);
  EXPECT_EQ(*m.integer("tokenizer.ggml.bos_token_id", 0), 1);
  EXPECT_EQ(*m.integer("tokenizer.ggml.eos_token_id", 0), 2);
  EXPECT_EQ(*m.integer("tokenizer.ggml.eot_token_id", 0), 1);
  EXPECT_TRUE(*m.flag("tokenizer.ggml.add_bos_token", false));
  EXPECT_EQ(*m.text("tokenizer.chat_template", ""), "{{ x }}");
  EXPECT_EQ(*m.text("tokenizer.huggingface.json", ""), "{}");
}

TEST_F(HfModelTest, TensorsGetTheirNamesAndWhatMustChange) {
  put("model.safetensors", file_of(two(), 48));
  const auto model = open();
  ASSERT_TRUE(model) << model.error().text;
  EXPECT_TRUE(static_cast<bool>(*model->find("output_norm.weight")));
  const TensorSource* q = model->source("blk.0.attn_q.weight");
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q->rotary_heads, 2);
  EXPECT_EQ(model->source("output_norm.weight"), nullptr);
}

TEST_F(HfModelTest, UnalignedNumbersAreGathered) {
  std::string table = two();
  while ((table.size() + 8) % 2 == 0) table += ' ';
  put("model.safetensors", file_of(table, 48));
  const auto model = open();
  ASSERT_TRUE(model) << model.error().text;
  EXPECT_NE(model->source("output_norm.weight"), nullptr);
}

TEST_F(HfModelTest, ShardsMustAgreeWithTheirIndex) {
  const auto a = file_of("{" + entry("model.norm.weight", "F32", "[4]", 0, 16) + "}", 16);
  const auto b = file_of("{" + entry("lm_head.weight", "F32", "[1,4]", 0, 16) + "}", 16);
  put("a.safetensors", a);
  put("b.safetensors", b);
  const auto index = [&](const std::string& map) {
    put("model.safetensors.index.json", R"({"weight_map":)" + map + "}");
  };
  index(R"({"model.norm.weight":"a.safetensors","lm_head.weight":"b.safetensors"})");
  const auto model = open();
  ASSERT_TRUE(model) << model.error().text;
  EXPECT_EQ(model->tensors().size(), 1U) << "tied: the head is not read";
  EXPECT_EQ(model->file_bytes(), a.size() + b.size());
  index(R"({"model.norm.weight":"b.safetensors","lm_head.weight":"b.safetensors"})");
  expect_refused(Code::malformed, "the files hold 1");
  index(R"({"model.norm.weight":"a.safetensors"})");
  EXPECT_TRUE(open());
  index(R"({"other":"a.safetensors"})");
  expect_refused(Code::malformed, "is not of this file");
  index(R"({"model.norm.weight":"../a.safetensors"})");
  expect_refused(Code::malformed, "same directory");
  index(R"({"model.norm.weight":"/etc/passwd"})");
  expect_refused(Code::malformed, "same directory");
  index(R"({"model.norm.weight":7})");
  expect_refused(Code::malformed, "same directory");
  index("[]");
  expect_refused(Code::malformed, "weight_map");
  index(R"({"model.norm.weight":"gone.safetensors"})");
  expect_refused(Code::not_found, "gone.safetensors");
}

TEST_F(HfModelTest, StacksMustBeWhole) {
  put("config.json", R"({"model_type":"mixtral","num_attention_heads":2})");
  const std::string w1 = "model.layers.0.block_sparse_moe.experts.";
  const auto two_of = [&](const char* first, const char* second, const char* shape) {
    return file_of("{" + entry(w1 + first + ".w1.weight", "F32", "[2,2]", 0, 16) + "," +
                       entry(w1 + second + ".w1.weight", "F32", shape, 16, 32) + "}",
                   32);
  };
  put("model.safetensors", two_of("1", "0", "[2,2]"));
  const auto model = open();
  ASSERT_TRUE(model) << model.error().text;
  EXPECT_EQ(model->find("blk.0.ffn_gate_exps.weight")->shape, (std::array<std::int64_t, 4>{2, 2, 2}));
  const TensorSource& source = *model->source("blk.0.ffn_gate_exps.weight");
  EXPECT_GT(source.pieces[0].data, source.pieces[1].data) << "by number, not by place";
  put("model.safetensors", two_of("0", "2", "[2,2]"));
  expect_refused(Code::malformed, "experts 0 to 1");
  put("model.safetensors", two_of("0", "1", "[4,1]"));
  expect_refused(Code::malformed, "of one shape");
  put("model.safetensors", two_of("0", "01", "[2,2]"));
  EXPECT_TRUE(open()) << "a name nobody knows keeps it";
}

TEST_F(HfModelTest, WhatIsNotUnderstoodIsRefusedByName) {
  put("model.safetensors", file_of("{}", 0));
  const std::tuple<const char*, Code, const char*> kCases[] = {
      {"[]", Code::malformed, "expected an object"},
      {"{}", Code::malformed, "model_type"},
      {R"({"model_type":"never"})", Code::unsupported, "heed knows llama"},
      {R"({"model_type":"llama","quantization_config":{"bits":4}})", Code::unsupported, "quantization_config"},
      {R"({"model_type":"llama","hidden_size":"4"})", Code::malformed, "hidden_size"},
      {R"({"model_type":"llama","hidden_size":4.5})", Code::malformed, "hidden_size"},
      {R"({"model_type":"llama","hidden_size":18446744073709551615})", Code::malformed, "hidden_size"},
      {R"({"model_type":"llama","rms_norm_eps":"x"})", Code::malformed, "rms_norm_eps"},
      {R"({"model_type":"llama","rope_scaling":{"rope_type":"never"}})", Code::unsupported, "rope scaling"},
      {R"({"model_type":"gemma2","query_pre_attn_scalar":0})", Code::malformed, "query_pre_attn_scalar"},
      {R"({"model_type":"gemma3_text","layer_types":["full_attention"]})", Code::unsupported, "layer_types"},
      {R"({"model_type":"llama","eos_token_id":"x"})", Code::malformed, "eos_token_id"},
      {R"({"model_type":"llama","model_type":"llama"})", Code::malformed, "appears twice"}};
  for (const auto& [config, code, says] : kCases) {
    put("config.json", config);
    expect_refused(code, says);
  }
  put("config.json", kConfig);
  put("tokenizer_config.json", R"({"chat_template":[{"name":"tool_use","template":"x"}]})");
  expect_refused(Code::malformed, "chat_template");
  fs::remove(directory_ / "tokenizer_config.json");
  put("model.safetensors",
      file_of("{" + entry("model.layers.0.self_attn.q_proj.weight", "F32", "[3,1]", 0, 12) + "}", 12));
  expect_refused(Code::malformed, "heads of an even size");
  fs::remove(directory_ / "model.safetensors");
  expect_refused(Code::not_found, "model.safetensors");
}

TEST(HfNames, MatchWholeNamesAndPlainNumbers) {
  const HfFamily& family = *hf_family("qwen2_moe");
  const auto place = [&](const char* name) { return hf_place(family, name); };
  EXPECT_EQ(place("model.layers.12.self_attn.q_proj.bias")->name, "blk.12.attn_q.bias");
  EXPECT_EQ(place("model.layers.3.mlp.experts.41.up_proj.weight")->name, "blk.3.ffn_up_exps.weight");
  EXPECT_EQ(place("model.layers.3.mlp.experts.41.up_proj.weight")->expert, 41);
  EXPECT_FALSE(place("model.layers.03.self_attn.q_proj.weight"));
  EXPECT_FALSE(place("model.layers.-3.self_attn.q_proj.weight"));
  EXPECT_FALSE(place("model.layers.99999999999.self_attn.q_proj.weight"));
  EXPECT_FALSE(place("model.layers.3.self_attn.q_proj"));
  EXPECT_FALSE(place("xmodel.norm.weight"));
  EXPECT_EQ(hf_family("nothing"), nullptr);
}

}  // namespace
}  // namespace heed
