// llama.cc -- Llama 2 and 3, Mistral, Mixtral, SmolLM, Granite (dense, MoE, hybrid). GGUF permutes q and k so that RoPE
// pairs are neighbours.
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_with_neighbours(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  each_block(spec, [](BlockSpec& block) { block.rope.interleaved = true; });
  return spec;
}

// {family}.ssm.*: what a state space layer is.
Expected<void> read_mamba(const Metadata& m, const std::string& p, BlockSpec& block) {
  HEED_ASSIGN(const std::int64_t taps, m.need_integer(p + "ssm.conv_kernel", 1, 16));
  HEED_ASSIGN(const std::int64_t inner, m.need_integer(p + "ssm.inner_size", 1, 1 << 20));
  HEED_ASSIGN(const std::int64_t state, m.need_integer(p + "ssm.state_size", 1, 1024));
  HEED_ASSIGN(const std::int64_t heads, m.need_integer(p + "ssm.time_step_rank", 1, 1024));
  HEED_ASSIGN(const std::int64_t groups, m.integer(p + "ssm.group_count", 1, 1, 1024));
  if (inner % heads != 0)
    return fail(Code::malformed, "model: " + std::to_string(heads) + " heads do not divide " + std::to_string(inner),
                p + "ssm.inner_size");
  const auto count = static_cast<std::int32_t>(heads);
  block.kind = AttentionKind::mamba;
  block.attention.kv_heads = block.attention.heads;
  block.rope.dims = 0;
  block.mamba = {.groups = static_cast<std::int32_t>(groups), .taps = static_cast<std::int32_t>(taps)};
  block.linear = {.kind = LinearKind::gated,
                  .heads = count,
                  .kv_heads = count,
                  .k_dim = static_cast<std::int32_t>(state),
                  .v_dim = static_cast<std::int32_t>(inner / heads)};
  return {};
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
