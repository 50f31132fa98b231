// olmo.cc -- OLMo 2 and 3 (norms after each half only; OLMo et al. 2024, 2025) and OLMoE (Muennighoff et al. 2024): q
// and k normed over all heads at once.
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_olmo(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  each_block(spec, [](BlockSpec& block) { block.qk_norm = QkNorm::whole; });
  return spec;
}

}  // namespace

Expected<ModelSpec> read_olmo2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_olmo(metadata, "olmo2"));
  spec.norm_place = NormPlace::post;
  HEED_TRY(read_windows(metadata, "olmo2", 4, spec));
  for (BlockSpec& block : spec.blocks) {  // OLMo 3: windows keep unscaled positions
    if (block.attention.mask.window == 0) continue;
    block.rope.scale = block.rope.magnitude = 1.0f;
    block.is_rope_scaled = false;
  }
  return spec;
}

Expected<ModelSpec> read_olmoe(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_olmo(metadata, "olmoe"));
  each_block(spec, [](BlockSpec& block) { block.experts.sums_to_one = false; });
  return spec;
}

}  // namespace heed
