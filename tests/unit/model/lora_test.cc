// lora_test.cc -- adapters against numpy's forward pass, merged weights against double precision, and what is refused.
#include "model/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "kernels/dequantize.h"
#include "tests/unit/formats/gguf_builder.h"
#include "tests/unit/model/expectation.h"
#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

using namespace testing_gguf;

std::string golden(const char* name) { return std::string(HEED_SOURCE_DIR) + "/tests/golden/" + name; }

std::vector<LoraAdapter> adapters_of(std::initializer_list<double> scales) {
  std::vector<LoraAdapter> adapters;
  for (const double scale : scales) {
    auto adapter = LoraAdapter::open(golden("lora/llama.lora.gguf"), scale);
    EXPECT_TRUE(adapter) << adapter.error().text;
    adapters.push_back(std::move(*adapter));
  }
  return adapters;
}

// The tiny llama with adapters merged; logits of the golden's tokens.
Expected<std::vector<float>> logits_with(std::span<const LoraAdapter> adapters, const GgufFile& expected,
                                         const Kernels& kernels) {
  TestModel model(2, kernels);
  HEED_TRY(model.load("llama"));
  HEED_TRY(merge_adapters(model.file, adapters, model.pool));
  Exec exec = model.exec();
  HEED_ASSIGN(model.weights, load_weights(model.spec, model.file, exec));
  model.file.release_replaced({&model.weights.tokens, 1});
  EXPECT_EQ(model.file.find("blk.0.attn_q.weight")->data == nullptr, !adapters.empty());
  const Tensor& tokens = *expected.find("tokens");
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens.cols()));
  std::memcpy(ids.data(), tokens.data, ids.size() * 4);
  KvCache cache(*model.pages);
  return model.run(cache, ids);
}

double error_of(const std::vector<float>& logits, const GgufFile& expected) {
  return nmse(logits.data(), reinterpret_cast<const float*>(expected.find("logits")->data), logits.size());
}

TEST(Lora, LogitsEqualNumpys) {
  const auto expected = GgufFile::open(golden("lora/llama.expected.gguf"));
  ASSERT_TRUE(expected) << expected.error().text;
  for (const Kernels* kernels : runnable_kernels()) {
    const auto logits = logits_with(adapters_of({0.5}), *expected, *kernels);
    ASSERT_TRUE(logits) << logits.error().text;
    EXPECT_LE(error_of(*logits, *expected), 1e-6) << kernels->name;
    const auto bare = logits_with({}, *expected, *kernels);
    ASSERT_TRUE(bare);
    EXPECT_GT(error_of(*bare, *expected), 0.1) << "the adapter must matter";
  }
}

TEST(Lora, AdaptersAreAddedUp) {
  const auto expected = GgufFile::open(golden("lora/llama.expected.gguf"));
  ASSERT_TRUE(expected);
  const auto twice = logits_with(adapters_of({0.125, 0.375}), *expected, best_kernels());
  ASSERT_TRUE(twice) << twice.error().text;
  EXPECT_LE(error_of(*twice, *expected), 1e-6);
  const auto none = logits_with(adapters_of({0.5, -0.5, 0}), *expected, best_kernels()),
             bare = logits_with({}, *expected, best_kernels());
  ASSERT_TRUE(none && bare);
  EXPECT_LE(nmse(none->data(), bare->data(), bare->size()), 1e-9);
}

struct AdapterOptions {
  std::string architecture = "llama", type = "adapter", kind = "lora", name = "w";
  float alpha = 8;
  std::int64_t depth = 256, out = 3, rank_of_b = 2;
  bool has_b = true;
};

constexpr std::int64_t kRank = 2;

std::vector<float> numbers(std::int64_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> out(static_cast<std::size_t>(n));
  for (float& x : out) x = normal(random);
  return out;
}

