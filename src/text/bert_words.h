// bert_words.h -- text as BERT reads it: cleaned, without accents, in lower case, cut into words (Devlin et al. 2018;
// the BertNormalizer and BertPreTokenizer of the tokenizers library).
#pragma once
#include <string>
#include <string_view>

namespace heed {

struct BertOptions {
  bool lowercase = true;
  bool strip_accents = true;
};

struct BertCleaning {
  bool drops_controls = true;    // and makes every space U+0020
  bool parts_ideographs = true;  // by spaces around each
};

/// Words with one or more spaces between, before or after them; no word holds one. Invalid bytes are dropped.
std::string bert_words(std::string_view text, BertOptions options);

/// The passes by themselves. Canonical decomposition without the nonspacing marks is `without_accents`.
std::string bert_cleaned(std::string_view text, BertCleaning cleaning);
std::string without_accents(const std::string& text);

}  // namespace heed
