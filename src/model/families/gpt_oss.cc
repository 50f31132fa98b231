// gpt_oss.cc -- gpt-oss (OpenAI, model card 2025): experts with biases and a clamped activation, a learned sink beside
// the scores of every head, every other layer a window, the first one too.
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_gpt_oss(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "gpt-oss"));
  HEED_ASSIGN(const std::int64_t window, metadata.integer("gpt-oss.attention.sliding_window", 128, 1, 1 << 30));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    BlockSpec& block = spec.blocks[i];
    block.has_qkv_bias = true;
    block.has_sink_logits = true;
    block.activation = Activation::clamped_silu;
    if (i % 2 == 0) block.attention.mask.window = static_cast<std::int32_t>(window);
  }
  return spec;
}

}  // namespace heed
