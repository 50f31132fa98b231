// gemma.cc -- Gemma 1 and 2 text (Gemma report, 2024; Gemma 2 report, 2024). Norm weights come with their one added.
#include <cmath>

#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_gemma_like(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  spec.embed_scale = std::sqrt(static_cast<float>(spec.dim));
  for (BlockSpec& block : spec.blocks) block.activation = Activation::gelu_tanh;
  return spec;
}

}  // namespace

Expected<ModelSpec> read_gemma(const Metadata& metadata) { return read_gemma_like(metadata, "gemma"); }

// Gemma 2: norms around both halves, capped scores and logits, every other layer sees a window, the first one too.
Expected<ModelSpec> read_gemma2(const Metadata& metadata) {
  constexpr std::size_t kLayersOf27B = 46;  // the one size whose scale is not that of its head (no key says so)
  HEED_ASSIGN(ModelSpec spec, read_gemma_like(metadata, "gemma2"));
  HEED_ASSIGN(const std::int64_t window, metadata.integer("gemma2.attention.sliding_window", 4096, 1, 1 << 30));
  HEED_ASSIGN(const double logit_cap, metadata.real("gemma2.final_logit_softcapping", 30.0));
  HEED_ASSIGN(const double score_cap, metadata.real("gemma2.attn_logit_softcapping", 50.0));
  spec.norm_place = NormPlace::sandwich;
  spec.logit_softcap = static_cast<float>(logit_cap);
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    BlockSpec& block = spec.blocks[i];
    block.attention.score.softcap = static_cast<float>(score_cap);
    if (spec.blocks.size() == kLayersOf27B)
      block.attention.score.scale =
          1.0f / std::sqrt(static_cast<float>(spec.dim) / static_cast<float>(block.attention.heads));
    if (i % 2 == 0) block.attention.mask.window = static_cast<std::int32_t>(window);
  }
  return spec;
}

}  // namespace heed
