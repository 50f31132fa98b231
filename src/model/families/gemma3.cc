// gemma3.cc -- Gemma 3 text: five window layers to one global, q/k norms, sandwich norms (Gemma 3 report, 2025).
#include <cmath>

#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_gemma3(const Metadata& metadata) {
  constexpr std::size_t kPattern = 6;         // every sixth layer is global
  constexpr float kLocalRopeBase = 10000.0f;  // window layers keep the short-range base and unscaled positions
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "gemma3"));
  HEED_ASSIGN(const std::int64_t window, metadata.integer("gemma3.attention.sliding_window", 1024, 1, 1 << 30));
  HEED_ASSIGN(const double softcap, metadata.real("gemma3.final_logit_softcapping", 0.0));
  spec.norm_place = NormPlace::sandwich;
  spec.embed_scale = std::sqrt(static_cast<float>(spec.dim));
  spec.logit_softcap = static_cast<float>(softcap);
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    BlockSpec& block = spec.blocks[i];
    block.qk_norm = QkNorm::heads;
    block.activation = Activation::gelu_tanh;
    if (i % kPattern == kPattern - 1) continue;
    block.attention.mask.window = static_cast<std::int32_t>(window);
    block.rope.base = kLocalRopeBase;
    block.rope.scale = block.rope.magnitude = 1.0f;
    block.is_rope_scaled = false;
  }
  return spec;
}

}  // namespace heed
