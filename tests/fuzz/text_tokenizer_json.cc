// text_tokenizer_json.cc -- a tokenizer.json, a zero byte, a text. What loads encodes and decodes, and gives no control
// token for untrusted text.
#include <nlohmann/json.hpp>

#include "tests/fuzz/parser.h"
#include "tests/fuzz/tokenizer_promises.h"

namespace heed::fuzz {
namespace {

bool read(std::string_view input) {
  const std::size_t end = std::min(input.find('\0'), input.size());
  const auto tokenizer = Tokenizer::from_json(input.substr(0, end));
  if (!loaded(tokenizer)) return false;
  check_promises(**tokenizer, input.substr(std::min(end + 1, input.size())));
  return true;
}

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  for (const char* kind : {"albert",
                           "bert",
                           "bert_cased",
                           "clip",
                           "deepseek",
                           "fused",
                           "gemma",
                           "gpt2",
                           "llama2",
                           "llama2_across",
                           "llama3",
                           "mistral",
                           "no_fallback",
                           "odd_tokens",
                           "qwen2",
                           "roberta",
                           "split_contiguous",
                           "split_merged_with_next",
                           "split_removed",
                           "step_bert_cleaning",
                           "step_digits",
                           "step_nfkd",
                           "step_precompiled",
                           "step_punctuation",
                           "step_strip_accents",
                           "step_whitespace_split",
                           "t5",
                           "words",
                           "xlm_r"}) {
    auto golden_file = nlohmann::json::parse(golden(std::string("tokenizers/kind_") + kind + ".json"));
    auto& file = golden_file["file"];
    file["model"] = nlohmann::json::parse(golden("tokenizers/" + golden_file["model"].get<std::string>() + ".json"));
    std::string text = file.dump();
    text += '\0';
    for (const auto& one : golden_file["cases"])
      if (text.size() % 1024 < 700) text += one[0].get<std::string>();
    out.push_back(text);
  }
  return out;
}

const Row kFile({.name = "tokenizer.json", .read = read, .seeds = seeds, .memory_factor = 64});

}  // namespace
}  // namespace heed::fuzz
