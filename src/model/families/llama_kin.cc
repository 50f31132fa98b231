// llama_kin.cc -- families that differ from llama by a line or two.
#include "model/families/families.h"

namespace heed {

// Baichuan 7B and 13B (Yang et al. 2023): the large one has ALiBi instead of RoPE, which no key of its files says.
Expected<ModelSpec> read_baichuan(const Metadata& metadata) {
  constexpr std::size_t kLayersOf13B = 40;
  constexpr float kMaxBias = 8.0f;
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, "baichuan"));
  if (spec.blocks.size() == kLayersOf13B)
    each_block(spec, [](BlockSpec& block) {
      block.rope.dims = 0;
      block.max_alibi_bias = kMaxBias;
    });
  return spec;
}

// AFM 4.5B (Arcee 2025): squared ReLU without a gate.
Expected<ModelSpec> read_arcee(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, "arcee"));
  each_block(spec, [](BlockSpec& block) {
    block.is_gated = false;
    block.activation = Activation::relu_squared;
  });
  return spec;
}

// Orion 14B (Chen et al. 2024): layer norms.
Expected<ModelSpec> read_orion(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "orion"));
  spec.norm = NormKind::layer;
  return spec;
}

// Seed-OSS (ByteDance 2025): biases on q, k, v.
Expected<ModelSpec> read_seed_oss(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "seed_oss"));
  each_block(spec, [](BlockSpec& block) { block.has_qkv_bias = true; });
  return spec;
}

// EXAONE 3 and 3.5 (LG AI Research 2024).
Expected<ModelSpec> read_exaone(const Metadata& metadata) { return read_llama_like(metadata, "exaone"); }

// EXAONE 4 (LG AI Research 2025): norms after each half, q/k norms; where there are windows, three of four layers have
// one, and the fourth has no positions.
Expected<ModelSpec> read_exaone4(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "exaone4"));
  HEED_ASSIGN(const std::int64_t window, metadata.integer("exaone4.attention.sliding_window", 0, 0, 1 << 30));
  spec.norm_place = NormPlace::post;
  HEED_TRY(read_windows(metadata, "exaone4", 4, spec));
  each_block(spec, [&](BlockSpec& block) {
    block.qk_norm = QkNorm::heads;
    if (window > 0 && block.attention.mask.window == 0) block.rope.dims = 0;
  });
  return spec;
}

// ERNIE 4.5 (Baidu 2025).
Expected<ModelSpec> read_ernie4_5(const Metadata& metadata) { return read_with_neighbours(metadata, "ernie4_5"); }

// Its experts are chosen by their softmax and a bias; between blocks with experts there may be dense ones.
Expected<ModelSpec> read_ernie4_5_moe(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_with_neighbours(metadata, "ernie4_5-moe"));
  HEED_ASSIGN(const std::int64_t step, metadata.integer("ernie4_5-moe.interleave_moe_layer_step", 1, 1, 1024));
  HEED_TRY(read_router(metadata, "ernie4_5-moe", spec.blocks.front().experts, spec));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i)
    if ((i + 1) % static_cast<std::size_t>(step) != 0) spec.blocks[i].experts = {};
  return spec;
}

}  // namespace heed
