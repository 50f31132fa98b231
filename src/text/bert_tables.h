// bert_tables.h -- what BERT's normalizer does with a character.
#pragma once
#include <cstdint>

namespace heed {

/// dropped: control and format characters; space: what becomes U+0020; punctuation: a word of its own, after accents
/// (nonspacing marks) are gone; ideograph: a word of its own, before that.
enum class BertClass : std::uint8_t { plain, dropped, space, punctuation, accent, ideograph };

BertClass bert_class(std::uint32_t code_point) noexcept;

}  // namespace heed
