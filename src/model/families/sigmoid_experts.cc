// sigmoid_experts.cc -- families with queries and keys normed and experts chosen by sigmoids with a bias: dots.llm1
// (rednote 2025), MiniMax M2 (MiniMax 2025).
#include "model/families/families.h"

namespace heed {
namespace {

Expected<ModelSpec> read_by_sigmoids(const Metadata& metadata, std::string_view family, QkNorm norm) {
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, family));
  ExpertSpec experts = spec.blocks.front().experts;
  experts.is_sigmoid = true;
  HEED_TRY(read_router(metadata, family, experts, spec));
  each_block(spec, [&](BlockSpec& block) { block.qk_norm = norm; });
  return spec;
}

}  // namespace

Expected<ModelSpec> read_dots1(const Metadata& metadata) { return read_by_sigmoids(metadata, "dots1", QkNorm::heads); }

Expected<ModelSpec> read_minimax_m2(const Metadata& metadata) {
  return read_by_sigmoids(metadata, "minimax-m2", QkNorm::whole);
}

}  // namespace heed
