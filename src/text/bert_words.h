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

/// Words with one or more spaces between, before or after them; no word holds one. Invalid bytes are dropped.
std::string bert_words(std::string_view text, BertOptions options);

}  // namespace heed
