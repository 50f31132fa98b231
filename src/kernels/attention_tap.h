// attention_tap.h -- attention's checks of its arguments and its second pass for tapped heads.
#pragma once
#include "kernels/attention.h"

namespace heed {

inline constexpr const char* kAttentionArenaFull = "attention: the step's arena is full";

/// invalid_argument or unsupported, with the field's name.
Expected<void> check_attention(const AttentionSpec& spec, const AttentionJob& job);

/// Fills job.tap->probs = exp(score - lse); job.lse holds the first pass' result. Scratch from exec.arena.
Expected<void> run_tap(const AttentionSpec& spec, const AttentionJob& job, Exec& exec);

}  // namespace heed
