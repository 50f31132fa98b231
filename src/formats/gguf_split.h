// gguf_split.h -- models in several GGUF files, NAME-00001-of-00003.gguf and so on (ggml's gguf-split).
#pragma once
#include <cstdint>
#include <string>

#include "core/expected.h"
#include "formats/metadata.h"

namespace heed {

struct GgufSplit {
  std::int64_t part = 0;      // from 0
  std::int64_t parts = 1;     // 1: a whole model
  std::int64_t tensors = -1;  // of all parts; -1: not said
};

/// Errors: keys of wrong type or range.
Expected<GgufSplit> read_gguf_split(const Metadata& metadata);

/// Where part `part` lies beside the first. Errors: `first` is not named as the first of so many.
Expected<std::string> gguf_part_path(const std::string& first, std::int64_t part, std::int64_t parts);

}  // namespace heed
