// llama.cc -- Llama 2 and 3, Mistral, Mixtral, SmolLM, Granite (dense, MoE, hybrid). GGUF permutes q and k so that RoPE
// pairs are neighbours.
#include <cmath>

#include "model/families/families.h"

namespace heed {
namespace {

// Granite's file keeps what logits are divided by.
Expected<ModelSpec> read_granite_like(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, family));
  if (!(spec.logit_scale > 0))
    return fail(Code::malformed, "model: granite's logit scale must be positive", std::string(family) + ".logit_scale");
  spec.logit_scale = 1.0f / spec.logit_scale;
  return spec;
}

}  // namespace

Expected<ModelSpec> read_with_neighbours(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  each_block(spec, [](BlockSpec& block) { block.rope.interleaved = true; });
  return spec;
}

// And those that are llama by another name: InternLM 2, XVERSE.
Expected<ModelSpec> read_llama(const Metadata& metadata) {
  HEED_ASSIGN(const std::string name, metadata.need_text("general.architecture"));
  return read_with_neighbours(metadata, name);
}

Expected<ModelSpec> read_granite(const Metadata& metadata) { return read_granite_like(metadata, "granite"); }

Expected<ModelSpec> read_granite_moe(const Metadata& metadata) { return read_granite_like(metadata, "granitemoe"); }

// MiniCPM (Hu et al. 2024): Granite's constants; files of old converters do not say them.
Expected<ModelSpec> read_minicpm(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_granite_like(metadata, "minicpm"));
  if (metadata.find("minicpm.embedding_scale")) return spec;
  spec.embed_scale = 12.0f;
  spec.residual_scale = 1.4f / std::sqrt(static_cast<float>(spec.blocks.size()));
  spec.logit_scale = 256.0f / static_cast<float>(spec.dim);
  return spec;
}

// Granite 4: most layers are Mamba 2's, those that attend may have no positions.
Expected<ModelSpec> read_granite_hybrid(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_granite_like(metadata, "granitehybrid"));
  HEED_ASSIGN(const bool has_positions, metadata.flag("granitehybrid.rope.scaling.finetuned", true));
  for (BlockSpec& block : spec.blocks) {
    if (block.attention.kv_heads == 0)
      HEED_TRY(read_mamba(metadata, "granitehybrid.", block));
    else if (!has_positions)
      block.rope.dims = 0;
  }
  return spec;
}

// SmolLM 3: every fourth layer has no positions (Yang et al. 2025).
Expected<ModelSpec> read_smollm3(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, "smollm3"));
  for (std::size_t i = 3; i < spec.blocks.size(); i += 4) spec.blocks[i].rope.dims = 0;
  return spec;
}

}  // namespace heed
