// word_tables.h -- which characters make words (\w), are spaces (\s) or marks, as the tokenizers library has it.
#pragma once
#include <cstdint>

namespace heed {

/// mark: a word's character as well, which StripAccents takes away.
enum class WordClass : std::uint8_t { other, word, space, mark };

WordClass word_class(std::uint32_t code_point) noexcept;

}  // namespace heed
