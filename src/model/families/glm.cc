// glm.cc -- GLM: ChatGLM 3 and GLM 4 9B (GLM team 2024), GLM 4 of 2025 (norms around both halves), GLM 4.5 (experts by
// sigmoids). Half of a head turns.
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_chatglm(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, "chatglm"));
  each_block(spec, [](BlockSpec& block) { block.is_gate_in_up = true; });
  return spec;
}

Expected<ModelSpec> read_glm4(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, "glm4"));
  spec.norm_place = NormPlace::sandwich;
  each_block(spec, [](BlockSpec& block) { block.is_gate_in_up = true; });
  return spec;
}

// Pairs are split here; the largest norms queries and keys.
Expected<ModelSpec> read_glm4_moe(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "glm4moe"));
  ExpertSpec experts = spec.blocks.front().experts;
  experts.is_sigmoid = true;
  HEED_TRY(read_router(metadata, "glm4moe", experts, spec));
  each_block(spec, [](BlockSpec& block) {
    block.qk_norm = QkNorm::heads;
    block.may_lack_qk_norm = true;
  });
  return spec;
}

}  // namespace heed
