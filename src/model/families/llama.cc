// llama.cc -- Llama 2 and 3, Mistral, SmolLM. GGUF permutes q and k so that RoPE pairs are neighbours.
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_llama(const Metadata& metadata) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, "llama"));
  HEED_ASSIGN(const std::int64_t experts, metadata.integer("llama.expert_count", 0));
  if (experts > 0)
    return fail(Code::unsupported, "model: llama with " + std::to_string(experts) + " experts is not supported",
                "llama.expert_count");
  for (BlockSpec& block : spec.blocks) block.rope.interleaved = true;
  return spec;
}

}  // namespace heed
