// bert.cc -- encoders that see the whole text: BERT and RoBERTa (Devlin et al. 2019; MiniLM, BGE, E5, GTE), Nomic's
// BERT (Nussbaum et al. 2024), ModernBERT (Warner et al. 2024). What comes out is a vector a text.
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_encoder(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  spec.norm = NormKind::layer;
  spec.pooling = Pooling::mean;
  spec.has_embed_norm = true;
  spec.has_output = false;
  each_block(spec, [](BlockSpec& block) { block.attention.mask.causal = false; });
  return spec;
}

// Norms after the sums of halves, types of tokens.
Expected<ModelSpec> read_bert_like(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_encoder(metadata, family));
  HEED_ASSIGN(const std::int64_t types, metadata.integer("tokenizer.ggml.token_type_count", 0, 0, 1024));
  spec.norm_place = NormPlace::sum;
  spec.has_output_norm = false;
  spec.token_types = static_cast<std::int32_t>(types);
  return spec;
}

}  // namespace

Expected<ModelSpec> read_bert(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_bert_like(metadata, "bert"));
  spec.has_position_table = true;
  each_block(spec, [](BlockSpec& block) {
    block.rope.dims = 0;
    block.is_gated = false;
    block.activation = Activation::gelu;
  });
  return spec;
}

Expected<ModelSpec> read_nomic_bert(const Metadata& metadata) { return read_bert_like(metadata, "nomic-bert"); }

// Two layers with a window after each that sees everything; windows turn by angles of their own.
Expected<ModelSpec> read_modern_bert(const Metadata& metadata) {
  const std::string p = "modern-bert.";
  HEED_ASSIGN(ModelSpec spec, read_encoder(metadata, "modern-bert"));
  HEED_ASSIGN(const std::int64_t window, metadata.integer(p + "attention.sliding_window", 0, 0, 1 << 30));
  HEED_ASSIGN(const std::int64_t period, metadata.integer(p + "attention.sliding_window_pattern", 3, 1, 1024));
  HEED_ASSIGN(const double base, metadata.real(p + "rope.freq_base_swa", 10000.0));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    BlockSpec& block = spec.blocks[i];
    block.activation = Activation::gelu;
    block.is_gate_in_up = true;
    if (window == 0 || i % static_cast<std::size_t>(period) == 0) continue;
    block.attention.mask.window = static_cast<std::int32_t>(window / 2 + 1);  // the file counts both sides
    block.rope.base = static_cast<float>(base);
  }
  return spec;
}

}  // namespace heed
