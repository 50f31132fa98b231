// gpt.cc -- GPT-2 and its kin: layer norms, biases, a feed-forward without a gate.
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_gpt_like(const Metadata& metadata, std::string_view family, Activation activation) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  spec.norm = NormKind::layer;
  each_block(spec, [&](BlockSpec& block) {
    block.is_gated = false;
    block.activation = activation;
  });
  return spec;
}

}  // namespace

// GPT-2 (Radford et al. 2019): learned positions.
Expected<ModelSpec> read_gpt2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "gpt2", Activation::gelu_tanh));
  spec.has_position_table = true;
  each_block(spec, [](BlockSpec& block) { block.rope.dims = 0; });
  return spec;
}

// GPT-NeoX and Pythia (Black et al. 2022): both halves read the same rows, each through its own norm.
Expected<ModelSpec> read_gpt_neox(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "gptneox", Activation::gelu));
  HEED_ASSIGN(const bool is_parallel, metadata.flag("gptneox.use_parallel_residual", true));
  each_block(spec, [&](BlockSpec& block) { block.is_parallel = is_parallel; });
  return spec;
}

// StarCoder 2 (Lozhkov et al. 2024).
Expected<ModelSpec> read_starcoder2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "starcoder2", Activation::gelu_tanh));
  HEED_ASSIGN(const std::int64_t window, metadata.integer("starcoder2.attention.sliding_window", 0, 0, 1 << 30));
  each_block(spec, [&](BlockSpec& block) { block.attention.mask.window = static_cast<std::int32_t>(window); });
  return spec;
}

// Falcon (Almazrouei et al. 2023): parallel halves after one norm and one key and value head (7B), one norm and some
// heads (11B), or two norms and some heads (40B, 180B).
Expected<ModelSpec> read_falcon(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "falcon", Activation::gelu));
  each_block(spec, [](BlockSpec& block) { block.is_parallel = block.is_attn_norm_second = true; });
  return spec;
}

// StarCoder (Li et al. 2023): GPT-2 with one key and value head.
Expected<ModelSpec> read_starcoder(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "starcoder", Activation::gelu_tanh));
  spec.has_position_table = true;
  each_block(spec, [](BlockSpec& block) { block.rope.dims = 0; });
  return spec;
}

// CodeShell (Xie et al. 2024): StarCoder with RoPE.
Expected<ModelSpec> read_codeshell(const Metadata& metadata) {
  return read_gpt_like(metadata, "codeshell", Activation::gelu_tanh);
}

// MPT (MosaicML 2023): ALiBi, no biases; some sizes cut queries, keys and values.
Expected<ModelSpec> read_mpt(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "mpt", Activation::gelu));
  each_block(spec, [](BlockSpec& block) { block.rope.dims = 0; });
  return spec;
}

// BLOOM (BigScience 2022): ALiBi, of which its files say nothing, and a norm of the embeddings.
Expected<ModelSpec> read_bloom(const Metadata& metadata) {
  constexpr float kMaxBias = 8.0f;
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "bloom", Activation::gelu_tanh));
  spec.has_embed_norm = true;
  each_block(spec, [](BlockSpec& block) {
    block.rope.dims = 0;
    block.max_alibi_bias = kMaxBias;
  });
  return spec;
}

// StableLM 2 (Bellagente et al. 2024): gated all the same, part of a head rotated.
Expected<ModelSpec> read_stablelm(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_gpt_like(metadata, "stablelm", Activation::silu));
  HEED_ASSIGN(const bool is_parallel, metadata.flag("stablelm.use_parallel_residual", false));
  each_block(spec, [&](BlockSpec& block) {
    block.is_gated = true;
    block.is_parallel = is_parallel;
  });
  return spec;
}

}  // namespace heed
