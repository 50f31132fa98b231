// hybrid_test.cc -- a stack of softmax and every linear attention behind memory tokens: against numpy, and against
// itself however the text is cut.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/unit/model/expectation.h"
#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

struct Hybrid : TestModel {
  explicit Hybrid(int threads, const Kernels& table, DType kv = DType::f32) : TestModel(threads, table, kv) {
    const auto loaded = load("hybrid");
    EXPECT_TRUE(loaded) << loaded.error().text;
  }
  KvCache begin() {
    Exec e = exec();
    auto memory = remember(spec, weights, *pages, e);
    EXPECT_TRUE(memory);
    return std::move(*memory);
  }
  std::vector<float> in_chunks(KvCache& cache, std::span<const std::int32_t> tokens, std::size_t chunk) {
    std::vector<float> all;
    for (std::size_t i = 0; i < tokens.size(); i += chunk) {
      const auto part = run(cache, tokens.subspan(i, std::min(chunk, tokens.size() - i)));
      EXPECT_TRUE(part) << part.error().text;
      if (part) all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }
};

TEST(HybridModel, EveryLayerEqualsNumpy) {
  auto expected = GgufFile::open(std::string(HEED_SOURCE_DIR) + "/tests/golden/models/hybrid.expected.gguf");
  ASSERT_TRUE(expected) << expected.error().text;
  const Tensor* tokens = expected->find("tokens");
  ASSERT_NE(tokens, nullptr);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens->cols()));
  std::memcpy(ids.data(), tokens->data, ids.size() * 4);
  for (const Kernels* kernels : runnable_kernels()) {
    Hybrid m(2, *kernels);
    KvCache cache = m.begin();
    EXPECT_EQ(cache.length(), m.spec.memory_tokens);
    Expectation check{&*expected, 1e-9};
    const auto logits = m.run(cache, ids, {&check, Expectation::on_layer});
    ASSERT_TRUE(logits) << logits.error().text;
    EXPECT_EQ(check.seen, static_cast<int>(m.spec.blocks.size()) + 2);
    const double e =
        nmse(logits->data(), reinterpret_cast<const float*>(expected->find("logits")->data), logits->size());
    EXPECT_LE(e, 1e-9);
    std::printf("golden hybrid %s: logits NMSE %.2e\n", kernels->name, e);
  }
}

TEST(HybridModel, PrefillEqualsDecodeBitForBitOnAnyThreads) {
  const auto tokens = some_tokens(200, 1);
  for (const Kernels* kernels : runnable_kernels()) {
    Hybrid one(1, *kernels, DType::f16), three(3, *kernels, DType::f16);
    KvCache whole = one.begin(), single = three.begin(), pieces = three.begin();
    const auto want = one.in_chunks(whole, tokens, 200);
    EXPECT_EQ(want, three.in_chunks(single, tokens, 1)) << kernels->name;
    EXPECT_EQ(want, three.in_chunks(pieces, tokens, 37)) << kernels->name;
  }
}

// Memory rows that are embeddings of tokens are these tokens.
TEST(HybridModel, MemoryTokensAreRowsAheadOfTheText) {
  Hybrid m(2, best_kernels());
  const auto tokens = some_tokens(80, 2);
  const auto ahead = std::span(tokens).first(5), rest = std::span(tokens).subspan(5);
  KvCache plain(*m.pages);
  const auto whole = m.in_chunks(plain, tokens, 80);
  m.weights.memory.clear();
  for (const std::int32_t t : ahead) {
    const auto* row = reinterpret_cast<const float*>(m.weights.tokens.row(t));
    m.weights.memory.insert(m.weights.memory.end(), row, row + m.spec.dim);
  }
  KvCache memory = m.begin(), first = memory.fork(), second = memory.fork();
  const auto vocab = static_cast<std::size_t>(m.spec.vocab);
  const std::vector<float> want(whole.begin() + static_cast<std::ptrdiff_t>(5 * vocab), whole.end());
  EXPECT_EQ(m.in_chunks(first, rest, 75), want);
  EXPECT_EQ(m.in_chunks(second, rest, 10), want);  // forks share nothing that is written
}

TEST(HybridModel, AForkGoesItsOwnWay) {
  Hybrid m(2, best_kernels());
  const auto tokens = some_tokens(150, 3), other = some_tokens(20, 4);
  KvCache a = m.begin();
  m.in_chunks(a, std::span(tokens).first(100), 50);
  KvCache b = a.fork(), c = a.fork();
  m.in_chunks(b, other, 20);
  const auto rest = std::span(tokens).subspan(100);
  EXPECT_EQ(m.in_chunks(a, rest, 50), m.in_chunks(c, rest, 7));
}

// A state cannot be unwound: inside its chunk a text can be cut, before it everything goes.
TEST(HybridModel, TruncationIsExactOrBeginsAnew) {
  Hybrid m(2, best_kernels());
  const auto tokens = some_tokens(150, 5);
  KvCache fresh = m.begin(), cut = m.begin();
  const auto want = m.in_chunks(fresh, std::span(tokens).first(120), 120);
  m.in_chunks(cut, std::span(tokens).first(95), 95);
  m.in_chunks(cut, some_tokens(20, 6), 20);  // 120 places: the chunk began at 64
  cut.truncate(95 + 5);
  ASSERT_EQ(cut.length(), 100);
  const auto vocab = static_cast<std::size_t>(m.spec.vocab);
  EXPECT_EQ(m.in_chunks(cut, std::span(tokens).subspan(95, 25), 25),
            std::vector<float>(want.begin() + static_cast<std::ptrdiff_t>(95 * vocab), want.end()));
  cut.truncate(63);
  EXPECT_EQ(cut.length(), 0);
  EXPECT_TRUE(cut.pages().empty());
}

TEST(HybridModel, UnknownKindsAreRefusedByName) {
  Hybrid m(1, best_kernels());
  Metadata metadata;
  for (const auto& [key, value] : m.file.metadata().all()) {
    MetaValue copy = value;
    if (key == "llama.attention.kinds") copy = MetaArray{std::vector<std::string>(5, "soft")};
    metadata.insert(key, std::move(copy));
  }
  const auto spec = read_spec(metadata);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().where, "llama.attention.kinds");
  EXPECT_EQ(spec.error().code, Code::unsupported);
}

}  // namespace
}  // namespace heed
