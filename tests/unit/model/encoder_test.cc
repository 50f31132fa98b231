// encoder_test.cc -- every layer of the encoders against what transformers computed, and the vectors that come out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/model/expectation.h"
#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

const std::string kEncoderGoldens = std::string(HEED_SOURCE_DIR) + "/tests/golden/";

using Ids = std::vector<std::int32_t>;

Ids ids_of(const GgufFile& expected) {
  const Tensor* t = expected.find("tokens");
  Ids ids(static_cast<std::size_t>(t->cols()));
  std::memcpy(ids.data(), t->data, ids.size() * 4);
  return ids;
}

/// Vectors of whole texts, read in one pass.
Expected<std::vector<std::vector<float>>> vectors_of(TestModel& model, const std::vector<Ids>& texts,
                                                     const ForwardTrace& trace = {}) {
  HEED_ASSIGN(PagePool pool, PagePool::make(scratch_layers(model.spec), model.kv_dtype, 64));
  std::vector<KvCache> caches;
  std::vector<std::vector<float>> vectors;
  std::vector<ForwardItem> items;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    caches.emplace_back(pool);
    vectors.emplace_back(static_cast<std::size_t>(model.spec.dim));
    HEED_TRY(caches[i].reserve(static_cast<std::int32_t>(texts[i].size())));
  }
  for (std::size_t i = 0; i < texts.size(); ++i)
    items.push_back({.cache = &caches[i], .tokens = texts[i], .vector = vectors[i]});
  Exec e = model.exec();
  HEED_TRY(read_texts(model.spec, model.weights, items, e, trace));
  return vectors;
}

void expect_golden(TestModel& model, const std::string& name) {
  const auto expected = GgufFile::open(kEncoderGoldens + "models/" + name + ".expected.gguf");
  ASSERT_TRUE(expected) << expected.error().text;
  Expectation check{&*expected, kMaxNmse};
  for (const auto& [pooling, tensor] :
       {std::pair{Pooling::mean, "mean"}, {Pooling::first, "first"}, {Pooling::last, "last"}}) {
    model.spec.pooling = pooling;
    check.seen = 0;
    const auto vectors = vectors_of(model, {ids_of(*expected)}, {&check, Expectation::on_layer});
    ASSERT_TRUE(vectors) << vectors.error().text;
    EXPECT_EQ(check.seen, static_cast<int>(model.spec.blocks.size()) + (model.spec.has_output_norm ? 2 : 1));
    const auto* want = reinterpret_cast<const float*>(expected->find(tensor)->data);
    EXPECT_LE(nmse((*vectors)[0].data(), want, (*vectors)[0].size()), kMaxNmse) << tensor;
  }
  std::printf("golden %s %s: worst layer NMSE %.2e\n", name.c_str(), model.kernels->name, check.worst);
}

std::string encoder_name(std::string golden) {
  std::replace(golden.begin(), golden.end(), '-', '_');
  return golden;
}

class Encoder : public testing::TestWithParam<std::string> {};

TEST_P(Encoder, EveryLayerEqualsTransformers) {
  for (const Kernels* kernels : runnable_kernels()) {
    TestModel model(2, *kernels);
    const auto loaded = model.load(GetParam());
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(model.spec.pooling, Pooling::mean);
    expect_golden(model, GetParam());
  }
}

TEST_P(Encoder, OfAHubIsTheSame) {
  const auto hub = open_model_file(kEncoderGoldens + "hub/" + GetParam());
  ASSERT_TRUE(hub) << hub.error().text;
  TestModel model(2, best_kernels());
  const auto loaded = model.load(**hub);
  ASSERT_TRUE(loaded) << loaded.error().text;
  expect_golden(model, GetParam());
}

// Alone, in a batch, in a batch in another order: no bit changes.
TEST_P(Encoder, NeighboursChangeNoBit) {
  for (const Kernels* kernels : runnable_kernels()) {
    TestModel model(2, *kernels, DType::bf16);
    ASSERT_TRUE(model.load(GetParam()));
    std::vector<Ids> texts = {{2, 9, 3}, {}, Ids(60, 7), {2, 3}, {2, 40, 41, 42, 43, 44, 45, 46, 47, 3}};
    for (std::int32_t i = 0; i < 60; ++i) texts[2][static_cast<std::size_t>(i)] = 5 + i % 50;
    texts.erase(texts.begin() + 1);
    const auto together = vectors_of(model, texts);
    ASSERT_TRUE(together) << together.error().text;
    std::vector<Ids> turned(texts.rbegin(), texts.rend());
    const auto backwards = vectors_of(model, turned);
    ASSERT_TRUE(backwards);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto alone = vectors_of(model, {texts[i]});
      ASSERT_TRUE(alone);
      EXPECT_EQ((*alone)[0], (*together)[i]) << i;
      EXPECT_EQ((*alone)[0], (*backwards)[texts.size() - 1 - i]) << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Encoder, testing::Values("bert", "roberta", "nomic-bert", "modern-bert"),
                         [](const auto& p) { return encoder_name(p.param); });

TEST(Encoders, GiveNoLogits) {
  TestModel model(1, best_kernels());
  ASSERT_TRUE(model.load("bert"));
  KvCache cache(*model.pages);
  const auto logits = model.run(cache, Ids{2, 9, 3});
  ASSERT_FALSE(logits);
  EXPECT_EQ(logits.error().code, Code::unsupported);
}

TEST(Encoders, RefuseMorePositionsThanTheyHaveLearned) {
  TestModel model(1, best_kernels());
  ASSERT_TRUE(model.load("bert"));
  const auto vectors = vectors_of(model, {Ids(65, 7)});
  ASSERT_FALSE(vectors);
  EXPECT_EQ(vectors.error().text, "forward: the model has learned no more than 64 positions");
}

// A decoder reads a whole text as it reads it step by step.
TEST(Decoders, GiveVectorsToo) {
  TestModel model(2, best_kernels());
  ASSERT_TRUE(model.load("gemma3"));
  model.spec.pooling = Pooling::last;
  const auto expected = GgufFile::open(kEncoderGoldens + "models/gemma3.expected.gguf");
  ASSERT_TRUE(expected);
  Expectation check{&*expected, kMaxNmse};
  const auto vectors = vectors_of(model, {ids_of(*expected)}, {&check, Expectation::on_layer});
  ASSERT_TRUE(vectors) << vectors.error().text;
  EXPECT_EQ(check.seen, static_cast<int>(model.spec.blocks.size()) + 2);
}

TEST(Vectors, NeedBlocksAlike) {
  TestModel model(1, best_kernels());
  ASSERT_TRUE(model.load("granitehybrid"));
  model.spec.pooling = Pooling::mean;
  const auto checked = check(model.spec);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::unsupported);
}

}  // namespace
}  // namespace heed
