// onnx_t5_test.cc -- a T5 of one block a stack, exported: every weight under its GGUF name, turned round.
#include "formats/onnx_t5.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/unit/formats/onnx_builder.h"

namespace heed {
namespace {

using namespace onnx_file;

constexpr int kDim = 32, kWide = 64;

// value (in, out) = in + out, as one byte each.
std::string matrix(int in, int out) {
  std::string data;
  for (int i = 0; i < in; ++i)
    for (int o = 0; o < out; ++o) data += static_cast<char>(i + o);
  return data;
}

std::string with_scale(const std::string& name, const std::string& tensor, int type, int zero) {
  const std::string half("\0\0\0\x3f", 4);  // 0.5f
  return tensor + bytes(5, number(2, 1) + bytes(4, half) + bytes(8, name + "_scale")) +
         bytes(5, number(2, static_cast<std::uint64_t>(type)) + number(5, static_cast<std::uint64_t>(zero)) +
                      bytes(8, name + "_zero_point"));
}

std::string product(const std::string& module, int in, int out) {
  const std::string name = "onnx::" + module;
  return node("MatMulInteger", module + "/MatMul_quant", "x", name + "_quantized") +
         with_scale(name, raw_tensor(name + "_quantized", {std::uint64_t(in), std::uint64_t(out)}, 3, matrix(in, out)),
                    3, 0);
}

std::string attention(const std::string& module) {
  std::string out;
  for (const char* part : {"/q", "/k", "/v", "/o"}) out += product(module + part, kDim, kDim);
  return out;
}

std::string norm(const std::string& name) {
  return raw_tensor(name + ".weight", {kDim}, 1, std::string(kDim * 4, '\0'));
}

std::string stack(const std::string& root, bool is_decoder) {
  const std::string block = "/" + root + "/block.0", points = root + ".block.0.layer.";
  const std::string last = is_decoder ? "2" : "1", table = points + "0.SelfAttention.relative_attention_bias.weight";
  std::string g =
      attention(block + "/layer.0/SelfAttention") + norm(points + "0.layer_norm") + norm(points + "1.layer_norm");
  if (is_decoder) g += attention(block + "/layer.1/EncDecAttention") + norm(points + "2.layer_norm");
  for (const char* part : {"/wi_0", "/wi_1"})
    g += product(block + "/layer." + last + "/DenseReluDense" + part, kDim, kWide);
  g += product(block + "/layer." + last + "/DenseReluDense/wo", kWide, kDim);
  g += with_scale(table, raw_tensor(table + "_quantized", {8, 2}, 2, std::string(16, '\x05')), 2, 3);
  if (is_decoder) g += product("/lm_head", kDim, 40);
  const std::string tokens = root + ".embed_tokens.weight";
  g += with_scale(tokens, raw_tensor(tokens + "_quantized", {40, kDim}, 2, std::string(40 * kDim, '\x08')), 2, 6);
  return model(g + norm(root + ".final_layer_norm"));
}

struct OnnxT5Files : testing::Test {
  void SetUp() override {
    std::filesystem::create_directories(folder);
    write("encoder.onnx", stack("enc", false));
    write("decoder.onnx", stack("m.decoder", true));
    write("tokenizer.json", "{}");
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  void write(const std::string& name, const std::string& content) {
    std::ofstream(folder / name, std::ios::binary) << content;
  }

  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() /
      ("heed_onnx_t5_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
       ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(OnnxT5Files, EveryWeightHasItsNameAndItsNumbers) {
  auto file = open_model_file(folder.string());
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ((*file)->format(), "onnx");
  EXPECT_EQ((*file)->tensors().size(), 10u + 15u + 2u + 2u);
  const Tensor* up = (*file)->find("enc.blk.0.ffn_up.weight");
  ASSERT_NE(up, nullptr);
  EXPECT_EQ(up->shape[0], kWide);
  EXPECT_EQ(up->shape[1], kDim);
  EXPECT_EQ(up->dtype, DType::q8_0);
  const std::byte* row = up->row(3);
  std::uint16_t scale = 0;
  std::memcpy(&scale, row, 2);
  EXPECT_EQ(scale, 0x3800) << "0.5 as f16";
  EXPECT_EQ(static_cast<int>(row[2 + 7]), 3 + 7) << "row 3, value 7 is (in 7, out 3)";
  const Tensor* bias = (*file)->find("dec.blk.0.attn_rel_b.weight");
  ASSERT_NE(bias, nullptr);
  float value = 0;
  std::memcpy(&value, bias->data, 4);
  EXPECT_EQ(value, 0.5f * (5 - 3));
  for (const char* name :
       {"token_embd.weight", "output.weight", "enc.output_norm.weight", "dec.output_norm.weight",
        "dec.blk.0.cross_attn_k.weight", "dec.blk.0.cross_attn_norm.weight", "dec.blk.0.ffn_norm.weight"})
    EXPECT_NE((*file)->find(name), nullptr) << name;
  const Metadata& m = (*file)->metadata();
  EXPECT_EQ(*m.need_integer("t5.attention.head_count"), 2);
  EXPECT_EQ(*m.need_integer("t5.attention.key_length"), 16);
  EXPECT_EQ(*m.need_integer("t5.feed_forward_length"), kWide);
  EXPECT_EQ(*m.need_integer("t5.decoder_block_count"), 1);
  EXPECT_EQ(*m.need_text("tokenizer.huggingface.json"), "{}");
}

TEST_F(OnnxT5Files, OneFileMayHoldAllThree) {
  write("all.onnx", stack("enc", false) + stack("m.decoder", true) + "{}");
  auto file = open_model_file((folder / "all.onnx").string());
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ((*file)->tensors().size(), 29u);
  EXPECT_EQ(*(*file)->metadata().need_text("tokenizer.huggingface.json"), "{}");
}

TEST_F(OnnxT5Files, AGraphWithoutTheWeightsSaysWhichIsMissing) {
  write("encoder.onnx", model(norm("enc.final_layer_norm")));
  const auto file = open_model_file(folder.string());
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().text.find("token_embd.weight"), std::string::npos) << file.error().text;
}

TEST_F(OnnxT5Files, AMatrixWithoutItsScaleIsRefusedByName) {
  const std::string q = "/enc/block.0/layer.0/SelfAttention/q/MatMul";
  write("encoder.onnx", model(node("MatMulInteger", q, "x", "w_quantized") +
                              raw_tensor("w_quantized", {kDim, kDim}, 3, matrix(kDim, kDim))));
  const auto file = open_model_file(folder.string());
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::unsupported);
  EXPECT_NE(file.error().text.find("encoder.onnx"), std::string::npos) << file.error().text;
  EXPECT_NE(file.error().text.find("one scale"), std::string::npos) << file.error().text;
}

}  // namespace
}  // namespace heed
