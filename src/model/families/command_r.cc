// command_r.cc -- Command R and R7B: parallel halves after one layer norm without bias, neighbouring RoPE pairs.
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_cohere(const Metadata& metadata, std::string_view family) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  spec.norm = NormKind::layer;
  each_block(spec, [](BlockSpec& block) {
    block.is_parallel = true;
    block.rope.interleaved = true;
  });
  return spec;
}

}  // namespace

// R+ norms the heads of queries and keys, too.
Expected<ModelSpec> read_command_r(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_cohere(metadata, "command-r"));
  each_block(spec, [](BlockSpec& block) {
    block.qk_norm = QkNorm::each;
    block.may_lack_qk_norm = true;
  });
  return spec;
}

// Command R7B: three window layers to one that sees everything and has no positions.
Expected<ModelSpec> read_cohere2(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_cohere(metadata, "cohere2"));
  HEED_ASSIGN(const std::int64_t window, metadata.integer("cohere2.attention.sliding_window", 4096, 1, 1 << 30));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    if (i % 4 == 3)
      spec.blocks[i].rope.dims = 0;
    else
      spec.blocks[i].attention.mask.window = static_cast<std::int32_t>(window);
  }
  return spec;
}

}  // namespace heed
