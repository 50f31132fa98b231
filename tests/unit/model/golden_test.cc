// golden_test.cc -- every layer of every family against what transformers computed for the same tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/unit/model/expectation.h"
#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

std::string test_name(std::string golden) {
  std::replace(golden.begin(), golden.end(), '-', '_');
  return golden;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, EveryLayerEqualsTransformers) {
  auto expected =
      GgufFile::open(std::string(HEED_SOURCE_DIR) + "/tests/golden/models/" + GetParam() + ".expected.gguf");
  ASSERT_TRUE(expected) << expected.error().text;
  const Tensor* tokens = expected->find("tokens");
  ASSERT_NE(tokens, nullptr);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens->cols()));
  std::memcpy(ids.data(), tokens->data, ids.size() * 4);
  for (const Kernels* kernels : runnable_kernels()) {
    TestModel model(2, *kernels);
    const auto loaded = model.load(GetParam());
    ASSERT_TRUE(loaded) << loaded.error().text;
    Expectation check{&*expected, kMaxNmse};
    KvCache cache(*model.pages);
    const auto logits = model.run(cache, ids, {&check, Expectation::on_layer});
    ASSERT_TRUE(logits) << logits.error().text;
    EXPECT_EQ(check.seen, static_cast<int>(model.spec.blocks.size()) + 2);
    const double e =
        nmse(logits->data(), reinterpret_cast<const float*>(expected->find("logits")->data), logits->size());
    EXPECT_LE(e, kMaxNmse) << "logits";
    std::printf("golden %s %s: worst layer NMSE %.2e, logits %.2e\n", GetParam().c_str(), kernels->name, check.worst,
                e);
  }
}

TEST_P(Golden, OneTokenAtATimeGivesTheSameBits) {
  TestModel model(2, best_kernels());
  const auto loaded = model.load(GetParam());
  ASSERT_TRUE(loaded) << loaded.error().text;
  const std::vector<std::int32_t> ids = some_tokens(24);
  KvCache whole(*model.pages), single(*model.pages);
  const auto all = model.run(whole, ids);
  ASSERT_TRUE(all) << all.error().text;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto one = model.run(single, std::span(ids).subspan(i, 1));
    ASSERT_TRUE(one) << one.error().text;
    ASSERT_EQ(std::memcmp(one->data(), all->data() + i * one->size(), one->size() * 4), 0) << "token " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Golden,
                         testing::Values("llama", "mixtral", "granite", "granitemoe", "granitehybrid", "granite4-dense",
                                         "smollm3", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "gemma", "gemma2",
                                         "gemma3", "phi2", "phi3", "gpt2", "gptneox", "starcoder2", "falcon",
                                         "stablelm", "olmo2", "olmoe", "command-r", "cohere2", "gpt-oss", "bloom",
                                         "deepseek2", "deepseek2-yarn", "deepseek2-split", "deepseek3", "nemotron"),
                         [](const auto& p) { return test_name(p.param); });

INSTANTIATE_TEST_SUITE_P(Kin, Golden,
                         testing::Values("command-r-plus", "falcon-40b", "minicpm3", "internlm2", "xverse", "baichuan",
                                         "minicpm", "arcee", "orion", "qwen", "seed-oss", "exaone", "exaone4", "olmo3",
                                         "ernie4-5", "ernie4-5-moe", "chatglm", "glm4", "glm4moe", "dots1",
                                         "minimax-m2", "hunyuan-dense", "hunyuan-moe", "starcoder", "codeshell", "mpt",
                                         "lfm2", "lfm2moe", "nemotron-h", "mamba2"),
                         [](const auto& p) { return test_name(p.param); });

INSTANTIATE_TEST_SUITE_P(Rope, Golden,
                         testing::Values("linear-rope", "yarn-rope", "llama3-rope", "long-rope", "short-rope"),
                         [](const auto& p) { return test_name(p.param); });

}  // namespace
}  // namespace heed
