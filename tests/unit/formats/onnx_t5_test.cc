// onnx_t5_test.cc -- a T5 of one block a stack, exported: every weight under its GGUF name, turned round.
#include "formats/onnx_t5.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/unit/formats/onnx_t5_builder.h"

namespace heed {
namespace {

using namespace onnx_file;

struct OnnxT5Files : testing::Test {
  void SetUp() override {
    std::filesystem::create_directories(folder);
    write("encoder.onnx", t5_stack("enc", false));
    write("decoder.onnx", t5_stack("m.decoder", true));
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
  write("all.onnx", t5_stack("enc", false) + t5_stack("m.decoder", true) + "{}");
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

TEST_F(OnnxT5Files, ManyNodesOfOneTensorAreRefused) {
  std::string nodes;
  for (int i = 0; i < 300; ++i)
    nodes += node("MatMul", "/enc/block." + std::to_string(i) + "/layer.0/SelfAttention/q/MatMul", "x", "w");
  write("encoder.onnx", model(nodes + raw_tensor("w", {256, 256}, 1, std::string(256 * 256 * 4, '\0'))));
  const auto file = open_model_file(folder.string());
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::too_long) << file.error().text;
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
