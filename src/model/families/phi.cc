// phi.cc -- Phi 1.5 and 2 (parallel halves, one norm, part of a head rotated); Phi 3, 3.5 and 4 (llama with fused
// projections; long-rope in the long-context sizes, Phi-3 technical report, 2024).
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_phi2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "phi2"));
  spec.norm = NormKind::layer;
  each_block(spec, [](BlockSpec& block) {
    block.is_parallel = true;
    block.is_gated = false;
    block.activation = Activation::gelu_tanh;
  });
  return spec;
}

Expected<ModelSpec> read_phi3(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "phi3"));
  HEED_ASSIGN(const std::int64_t window, metadata.integer("phi3.attention.sliding_window", 0, 0, 1 << 30));
  each_block(spec, [&](BlockSpec& block) {
    block.is_gate_in_up = true;
    block.attention.mask.window = static_cast<std::int32_t>(window);
  });
  return spec;
}

}  // namespace heed
