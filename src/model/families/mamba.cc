// mamba.cc -- state space layers (Mamba 2, Dao & Gu 2024), and Nemotron-H, a stack of them, of attention and of
// feed-forwards.
#include <algorithm>

#include "model/families/families.h"

namespace heed {

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

// Nothing else: heads and a feed-forward its files count as 0.
Expected<ModelSpec> read_mamba2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "mamba2"));
  for (BlockSpec& block : spec.blocks) {
    block.attention.heads = 1;
    block.has_second_half = false;
    HEED_TRY(read_mamba(metadata, "mamba2.", block));
  }
  return spec;
}

// Nemotron-H and Nemotron Nano 2 (NVIDIA 2025): a block is one thing only; no positions, squared ReLU without a gate.
Expected<ModelSpec> read_nemotron_h(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "nemotron_h"));
  for (BlockSpec& block : spec.blocks) {
    block.rope.dims = 0;
    block.is_gated = false;
    block.activation = Activation::relu_squared;
    block.has_second_half = block.ffn_dim > 0;
    block.has_first_half = !block.has_second_half;
    if (block.has_first_half && block.attention.kv_heads == 0) HEED_TRY(read_mamba(metadata, "nemotron_h.", block));
    block.attention.kv_heads = std::max(block.attention.kv_heads, 1);
  }
  return spec;
}

}  // namespace heed
