// text_tokenizer.cc -- vocabularies of model files: as a GGUF file, and as lines that say what matters alone. What
// loads keeps the promises of every tokenizer.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "tests/fuzz/parser.h"
#include "tests/fuzz/tokenizer_promises.h"
#include "tests/unit/text/small_vocabulary.h"

namespace heed::fuzz {
namespace {

using namespace testing_text;

constexpr std::string_view kText =
    "Hello  hello low lower 123 \xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80 <|im_end|><tool>\r\n\t don't \xFF\xC3 x";

/// Lines of the input: the first says the model, then tokens (type digit, score byte, spelling), merges ("m" and two
/// spellings), a table of replacements ("c" and its bytes); an empty line begins the text.
struct Input {
  Metadata metadata;
  std::string text;
};

std::string model_named(std::string_view line) {
  for (const std::string_view name : {"llama", "bert", "t5"})
    if (line.starts_with(name)) return std::string(name);
  return "gpt2";
}

Input read(std::string_view bytes) {
  std::vector<std::string> tokens, merges;
  std::vector<std::int64_t> types;
  std::vector<double> scores;
  std::vector<std::int64_t> charsmap;
  const auto line = [&] {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view taken = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    return taken;
  };
  const std::string model(line());
  for (std::string_view now = line(); !now.empty(); now = line()) {
    if (now[0] == 'm') {
      merges.emplace_back(now.substr(1));
    } else if (now[0] == 'c') {
      charsmap.assign(now.begin() + 1, now.end());
    } else {
      types.push_back(now[0] - '0');
      scores.push_back(now.size() > 1 ? now[1] : 0);
      tokens.emplace_back(now.size() > 2 ? now.substr(2) : std::string_view());
    }
  }
  Input input;
  input.metadata.insert("tokenizer.ggml.model", model_named(model));
  input.metadata.insert("tokenizer.ggml.pre", model.size() > 5 ? model.substr(5) : std::string("qwen2"));
  input.metadata.insert("tokenizer.ggml.tokens", MetaArray(tokens));
  input.metadata.insert("tokenizer.ggml.token_type", MetaArray(types));
  input.metadata.insert("tokenizer.ggml.scores", MetaArray(scores));
  input.metadata.insert("tokenizer.ggml.merges", MetaArray(merges));
  input.metadata.insert("tokenizer.ggml.precompiled_charsmap", MetaArray(charsmap));
  input.text = bytes;
  return input;
}

bool read_lines(std::string_view bytes) {
  const Input input = read(bytes);
  const auto tokenizer = Tokenizer::from_metadata(input.metadata);
  if (!loaded(tokenizer)) {
    require(!tokenizer.error().where.empty(), "an error names its key");
    return false;
  }
  check_promises(**tokenizer, input.text);
  return true;
}

/// What follows the file is text, too: its own bytes.
bool read_gguf(std::string_view bytes) {
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)));
  if (!loaded(file)) return false;
  const auto tokenizer = Tokenizer::from_metadata(file->metadata());
  if (!loaded(tokenizer)) return false;
  check_promises(**tokenizer, kText);
  check_promises(**tokenizer, bytes.substr(bytes.size() - std::min<std::size_t>(bytes.size(), 300)));
  return true;
}

SmallVocabulary spm() {
  SmallVocabulary v = SmallVocabulary::spm();
  for (const char* word : {"\xE2\x96\x81", "h", "e", "l", "o", "he", "ll", "llo", "hello", "\xE2\x96\x81hello",
                           "\xE2\x96\x81\xE2\x96\x81"})
    v.add(word, kNormal, -static_cast<double>(v.tokens.size()) + 250);
  v.add("<|end|>", kControl);
  v.add("<tool>", kUserDefined);
  return v;
}

SmallVocabulary wordpiece() {
  SmallVocabulary v = SmallVocabulary::bpe("bert");
  v.model = "bert";
  v.tokens.clear();
  v.types.clear();
  for (const char* word : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\xE2\x96\x81hello", "\xE2\x96\x81h", "ello", "lo",
                           "\xE2\x96\x81world", "\xE2\x96\x81!",
                           "\xE2\x96\x81"
                           "1",
                           "2", "3"})
    v.add(word, v.tokens.size() < 4 ? (v.tokens.size() == 1 ? kUnknown : kControl) : kNormal);
  return v;
}

std::vector<SmallVocabulary> vocabularies() {
  std::vector<SmallVocabulary> out = {spm(), wordpiece()};
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "qwen2", "deepseek-coder", "falcon", "deepseek-llm",
                          "deepseek-v3", "gpt-4o", "tekken"}) {
    out.push_back(hello_bpe(pre));
    out.back().add("<|im_end|>", kControl);
    out.back().add("<tool>", kUserDefined);
  }
  return out;
}

std::string lines_of(const SmallVocabulary& v) {
  const auto line = [](std::string_view text) { return text.find('\n') == std::string_view::npos; };
  std::string out = v.model;
  out.resize(5, ' ');
  for (const auto& [key, value] : v.others)
    if (key == "tokenizer.ggml.pre") out += std::get<std::string>(value);
  out += '\n';
  for (std::size_t i = 0; i < v.tokens.size(); ++i)
    if (line(v.tokens[i])) out += static_cast<char>('0' + v.types[i]) + std::string(1, 'z') + v.tokens[i] + '\n';
  for (const std::string& merge : v.merges) out += 'm' + merge + '\n';
  return out + '\n' + std::string(kText);
}

std::vector<std::string> line_seeds() {
  std::vector<std::string> out;
  for (const SmallVocabulary& v : vocabularies()) out.push_back(lines_of(v));
  SmallVocabulary unigram = spm();
  unigram.model = "t5";
  out.push_back(lines_of(unigram));
  return out;
}

std::vector<std::string> gguf_seeds() {
  std::vector<std::string> out = {golden("tokenizers/unigram.gguf")};
  for (const SmallVocabulary& v : vocabularies()) {
    const auto head = gguf_head(v.metadata(), {});
    require(static_cast<bool>(head), "a vocabulary can be written");
    out.emplace_back(reinterpret_cast<const char*>(head->data()), head->size());
  }
  return out;
}

const Row kLines({.name = "tokenizer_lines", .read = read_lines, .seeds = line_seeds, .memory_factor = 64});
const Row kGguf({.name = "tokenizer_gguf", .read = read_gguf, .seeds = gguf_seeds, .memory_factor = 64});

}  // namespace
}  // namespace heed::fuzz
