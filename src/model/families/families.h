// families.h -- one reader per family; each lives in its own file.
#pragma once
#include "model/family.h"

namespace heed {

Expected<ModelSpec> read_llama(const Metadata& metadata);
Expected<ModelSpec> read_qwen2(const Metadata& metadata);
Expected<ModelSpec> read_qwen3(const Metadata& metadata);
Expected<ModelSpec> read_gemma(const Metadata& metadata);
Expected<ModelSpec> read_gemma2(const Metadata& metadata);
Expected<ModelSpec> read_gemma3(const Metadata& metadata);

}  // namespace heed
