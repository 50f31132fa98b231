// qwen2.cc -- Qwen 2 and 2.5: llama with biases on q, k, v and split RoPE pairs (Qwen2 technical report, 2024).
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_qwen2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "qwen2"));
  for (BlockSpec& block : spec.blocks) block.has_qkv_bias = true;
  return spec;
}

}  // namespace heed
