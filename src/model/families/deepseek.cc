// deepseek.cc -- DeepSeek-V2 and its kin (DeepSeek-AI 2024): latent attention, a dense layer or more, then experts with
// shared ones. Of the routers that choose among groups of experts none is known.
#include <cmath>

#include "model/families/families.h"

namespace heed {
namespace {

const std::string kPrefix = "deepseek2.";

Expected<void> read_router(const Metadata& m, ExpertSpec& e) {
  HEED_ASSIGN(const std::int64_t shared, m.integer(kPrefix + "expert_shared_count", 0, 0, 64));
  HEED_ASSIGN(const std::int64_t gating, m.integer(kPrefix + "expert_gating_func", 1, 0, 2));
  HEED_ASSIGN(const bool sums_to_one, m.flag(kPrefix + "expert_weights_norm", false));
  HEED_ASSIGN(const std::int64_t groups, m.integer(kPrefix + "expert_group_count", 1, 0, 1024));
  if (groups > 1)
    return fail(Code::unsupported, "model: experts in " + std::to_string(groups) + " groups are not supported",
                kPrefix + "expert_group_count");
  e.shared_ffn_dim = static_cast<std::int32_t>(shared) * e.ffn_dim;
  e.is_sigmoid = gating == 2;
  e.sums_to_one = sums_to_one;
  return {};
}

}  // namespace

Expected<ModelSpec> read_deepseek2(const Metadata& metadata) {
  if (metadata.find(kPrefix + "attention.key_length_mla"))
    return fail(
        Code::unsupported,
        "model: deepseek2 with attn_k_b and attn_v_b is not supported; heed reads files that keep attn_kv_b whole",
        kPrefix + "attention.key_length_mla");
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "deepseek2"));
  HEED_ASSIGN(const std::int64_t kv_rank, metadata.need_integer(kPrefix + "attention.kv_lora_rank", 1, 1 << 16));
  HEED_ASSIGN(const std::int64_t q_rank, metadata.integer(kPrefix + "attention.q_lora_rank", 0, 0, 1 << 16));
  HEED_ASSIGN(const std::int64_t dense, metadata.integer(kPrefix + "leading_dense_block_count", 0, 0, 1024));
  HEED_ASSIGN(const double log_scale, metadata.real(kPrefix + "rope.scaling.yarn_log_multiplier", 0.0));
  HEED_ASSIGN(const double factor, metadata.real(kPrefix + "rope.scaling.factor", 1.0));
  BlockSpec& first = spec.blocks.front();
  HEED_TRY(read_router(metadata, first.experts));
  // YaRN's magnitude goes into the scores as a whole here: the part that turns and the part that does not.
  const double magnitude = 1.0 + log_scale * std::log(std::max(factor, 1.0));
  first.attention.score.scale *= static_cast<float>(magnitude * magnitude);
  first.attention.kv_heads = first.attention.heads;
  first.rope.magnitude = 1.0f;
  first.rope.interleaved = true;
  first.latent = {.kv_rank = static_cast<std::int32_t>(kv_rank), .q_rank = static_cast<std::int32_t>(q_rank)};
  spec.blocks.assign(spec.blocks.size(), BlockSpec(first));
  for (std::size_t i = 0; i < spec.blocks.size() && i < static_cast<std::size_t>(dense); ++i)
    spec.blocks[i].experts = {};
  return spec;
}

}  // namespace heed
