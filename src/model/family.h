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

/// Sets `change` on every block.
template <class F>
void each_block(ModelSpec& spec, F change) {
  for (BlockSpec& block : spec.blocks) change(block);
}

/// {family}.expert_*: how many, how many of them a token passes, and their sizes. None: the blocks stay dense.
Expected<ExpertSpec> read_experts(const Metadata& metadata, std::string_view family);

/// How they are chosen and weighed, and the shared ones beside them; what `experts` says already holds where the file
/// says nothing. The first `leading_dense_block_count` blocks lose their experts.
Expected<void> read_router(const Metadata& metadata, std::string_view family, const ExpertSpec& experts,
                           ModelSpec& spec);

/// {family}.attention.sliding_window of the layers that sliding_window_pattern lists; without a list, of all but every
/// `period`-th. No window: none.
Expected<void> read_windows(const Metadata& metadata, std::string_view family, std::int32_t period, ModelSpec& spec);

/// {family}.rope.scaling.*: linear, NTK-aware and YaRN (Peng et al. 2023) scaling, long-rope's magnitude. Without
/// `truncates`, YaRN's ramp begins and ends between two pairs (gpt-oss).
Expected<void> read_rope_scaling(const Metadata& metadata, std::string_view family, bool truncates, ModelSpec& spec);

}  // namespace heed
