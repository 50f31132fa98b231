// deepseek.cc -- DeepSeek-V2, V3 and their kin (Kimi, GLM 4.7 Flash, Moonlight; DeepSeek-AI 2024): latent attention,
// leading dense layers, then experts in groups with shared ones.
#include <algorithm>
#include <cmath>

#include "model/families/families.h"

namespace heed {
namespace {

// Files of newer converters describe the attention over short vectors; what heed computes stands under _mla.
Expected<void> read_latent(const Metadata& m, const std::string& family, BlockSpec& b) {
  const std::string p = family + ".attention.";
  HEED_ASSIGN(const std::int64_t kv_rank, m.need_integer(p + "kv_lora_rank", 1, 1 << 16));
  HEED_ASSIGN(const std::int64_t q_rank, m.integer(p + "q_lora_rank", 0, 0, 1 << 16));
  HEED_ASSIGN(const std::int64_t head_dim, m.integer(p + "key_length_mla", b.head_dim, 1, 4096));
  HEED_ASSIGN(const std::int64_t v_dim, m.integer(p + "value_length_mla", b.v_dim, 1, 4096));
  b.latent = {.kv_rank = static_cast<std::int32_t>(kv_rank),
              .q_rank = static_cast<std::int32_t>(q_rank),
              .is_split = m.find(p + "key_length_mla") != nullptr};
  b.attention.kv_heads = b.attention.heads;
  b.head_dim = static_cast<std::int32_t>(head_dim);
  b.v_dim = static_cast<std::int32_t>(v_dim);
  b.attention.score.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  if (b.rope.dims >= b.head_dim)
    return fail(Code::malformed,
                "model: of a head of " + std::to_string(head_dim) + " numbers no more than some turn, got " +
                    std::to_string(b.rope.dims),
                family + ".rope.dimension_count");
  return {};
}

// YaRN's magnitude goes into the scores as a whole here: the part that turns and the part that does not.
Expected<void> read_magnitude(const Metadata& m, BlockSpec& b) {
  HEED_ASSIGN(const double log_scale, m.real("deepseek2.rope.scaling.yarn_log_multiplier", 0.0));
  HEED_ASSIGN(const double factor, m.real("deepseek2.rope.scaling.factor", 1.0));
  if (log_scale == 0) return {};
  const double magnitude = 1.0 + log_scale * std::log(std::max(factor, 1.0));
  b.attention.score.scale *= static_cast<float>(magnitude * magnitude);
  b.rope.magnitude = 1.0f;
  return {};
}

}  // namespace

Expected<ModelSpec> read_deepseek2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "deepseek2"));
  BlockSpec first = spec.blocks.front();
  HEED_TRY(read_latent(metadata, "deepseek2", first));
  HEED_TRY(read_magnitude(metadata, first));
  first.rope.interleaved = true;
  spec.blocks.assign(spec.blocks.size(), first);
  first.experts.sums_to_one = false;
  HEED_TRY(read_router(metadata, "deepseek2", first.experts, spec));
  return spec;
}

// MiniCPM 3 (OpenBMB 2024): dense, split pairs; MiniCPM's constants, which no key says.
Expected<ModelSpec> read_minicpm3(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "minicpm3"));
  BlockSpec first = spec.blocks.front();
  if (!metadata.find("minicpm3.attention.value_length")) first.v_dim = spec.dim / first.attention.heads;
  HEED_TRY(read_latent(metadata, "minicpm3", first));
  spec.blocks.assign(spec.blocks.size(), first);
  spec.embed_scale = 12.0f;
  spec.residual_scale = 1.4f / std::sqrt(static_cast<float>(spec.blocks.size()));
  spec.logit_scale = 256.0f / static_cast<float>(spec.dim);
  return spec;
}

}  // namespace heed
