// nemotron.cc -- Nemotron 4 and Minitron: layer norms, squared ReLU without a gate, half of a head rotated (Parmar et
// al. 2024).
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_nemotron(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "nemotron"));
  spec.norm = NormKind::layer;
  each_block(spec, [](BlockSpec& block) {
    block.is_gated = false;
    block.activation = Activation::relu_squared;
  });
  return spec;
}

}  // namespace heed