GgufBuilder adapter_file(const AdapterOptions& o) {
  const auto a = numbers(kRank * o.depth, 1), b = numbers(o.out * o.rank_of_b, 2);
  GgufBuilder file;
  file.header(o.has_b ? 2 : 1, 4).text("general.architecture", o.architecture).text("general.type", o.type);
  file.text("adapter.type", o.kind).scalar("adapter.lora.alpha", kF32, o.alpha);
  file.tensor(o.name + ".lora_a", {o.depth, kRank}, 0, 0);
  if (o.has_b)
    file.tensor(o.name + ".lora_b", {o.rank_of_b, o.out}, 0, static_cast<std::uint64_t>(kRank * o.depth) * 4);
  file.align().raw(a.data(), a.size() * 4).raw(b.data(), b.size() * 4);
  return file.align();
}

GgufBuilder model_file(DType type, std::uint32_t id) {
  GgufBuilder file;
  file.header(2, 1).text("general.architecture", "llama").tensor("w", {256, 3}, id, 0);
  const auto bytes = static_cast<std::size_t>(3 * row_bytes(type, 256)), end = (bytes + 31) / 32 * 32;
  file.tensor("norm", {256}, 0, end).align();
  if (type == DType::f32) {
    const auto w = numbers(3 * 256, 3);
    file.raw(w.data(), w.size() * 4);
  } else {
    for (std::size_t i = 0; i < bytes; ++i) file.number(Field::value, static_cast<std::uint8_t>(i * 37 % 61));
  }
  return file.align().data(1024);
}

class LoraFiles : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() / ("heed_lora_" + std::to_string(::getpid()) + ".gguf")).string();
  }
  void TearDown() override { std::filesystem::remove(path_); }
  Expected<LoraAdapter> open(const AdapterOptions& options, double scale = 1) const {
    const GgufBuilder b = adapter_file(options);
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(b.bytes().data()), static_cast<std::streamsize>(b.bytes().size()));
    return LoraAdapter::open(path_, scale);
  }
  // What merging says.
  Expected<void> merge(GgufFile& model, const AdapterOptions& options, double scale = 1) {
    HEED_ASSIGN(LoraAdapter adapter, open(options, scale));
    return merge_adapters(model, {&adapter, 1}, pool_);
  }
  std::string path_;
  ThreadPool pool_{2};
};

TEST_F(LoraFiles, ChangedWeightsAreWithinTheirEncodingsError) {
  for (const auto& [type, id] : kTensorTypes) {
    if (type >= DType::i8 && type <= DType::i64) continue;
    const GgufBuilder bytes = model_file(type, id);
    auto model = GgufFile::parse(bytes.bytes());
    ASSERT_TRUE(model) << model.error().text;
    const Tensor before = *model->find("w");
    const auto merged = merge(*model, {}, 0.5);
    ASSERT_TRUE(merged) << merged.error().text;
    const Tensor after = *model->find("w");
    EXPECT_EQ(after.dtype, info(type).block == 1 ? (type == DType::f64 ? DType::f32 : type) : DType::q8_0);
    const auto a = numbers(kRank * 256, 1), b = numbers(3 * kRank, 2);
    std::vector<float> old(256), now(256);
    for (std::int64_t r = 0; r < 3; ++r) {
      dequantize_row(type, before.row(r), 256, old.data());
      dequantize_row(after.dtype, after.row(r), 256, now.data());
      std::vector<double> want(old.begin(), old.end());
      for (std::size_t i = 0; i < 256; ++i)
        for (std::size_t j = 0; j < kRank; ++j)
          want[i] += 0.5 * 8 / kRank * double{b[static_cast<std::size_t>(r) * kRank + j]} * double{a[j * 256 + i]};
      for (std::size_t i = 0; i < 256; ++i) {
        double top = 0;
        for (std::size_t k = i / 32 * 32; k < i / 32 * 32 + 32; ++k) top = std::max(top, std::fabs(want[k]));
        const double unit = after.dtype == DType::q8_0   ? top * (1.0 / 254 + 1.0 / 2048)
                            : after.dtype == DType::bf16 ? std::fabs(want[i]) / 256
                            : after.dtype == DType::f16  ? std::fabs(want[i]) / 2048
                                                         : 0;
        ASSERT_NEAR(now[i], want[i], unit + 1e-6 * top + 1e-7) << info(type).name << " " << r << " " << i;
      }
    }
  }
}

