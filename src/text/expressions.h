// expressions.h -- the regular expressions of the pre-tokenizers that have no scanner of their own, by the value of
// tokenizer.ggml.pre.
#pragma once
#include <span>
#include <string_view>

namespace heed {

/// Empty when the name is not among them.
std::span<const std::string_view> expressions_named(std::string_view pre_tokenizer) noexcept;

}  // namespace heed
