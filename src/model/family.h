// family.h -- a model family is a row: its name in the file and how to read its metadata into a ModelSpec.
#pragma once
#include <span>
#include <string_view>

#include "formats/metadata.h"
#include "model/spec.h"

namespace heed {

struct Family {
  std::string_view name;                                  // general.architecture
  Expected<ModelSpec> (*read)(const Metadata& metadata);  // keys are prefixed with the name
};

std::span<const Family> families() noexcept;

/// Reads general.architecture and the family's keys. Unknown families -> unsupported, with the list of known ones.
Expected<ModelSpec> read_spec(const Metadata& metadata);

/// What llama-like files share: sizes, heads, RoPE, norms, `blocks` equal blocks. Vocabulary comes from the tokenizer's
/// list.
Expected<ModelSpec> read_llama_like(const Metadata& metadata, std::string_view family);

}  // namespace heed