TEST_F(LoraFiles, AlphaOfZeroMeansTheScaleAlone) {
  const GgufBuilder bytes = model_file(DType::f32, 0);
  auto plain = GgufFile::parse(bytes.bytes()), scaled = GgufFile::parse(bytes.bytes());
  ASSERT_TRUE(plain && scaled);
  ASSERT_TRUE(merge(*plain, {.alpha = 0}, 2));
  ASSERT_TRUE(merge(*scaled, {.alpha = 4}, 1));  // 4 / rank = 2
  EXPECT_EQ(0, std::memcmp(plain->find("w")->data, scaled->find("w")->data, 3 * 256 * 4));
  EXPECT_TRUE(plain->find("norm")->data >= bytes.bytes().data()) << "others stay where they were";
}

TEST_F(LoraFiles, WhatDoesNotFitIsNamed) {
  const GgufBuilder bytes = model_file(DType::f32, 0);
  const auto says = [&](const AdapterOptions& options, Code code, const std::string& text) {
    auto model = GgufFile::parse(bytes.bytes());
    const std::byte* before = model->find("w")->data;
    const auto merged = merge(*model, options);
    ASSERT_FALSE(merged) << text;
    EXPECT_EQ(model->find("w")->data, before) << "nothing is changed by halves";
    EXPECT_EQ(merged.error().code, code) << merged.error().text;
    EXPECT_NE(merged.error().text.find(text), std::string::npos) << merged.error().text;
  };
  says({.architecture = "gemma3"}, Code::invalid_argument,
       "the adapter is for the architecture gemma3, the model is llama");
  says({.type = "model"}, Code::invalid_argument,
       "expected general.type adapter and adapter.type lora, got model and lora");
  says({.kind = "control_vector"}, Code::invalid_argument, "got adapter and control_vector");
  says({.name = "v"}, Code::malformed, "tensor v: the adapter changes it, but the model has no such tensor");
  says({.name = "norm"}, Code::unsupported, "tensor norm: only matrices");
  says({.depth = 128}, Code::malformed,
       "[3, 256] needs lora_a [rank, 256] and lora_b [3, rank], the adapter has [2, 128]");
  says({.out = 4}, Code::malformed, "the adapter has [2, 256] and [4, 2]");
  says({.rank_of_b = 1}, Code::malformed, "the adapter has [2, 256] and [3, 1]");
  says({.has_b = false}, Code::malformed, "tensor w.lora_a: its other half w.lora_b is missing");
  says({.alpha = std::nanf("")}, Code::malformed, "key 'adapter.lora.alpha' is not a finite number");
  auto model = GgufFile::parse(bytes.bytes());
  LoraAdapter other{std::move(*GgufFile::parse(bytes.bytes())), 1};
  const auto merged = merge_adapters(*model, {&other, 1}, pool_);
  ASSERT_FALSE(merged);
  EXPECT_NE(merged.error().text.find("tensor w: an adapter holds pairs"), std::string::npos) << merged.error().text;
}

TEST(Lora, OptionsAreAFileAndAScale) {
  EXPECT_EQ(*parse_lora_option("a.gguf"), std::pair(std::string("a.gguf"), 1.0));
  EXPECT_EQ(*parse_lora_option("a.gguf:0.5"), std::pair(std::string("a.gguf"), 0.5));
  EXPECT_EQ(*parse_lora_option("d:e/a.gguf:-1e-1"), std::pair(std::string("d:e/a.gguf"), -0.1));
  for (const char* bad : {"a.gguf:", "a.gguf:x", "a.gguf:1x", ":1", "a.gguf:inf", "a.gguf:nan"}) {
    const auto option = parse_lora_option(bad);
    ASSERT_FALSE(option) << bad;
    EXPECT_EQ(option.error().code, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace heed
