// encoder_decoder_test.cc -- every layer of a T5's encoder and decoder against what transformers computed.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/model/expectation.h"
#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

std::vector<std::int32_t> ids_of(const GgufFile& file, const char* name) {
  const Tensor* t = file.find(name);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(t->cols()));
  std::memcpy(ids.data(), t->data, ids.size() * 4);
  return ids;
}

struct EncoderDecoder : testing::TestWithParam<const char*> {
  GgufFile expected =
      *GgufFile::open(std::string(HEED_SOURCE_DIR) + "/tests/golden/models/" + GetParam() + ".expected.gguf");
  std::vector<std::int32_t> source = ids_of(expected, "source"), target = ids_of(expected, "tokens");
};

// A model with room for one source text.
struct T5 {
  T5(const char* file, const Kernels& kernels) : name(file), model(2, kernels) {}

  Expected<void> encode_source(std::span<const std::int32_t> tokens, const ForwardTrace& trace = {}) {
    HEED_TRY(model.load(name));
    HEED_ASSIGN(PagePool made, PagePool::make(source_layers(model.spec), DType::f32, 4));
    sources = std::make_unique<PagePool>(std::move(made));
    HEED_ASSIGN(PagePool scratch_made, PagePool::make(scratch_layers(model.spec), DType::f32, 4));
    scratches = std::make_unique<PagePool>(std::move(scratch_made));
    scratch = std::make_unique<KvCache>(*scratches);
    kept = std::make_unique<KvCache>(*sources);
    const auto n = static_cast<std::int32_t>(tokens.size());
    HEED_TRY(scratch->reserve(n));
    HEED_TRY(kept->reserve(n));
    Exec e = model.exec();
    return encode(model.spec, model.weights, tokens, *scratch, *kept, e, trace);
  }

  Expected<std::vector<float>> decode(KvCache& cache, std::span<const std::int32_t> tokens,
                                      const ForwardTrace& trace = {}) {
    std::vector<float> logits(tokens.size() * static_cast<std::size_t>(model.spec.vocab));
    HEED_TRY(cache.reserve(cache.length() + static_cast<std::int32_t>(tokens.size())));
    ForwardItem item{.cache = &cache, .tokens = tokens, .logits = logits, .source = kept.get()};
    Exec e = model.exec();
    HEED_TRY(forward(model.spec, model.weights, {&item, 1}, e, trace));
    return logits;
  }

  std::string name;
  TestModel model;
  std::unique_ptr<PagePool> sources, scratches;
  std::unique_ptr<KvCache> scratch, kept;
};

TEST_P(EncoderDecoder, EveryLayerEqualsTransformers) {
  for (const Kernels* kernels : runnable_kernels()) {
    T5 t5(GetParam(), *kernels);
    Expectation encoder{&expected, kMaxNmse, "source."}, decoder{&expected, kMaxNmse};
    const auto encoded = t5.encode_source(source, {&encoder, Expectation::on_layer});
    ASSERT_TRUE(encoded) << encoded.error().text;
    EXPECT_EQ(encoder.seen, 2);
    KvCache cache(*t5.model.pages);
    const auto logits = t5.decode(cache, target, {&decoder, Expectation::on_layer});
    ASSERT_TRUE(logits) << logits.error().text;
    EXPECT_EQ(decoder.seen, 4);
    const auto* want = reinterpret_cast<const float*>(expected.find("logits")->data);
    const double e = nmse(logits->data(), want, logits->size());
    EXPECT_LE(e, kMaxNmse);
    std::printf("golden %s %s: worst layer NMSE %.2e, logits %.2e\n", GetParam(), kernels->name,
                std::max(encoder.worst, decoder.worst), e);
  }
}

TEST_P(EncoderDecoder, OneTokenAtATimeGivesTheSameBits) {
  T5 t5(GetParam(), best_kernels());
  ASSERT_TRUE(t5.encode_source(source));
  KvCache whole(*t5.model.pages), single(*t5.model.pages);
  const auto all = t5.decode(whole, target);
  ASSERT_TRUE(all);
  for (std::size_t i = 0; i < target.size(); ++i) {
    const auto one = t5.decode(single, std::span(target).subspan(i, 1));
    ASSERT_TRUE(one);
    EXPECT_EQ(std::memcmp(one->data(), all->data() + i * one->size(), one->size() * 4), 0) << "token " << i;
  }
}

TEST_P(EncoderDecoder, WithoutASourceTheErrorSaysSo) {
  T5 t5(GetParam(), best_kernels());
  ASSERT_TRUE(t5.encode_source(source));
  t5.kept.reset();
  KvCache cache(*t5.model.pages);
  const auto logits = t5.decode(cache, target);
  ASSERT_FALSE(logits);
  EXPECT_NE(logits.error().text.find("source"), std::string::npos) << logits.error().text;
  EXPECT_EQ(cache.length(), 0);
}

TEST_P(EncoderDecoder, AnEmptySourceIsRefused) {
  T5 t5(GetParam(), best_kernels());
  EXPECT_FALSE(t5.encode_source({}));
}

INSTANTIATE_TEST_SUITE_P(T5, EncoderDecoder, testing::Values("t5", "t5-relu"),
                         [](const auto& p) { return std::string(p.param) == "t5" ? "gated" : "relu"; });

}  // namespace
}  // namespace heed
