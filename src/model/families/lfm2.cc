// lfm2.cc -- LFM 2 (Liquid AI 2025), dense and MoE: most layers are short convolutions, the others attend with q/k
// norms.
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_lfm2(const Metadata& metadata) {
  HEED_ASSIGN(const std::string name, metadata.need_text("general.architecture"));
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, name));
  HEED_ASSIGN(const std::int64_t taps, metadata.need_integer(name + ".shortconv.l_cache", 1, 16));
  ExpertSpec experts = spec.blocks.front().experts;
  experts.is_sigmoid = true;
  HEED_TRY(read_router(metadata, name, experts, spec));
  spec.is_output_norm_of_embeddings = true;
  for (BlockSpec& block : spec.blocks) {
    block.qk_norm = QkNorm::heads;
    if (block.attention.kv_heads > 0) continue;
    block.kind = AttentionKind::conv;
    block.attention.kv_heads = block.attention.heads;
    block.mamba.taps = static_cast<std::int32_t>(taps);
    block.rope.dims = 0;
  }
  return spec;
}

}  // namespace heed
