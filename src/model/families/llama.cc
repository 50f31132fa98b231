// llama.cc -- Llama 2 and 3, Mistral, Mixtral, SmolLM, Granite. GGUF permutes q and k so that RoPE pairs are
// neighbours.
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_with_neighbours(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  each_block(spec, [](BlockSpec& block) { block.rope.interleaved = true; });
  return spec;
}

// Granite's file keeps what logits are divided by.
Expected<ModelSpec> read_granite_like(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, family));
  if (!(spec.logit_scale > 0))
    return fail(Code::malformed, "model: granite's logit scale must be positive", std::string(family) + ".logit_scale");
  spec.logit_scale = 1.0f / spec.logit_scale;
  return spec;
}

}  // namespace

Expected<ModelSpec> read_llama(const Metadata& metadata) { return read_with_neighbours(metadata, "llama"); }

Expected<ModelSpec> read_granite(const Metadata& metadata) { return read_granite_like(metadata, "granite"); }

Expected<ModelSpec> read_granite_moe(const Metadata& metadata) { return read_granite_like(metadata, "granitemoe"); }

// SmolLM 3: every fourth layer has no positions (Yang et al. 2025).
Expected<ModelSpec> read_smollm3(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, "smollm3"));
  for (std::size_t i = 3; i < spec.blocks.size(); i += 4) spec.blocks[i].rope.dims = 0;
  return spec;
}

}  // namespace heed
