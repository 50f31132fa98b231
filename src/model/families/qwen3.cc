// qwen3.cc -- Qwen 3, dense: llama with q/k norms instead of biases and split RoPE pairs (Qwen3 technical report,
// 2025).
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_qwen3(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "qwen3"));
  for (BlockSpec& block : spec.blocks) block.has_qk_norm = true;
  return spec;
}

}  // namespace heed
