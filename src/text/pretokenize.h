// pretokenize.h -- cuts text into the pieces within which byte-level BPE merges: the models' regular expressions as
// hand-written scanners.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

namespace heed {

enum class PreTokenizer : unsigned char {
  gpt2,            // GPT-2 and kin
  digits,          // every number character alone, GPT-2 between them (StarCoder, Refact, SmolLM)
  llama3,          // Llama 3: any one character may lead a word, numbers by threes
  qwen2,           // as Llama 3, numbers one by one
  deepseek_coder,  // a cascade of five splits
};

struct PreTokenizerChoice {
  PreTokenizer scanner = PreTokenizer::gpt2;
  bool whole_pieces_first = false;  // a piece that is a token is that token, whatever the merges say
  bool adds_bos = false;            // where the file is silent
};

/// By the value of tokenizer.ggml.pre; nothing when heed does not know it.
std::optional<PreTokenizerChoice> choose_pre_tokenizer(std::string_view name) noexcept;

/// Appends the pieces of `text`, in order and without gaps; views into `text`. An invalid byte counts as a symbol.
void pretokenize(PreTokenizer scanner, std::string_view text, std::vector<std::string_view>& pieces);

}  // namespace heed
