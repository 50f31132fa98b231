// tokenizer.h -- text to token ids and back, as the model file says. Control tokens are parsed only where the caller
// marks text as trusted (the template), never in content.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "formats/metadata.h"

namespace heed {

/// A run of text and who wrote it.
struct Segment {
  std::string text;
  bool trusted = false;  // true: written by the template or the program; control tokens in it are parsed
};

struct EncodeOptions {
  bool add_bos = true;   // only where the model file asks for it
  bool add_eos = false;  // only where the model file asks for it
};

enum class TokenKind : std::uint8_t { normal, unknown, control, user_defined, unused, byte };

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Reads tokenizer.ggml.* keys, or tokenizer.huggingface.json where there are none. Errors name the key. Supports
  /// byte-level BPE ("gpt2" with the pre-tokenizers of GPT-2, Llama 3, Qwen2, SmolLM and kin), SentencePiece BPE
  /// ("llama") and unigram ("t5"), and WordPiece ("bert").
  static Expected<std::unique_ptr<Tokenizer>> from_metadata(const Metadata& metadata);
  /// Reads the text of a tokenizer.json. Errors name the part of it: malformed, too_long, or unsupported for a type
  /// that heed does not know. bos and eos are what its post-processor puts around a text, or the usual spellings.
  static Expected<std::unique_ptr<Tokenizer>> from_json(std::string_view text);

  /// Segments are joined before pre-tokenization, so that "a" + "b" encodes as "ab"; only the recognition of control
  /// tokens is bound to trusted text. Never fails: bytes without a token become byte or unknown tokens.
  virtual std::vector<std::int32_t> encode(std::span<const Segment> segments, EncodeOptions options) const = 0;
  std::vector<std::int32_t> encode(std::string_view text, bool trusted = false, EncodeOptions options = {}) const;

  /// The bytes of one token (may be part of a character). Control tokens give "" unless `show_control`.
  virtual std::string token_bytes(std::int32_t token, bool show_control = false) const = 0;
  /// Joins token_bytes; SentencePiece's artificial leading space is removed at the start when `at_start`.
  virtual std::string decode(std::span<const std::int32_t> tokens, bool show_control = false,
                             bool at_start = true) const = 0;

  virtual std::int32_t vocab_size() const noexcept = 0;
  virtual TokenKind kind(std::int32_t token) const noexcept = 0;
  /// The id of a token spelled exactly so, or -1.
  virtual std::int32_t find(std::string_view spelled) const noexcept = 0;

  std::int32_t bos() const noexcept { return bos_; }  // -1: none
  std::int32_t eos() const noexcept { return eos_; }
  /// Every token that ends an answer (eos, eot, <|im_end|>, <end_of_turn>, ...).
  std::span<const std::int32_t> end_tokens() const noexcept { return ends_; }
  bool adds_bos() const noexcept { return adds_bos_; }
  /// Fill-in-the-middle tokens (prefix, suffix, middle), -1 when the model has none.
  struct FimTokens {
    std::int32_t prefix = -1, suffix = -1, middle = -1;
  };
  const FimTokens& fim() const noexcept { return fim_; }

 protected:
  std::int32_t bos_ = -1, eos_ = -1;
  std::vector<std::int32_t> ends_;
  bool adds_bos_ = false;
  FimTokens fim_;
};

}  // namespace heed
