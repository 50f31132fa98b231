// qwen2.cc -- Qwen (its files count gate and up as one), 2 and 2.5: llama with biases on q, k, v and split RoPE pairs
// (Qwen2 technical report, 2024).
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_qwen(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "qwen"));
  each_block(spec, [](BlockSpec& block) {
    block.has_qkv_bias = true;
    block.ffn_dim /= 2;
  });
  return spec;
}

Expected<ModelSpec> read_qwen2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "qwen2"));
  each_block(spec, [](BlockSpec& block) { block.has_qkv_bias = true; });
  return spec;
}

// Qwen 1.5 and 2 MoE: a gated expert beside the chosen, whose weights are a softmax over all.
Expected<ModelSpec> read_qwen2_moe(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "qwen2moe"));
  each_block(spec, [](BlockSpec& block) {
    block.has_qkv_bias = true;
    block.experts.is_shared_gated = true;
    block.experts.sums_to_one = false;
  });
  return spec;
}

}  // namespace heed
