// hunyuan.cc -- Hunyuan dense (0.5B to 7B) and A13B (Tencent 2025): heads are normed once they are turned; a shared
// expert beside the chosen.
#include "model/families/families.h"

namespace heed {

Expected<ModelSpec> read_hunyuan(const Metadata& metadata) {
  HEED_ASSIGN(const std::string name, metadata.need_text("general.architecture"));
  HEED_ASSIGN(ModelSpec spec, read_llama_like(metadata, name));
  HEED_TRY(read_router(metadata, name, spec.blocks.front().experts, spec));
  each_block(spec, [](BlockSpec& block) {
    block.qk_norm = QkNorm::heads;
    block.is_rotated_before_norm = true;
  });
  return spec;
}

}  // namespace heed
