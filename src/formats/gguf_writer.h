// gguf_writer.h -- the head of a GGUF file of version 3; its tensors' bytes follow in the same order.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "formats/model_file.h"

namespace heed {

constexpr std::int64_t kGgufAlignment = 32;  // of every tensor; zeros between them

/// Bytes of zeros after `bytes` of a tensor.
constexpr std::int64_t gguf_padding(std::int64_t bytes) {
  return (kGgufAlignment - bytes % kGgufAlignment) % kGgufAlignment;
}

/// Header, metadata and tensor table, padded. Only names, types and shapes of the tensors are read. Integers become
/// u32 or i32 where they fit, 64 bits wide otherwise; reals f32 where that loses nothing, else f64. Key
/// general.alignment is left out. unsupported: a type that GGUF has no number for.
Expected<std::vector<std::byte>> gguf_head(const Metadata& metadata, std::span<const NamedTensor> tensors);

}  // namespace heed
