// small_vocabulary.h -- vocabularies of a few hundred tokens for tests, written as a model file would hold them.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/metadata.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace heed::testing_text {

enum Type : std::int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

/// GPT-2's printable stand-in of a byte.
inline std::string stand_in(unsigned byte) {
  const auto is_printable = [](unsigned b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD); };
  std::uint32_t code_point = byte;
  if (!is_printable(byte)) {
    code_point = 0x100;
    for (unsigned b = 0; b < byte; ++b) code_point += is_printable(b) ? 0 : 1;
  }
  std::string spelled;
  utf8_append(code_point, spelled);
  return spelled;
}

inline std::string stand_ins(std::string_view bytes) {
  std::string spelled;
  for (const char byte : bytes) spelled += stand_in(static_cast<unsigned char>(byte));
  return spelled;
}

/// Builds the metadata of a tokenizer, token by token.
class SmallVocabulary {
 public:
  static SmallVocabulary bpe(std::string pre = "gpt-2") {
    SmallVocabulary v("gpt2");
    v.set("tokenizer.ggml.pre", std::move(pre));
    for (unsigned byte = 0; byte < 256; ++byte) v.add(stand_in(byte), kNormal);
    return v;
  }

  /// <unk> 0, <s> 1, </s> 2, then the 256 bytes.
  static SmallVocabulary spm() {
    SmallVocabulary v("llama");
    v.add("<unk>", kUnknown);
    v.add("<s>", kControl);
    v.add("</s>", kControl);
    for (int byte = 0; byte < 256; ++byte) {
      char spelled[8];
      std::snprintf(spelled, sizeof spelled, "<0x%02X>", byte);
      v.add(spelled, kByte);
    }
    v.set("tokenizer.ggml.unknown_token_id", std::int64_t{0});
    v.set("tokenizer.ggml.bos_token_id", std::int64_t{1});
    v.set("tokenizer.ggml.eos_token_id", std::int64_t{2});
    return v;
  }

  std::int32_t add(std::string spelled, Type type, double score = 0) {
    tokens.push_back(std::move(spelled));
    types.push_back(type);
    scores.push_back(score);
    return static_cast<std::int32_t>(tokens.size()) - 1;
  }

  /// A BPE merge, and its result as a token.
  std::int32_t merge(std::string_view left, std::string_view right) {
    merges.push_back(stand_ins(left) + " " + stand_ins(right));
    return add(stand_ins(left) + stand_ins(right), kNormal);
  }

  void set(std::string key, MetaValue value) { others.emplace_back(std::move(key), std::move(value)); }

  Metadata metadata() const {
    Metadata m;
    m.insert("tokenizer.ggml.model", model);
    m.insert("tokenizer.ggml.tokens", MetaArray(tokens));
    m.insert("tokenizer.ggml.token_type", MetaArray(types));
    if (model == "llama") m.insert("tokenizer.ggml.scores", MetaArray(scores));
    if (model == "gpt2") m.insert("tokenizer.ggml.merges", MetaArray(merges));
    for (const auto& [key, value] : others) m.insert(key, value);
    return m;
  }

  std::unique_ptr<Tokenizer> build() const {
    auto tokenizer = Tokenizer::from_metadata(metadata());
    return tokenizer ? std::move(*tokenizer) : nullptr;
  }

  std::string model;
  std::vector<std::string> tokens, merges;
  std::vector<std::int64_t> types;
  std::vector<double> scores;
  std::vector<std::pair<std::string, MetaValue>> others;

 private:
  explicit SmallVocabulary(std::string name) : model(std::move(name)) {}
};

/// A few real merges: "hello", " hello", "low", "lower", "123".
inline SmallVocabulary hello_bpe(std::string pre = "gpt-2") {
  SmallVocabulary v = SmallVocabulary::bpe(std::move(pre));
  v.merge("l", "o");
  v.merge("e", "r");
  v.merge("lo", "w");
  v.merge("h", "e");
  v.merge("l", "lo");
  v.merge("he", "llo");
  v.merge(" ", "hello");
  v.merge("low", "er");
  v.merge("1", "2");
  v.merge("12", "3");
  return v;
}

using Ids = std::vector<std::int32_t>;

/// Any bytes: characters of every plane, controls, and pieces of broken ones.
class RandomText {
 public:
  explicit RandomText(std::uint32_t seed) : random_(seed) {}

  std::uint32_t below(std::uint32_t end) { return std::uniform_int_distribution<std::uint32_t>(0, end - 1)(random_); }

  std::string bytes(std::uint32_t characters) { return make(characters, 8); }
  std::string valid(std::uint32_t characters) { return make(characters, 7); }

 private:
  std::string make(std::uint32_t characters, std::uint32_t kinds) {
    std::string text;
    for (std::uint32_t i = 0; i < characters; ++i) {
      switch (below(kinds)) {
        case 0:
          utf8_append(below(0x80), text);
          break;
        case 1:
          text += "hello "[below(6)];
          break;
        case 2:
          text.append(below(4), ' ');
          break;
        case 3:
          text += "\n\r\t'12"[below(6)];
          break;
        case 4:
          utf8_append(0x80 + below(0x3000), text);
          break;
        case 5:
          utf8_append(0x4E00 + below(0x5000), text);
          break;
        case 6:
          utf8_append(0x10000 + below(0x100000), text);
          break;
        default:
          text += static_cast<char>(static_cast<unsigned char>(0x80 + below(0x80)));
          break;
      }
    }
    return text;
  }

  std::mt19937 random_;
};

}  // namespace heed::testing_text
