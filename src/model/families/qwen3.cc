// qwen3.cc -- Qwen 3, dense and MoE: llama with q/k norms instead of biases and split RoPE pairs (Qwen3 technical
// report, 2025).
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_qwen3_like(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  each_block(spec, [](BlockSpec& block) { block.qk_norm = QkNorm::heads; });
  return spec;
}

}  // namespace

Expected<ModelSpec> read_qwen3(const Metadata& metadata) { return read_qwen3_like(metadata, "qwen3"); }

Expected<ModelSpec> read_qwen3_moe(const Metadata& metadata) { return read_qwen3_like(metadata, "qwen3moe"); }

}  // namespace heed
