// refusals_test.cc -- what a file must not say of its model: every lie is an error that names the number.
#include <gtest/gtest.h>

#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

struct Lie {
  const char* golden;
  const char* key;
  std::int64_t value;
  const char* says;
};

class Refusals : public testing::TestWithParam<Lie> {};

TEST_P(Refusals, NameWhatIsWrong) {
  const Lie& lie = GetParam();
  const auto file = GgufFile::open(std::string(HEED_SOURCE_DIR) + "/tests/golden/models/" + lie.golden + ".gguf");
  ASSERT_TRUE(file) << file.error().text;
  Metadata metadata;
  metadata.insert(lie.key, lie.value);
  for (const auto& [key, value] : file->metadata().all())
    if (key != lie.key) metadata.insert(key, value);
  const auto spec = read_spec(metadata);
  ASSERT_FALSE(spec) << lie.key;
  EXPECT_NE(spec.error().text.find(lie.says), std::string::npos) << spec.error().text;
}

INSTANTIATE_TEST_SUITE_P(
    OfExperts, Refusals,
    testing::Values(Lie{"deepseek3", "deepseek2.expert_group_count", 4, "must divide the experts, which are 6"},
                    Lie{"deepseek3", "deepseek2.expert_group_count", 6, "groups of at least 2"},
                    Lie{"deepseek3", "deepseek2.expert_group_used_count", 3, "groups used must be in 1..2"},
                    Lie{"deepseek3", "deepseek2.expert_group_used_count", 0, "groups used must be in 1..2"},
                    Lie{"deepseek3", "deepseek2.expert_used_count", 4, "at most those of 1 groups of 3"},
                    Lie{"deepseek3", "deepseek2.expert_used_count", 7, "expert_used_count"},
                    Lie{"deepseek3", "deepseek2.expert_shared_count", 65, "expert_shared_count"},
                    Lie{"deepseek3", "deepseek2.expert_feed_forward_length", 1 << 24, "ffn_dim of experts"}));

INSTANTIATE_TEST_SUITE_P(
    OfLatentAttention, Refusals,
    testing::Values(Lie{"deepseek3", "deepseek2.attention.key_length_mla", 4096, "head_dim"},
                    Lie{"deepseek3", "deepseek2.attention.key_length_mla", 16, "no more than some turn"},
                    Lie{"deepseek3", "deepseek2.attention.value_length_mla", 17, "value dim"},
                    Lie{"deepseek3", "deepseek2.attention.kv_lora_rank", 33, "multiples of 32"},
                    Lie{"deepseek3", "deepseek2.nextn_predict_layers", 2, "nextn_predict_layers"}));

INSTANTIATE_TEST_SUITE_P(
    OfLayers, Refusals,
    testing::Values(Lie{"llama", "llama.attention.head_count", 0, "heads must be in 1..1024"},
                    Lie{"llama", "llama.attention.head_count_kv", 0, "kv_heads must divide"},
                    Lie{"llama", "llama.feed_forward_length", 0, "ffn_dim must be"},
                    Lie{"exaone4", "exaone4.block_count", 5, "sliding_window_pattern lists 4 layers of 5"},
                    Lie{"lfm2", "lfm2.shortconv.l_cache", 17, "l_cache"},
                    Lie{"lfm2", "lfm2.block_count", 4, "head_count_kv has 3 layers of 4"},
                    Lie{"lfm2", "lfm2.attention.relative_buckets_count", 8, "a bias by distance"},
                    Lie{"deepseek3", "deepseek2.attention.relative_buckets_count", 8, "a bias by distance"},
                    Lie{"nemotron-h", "nemotron_h.ssm.time_step_rank", 3, "do not divide"},
                    Lie{"nemotron-h", "nemotron_h.block_count", 5, "feed_forward_length has 4 layers of 5"}));

}  // namespace
}  // namespace heed
