// safetensors.h -- one .safetensors file: a JSON table and the numbers. Files are hostile: every count, offset and size
// is checked.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "formats/model_file.h"

namespace heed {

/// Views into `bytes`, under the file's own names, in its order; a number alone becomes a vector of one. The numbers
/// may lie unaligned. Errors: malformed (truncated, wrong types, a name twice, ranges that overlap, leave gaps or pass
/// the end), unsupported (types heed has no code for, ranks above 4), too_long (over 100 MB of table).
/// Format: the safetensors README, version 0.4.
Expected<std::vector<NamedTensor>> parse_safetensors(std::span<const std::byte> bytes);

/// Bytes from the file's first to its tensors' last, as its table says, at most all. Errors: those of the table.
Expected<std::size_t> safetensors_bytes(std::span<const std::byte> bytes);

}  // namespace heed
