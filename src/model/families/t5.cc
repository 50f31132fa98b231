// t5.cc -- T5 1.0 (a ReLU without a gate, logits by the embeddings, scaled), T5 1.1 and FLAN-T5 (Raffel et al. 2020;
// Chung et al. 2022): an encoder that sees all of the source, a decoder that attends to it; scores have no scale but a
// bias by distance, which all blocks of a stack share. No key tells 1.0 from 1.1, their tensors do.
#include <cmath>

#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_t5(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "t5"));
  HEED_ASSIGN(const std::int64_t start, metadata.integer("t5.decoder_start_token_id", 0, 0, 1 << 22));
  HEED_ASSIGN(const std::int64_t layers,
              metadata.integer("t5.decoder_block_count", static_cast<std::int64_t>(spec.blocks.size()), 1, 1024));
  if (!spec.blocks.front().has_relative_bias)
    return fail(Code::malformed, "model: t5 needs relative buckets", "t5.attention.relative_buckets_count");
  each_block(spec, [](BlockSpec& block) {
    block.rope.dims = 0;
    block.attention.score.scale = 1.0f;
    block.activation = Activation::gelu_tanh;
    block.ungated = Activation::relu;
  });
  spec.start_token = static_cast<std::int32_t>(start);
  spec.tied_logit_scale = 1.0f / std::sqrt(static_cast<float>(spec.dim));
  spec.encoder = spec.blocks;
  for (BlockSpec& block : spec.encoder) {
    block.attention.mask.causal = false;
    block.relative.is_bidirectional = true;
  }
  spec.blocks.resize(static_cast<std::size_t>(layers), spec.blocks.front());
  each_block(spec, [](BlockSpec& block) { block.has_cross = true; });
  return spec;
}

}  // namespace heed
