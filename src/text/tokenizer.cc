// tokenizer.cc -- the factory, and what both families share: ids and flags of the file, segments in, bytes out.
#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/bpe.h"
#include "text/json_tokenizer.h"
#include "text/spm.h"
#include "text/tokenizer_base.h"
#include "text/unigram.h"
#include "text/utf8.h"
#include "text/wordpiece.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 7> kEndSpellings = {"<|im_end|>", "<|endoftext|>", "<end_of_turn>", "<|eot_id|>",
                                                           "<|end|>",    "</s>",          "<eos>"};

struct FimNames {
  std::string_view key, old_key;
  std::array<std::string_view, 5> spellings;
};
constexpr FimNames kFimPrefix = {"tokenizer.ggml.fim_pre_token_id",
                                 "tokenizer.ggml.prefix_token_id",
                                 {"<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<｜fim▁begin｜>", "▁<PRE>"}};
constexpr FimNames kFimSuffix = {"tokenizer.ggml.fim_suf_token_id",
                                 "tokenizer.ggml.suffix_token_id",
                                 {"<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<｜fim▁hole｜>", "▁<SUF>"}};
constexpr FimNames kFimMiddle = {"tokenizer.ggml.fim_mid_token_id",
                                 "tokenizer.ggml.middle_token_id",
                                 {"<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<｜fim▁end｜>", "▁<MID>"}};

Expected<std::int32_t> token_id(const Metadata& metadata, std::string_view key, const Vocabulary& vocabulary) {
  HEED_ASSIGN(const std::int64_t token, metadata.integer(key, -1, 0, vocabulary.size() - 1));
  return static_cast<std::int32_t>(token);
}

/// A token with a role is never content, whatever type the file gives it. Plain words stay as they are: a file may
/// name any token as, say, its end of text.
void make_control(Vocabulary& vocabulary, std::int32_t token) {
  const std::string_view spelled = vocabulary.spelled(token);
  const bool is_bracketed = spelled.size() >= 3 && (spelled.front() == '<' || spelled.front() == '[');
  const TokenKind kind = vocabulary.kind(token);
  if (kind == TokenKind::user_defined || (kind == TokenKind::normal && is_bracketed)) {
    vocabulary.set_kind(token, TokenKind::control);
  }
}

Expected<std::int32_t> fim_token(const Metadata& metadata, const FimNames& names, Vocabulary& vocabulary) {
  HEED_ASSIGN(std::int32_t token, token_id(metadata, names.key, vocabulary));
  if (token < 0) {
    HEED_ASSIGN(token, token_id(metadata, names.old_key, vocabulary));
  }
  for (std::size_t i = 0; token < 0 && i < names.spellings.size(); ++i) {
    const std::int32_t found = vocabulary.find(names.spellings[i]);
    const TokenKind kind = vocabulary.kind(found);
    if (kind == TokenKind::control || kind == TokenKind::user_defined) token = found;
  }
  make_control(vocabulary, token);
  return token;
}

void add_trusted(std::vector<TextRun>& runs, std::size_t begin, std::size_t end) {
  if (!runs.empty() && runs.back().end == begin) {
    runs.back().end = end;
  } else if (begin < end) {
    runs.push_back({begin, end});
  }
}

}  // namespace

Expected<std::unique_ptr<Tokenizer>> Tokenizer::from_metadata(const Metadata& metadata) {
  constexpr const char *kModelKey = "tokenizer.ggml.model", *kJsonKey = "tokenizer.huggingface.json";
  if (!metadata.find(kModelKey) && metadata.find(kJsonKey)) {  // a model hub's directory
    HEED_ASSIGN(const std::string text, metadata.need_text(kJsonKey));
    return from_json(text);
  }
  HEED_ASSIGN(const std::string model, metadata.need_text(kModelKey));
  if (model == "gpt2") return make_bpe_tokenizer(metadata);
  if (model == "llama") return make_spm_tokenizer(metadata);
  if (model == "bert") return make_wordpiece_tokenizer(metadata);
  if (model == "t5") return make_unigram_tokenizer(metadata);
  return fail(Code::unsupported, "tokenizer: model: expected gpt2, llama, bert or t5, got " + model, kModelKey);
}

Expected<std::unique_ptr<Tokenizer>> Tokenizer::from_json(std::string_view text) { return make_json_tokenizer(text); }

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool trusted, EncodeOptions options) const {
  const Segment segment{std::string(text), trusted};
  return encode(std::span(&segment, 1), options);
}

Expected<void> TokenizerBase::read(const Metadata& metadata, TokenizerDefaults defaults) {
  HEED_ASSIGN(vocabulary_, Vocabulary::read(metadata));
  HEED_ASSIGN(adds_bos_, metadata.flag("tokenizer.ggml.add_bos_token", defaults.adds_bos));
  HEED_ASSIGN(adds_eos_, metadata.flag("tokenizer.ggml.add_eos_token", defaults.adds_eos));
  HEED_TRY(read_ids(metadata));
  HEED_TRY(read_fim(metadata));
  return read_special();
}

void TokenizerBase::note_end(std::int32_t token) {
  if (token >= 0 && std::find(ends_.begin(), ends_.end(), token) == ends_.end()) ends_.push_back(token);
}

Expected<void> TokenizerBase::read_ids(const Metadata& metadata) {
  HEED_ASSIGN(bos_, token_id(metadata, "tokenizer.ggml.bos_token_id", vocabulary_));
  HEED_ASSIGN(eos_, token_id(metadata, "tokenizer.ggml.eos_token_id", vocabulary_));
  if (bos_ < 0) {  // BERT's names for them; the second is spelled so
    HEED_ASSIGN(bos_, token_id(metadata, "tokenizer.ggml.cls_token_id", vocabulary_));
  }
  if (eos_ < 0) {
    HEED_ASSIGN(eos_, token_id(metadata, "tokenizer.ggml.seperator_token_id", vocabulary_));
  }
  HEED_ASSIGN(unknown_, token_id(metadata, "tokenizer.ggml.unknown_token_id", vocabulary_));
  make_control(vocabulary_, bos_);
  make_control(vocabulary_, eos_);
  // Several files name their end of text here: it must not come out of a text that the vocabulary cannot spell.
  if (vocabulary_.kind(unknown_) == TokenKind::control) unknown_ = -1;
  note_end(eos_);
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    HEED_ASSIGN(const std::int32_t token, token_id(metadata, key, vocabulary_));
    make_control(vocabulary_, token);
    note_end(token);
  }
  for (const std::string_view spelled : kEndSpellings) {
    const std::int32_t token = vocabulary_.find(spelled);
    if (token >= 0 && vocabulary_.kind(token) == TokenKind::control) note_end(token);
  }
  return {};
}

Expected<void> TokenizerBase::read_fim(const Metadata& metadata) {
  HEED_ASSIGN(fim_.prefix, fim_token(metadata, kFimPrefix, vocabulary_));
  HEED_ASSIGN(fim_.suffix, fim_token(metadata, kFimSuffix, vocabulary_));
  HEED_ASSIGN(fim_.middle, fim_token(metadata, kFimMiddle, vocabulary_));
  return {};
}

Expected<void> TokenizerBase::read_special() {
  std::vector<SpecialToken> special;
  for (std::int32_t token = 0; token < vocabulary_.size(); ++token) {
    const TokenKind kind = vocabulary_.kind(token);
    const bool is_trusted_only = kind == TokenKind::control || kind == TokenKind::unknown;
    if (!is_trusted_only && kind != TokenKind::user_defined) continue;
    std::string spelled;
    append_normalized(vocabulary_.spelled(token), spelled);
    if (spelled.size() > SpecialTokens::kLongestBytes) {
      return fail(Code::too_long,
                  "tokenizer: special token " + std::to_string(token) + ": expected a spelling of at most " +
                      std::to_string(SpecialTokens::kLongestBytes) + " bytes, got " + std::to_string(spelled.size()),
                  "tokenizer.ggml.tokens");
    }
    special.push_back({std::move(spelled), token, is_trusted_only});
  }
  special_ = SpecialTokens(std::move(special));
  return {};
}

std::vector<std::int32_t> TokenizerBase::encode(std::span<const Segment> segments, EncodeOptions options) const {
  std::string text;
  std::vector<TextRun> trusted;
  for (const Segment& segment : segments) {
    const std::size_t begin = text.size();
    append_normalized(segment.text, text);
    if (segment.trusted) add_trusted(trusted, begin, text.size());
  }
  EncodeState state(text.size());
  std::vector<std::int32_t>& tokens = state.tokens;
  for (const TextPart& part : special_.partition(text, trusted)) {
    if (part.token >= 0) {
      tokens.push_back(part.token);
    } else {
      encode_stretch(std::string_view(text).substr(part.begin, part.end - part.begin), state);
    }
  }
  // A template that writes the token itself does not get it twice.
  const bool begins_with_bos = !tokens.empty() && tokens.front() == bos_;
  if (options.add_bos && adds_bos_ && bos_ >= 0 && !begins_with_bos) tokens.insert(tokens.begin(), bos_);
  if (options.add_eos && adds_eos_ && eos_ >= 0) tokens.push_back(eos_);
  return std::move(state.tokens);
}

std::string TokenizerBase::token_bytes(std::int32_t token, bool show_control) const {
  switch (kind(token)) {
    case TokenKind::normal:
    case TokenKind::byte:
      return plain_bytes(token);
    case TokenKind::user_defined:
      return user_defined_bytes(token);
    case TokenKind::control:
      return show_control ? std::string(vocabulary_.spelled(token)) : std::string();
    case TokenKind::unknown:  // text was lost here: say so
      if (!vocabulary_.holds(token)) return {};
      return std::string(show_control ? vocabulary_.spelled(token) : kReplacementUtf8);
    case TokenKind::unused:
      break;
  }
  return {};
}

std::string TokenizerBase::decode(std::span<const std::int32_t> tokens, bool show_control, bool at_start) const {
  std::string text;
  bool strips_space = at_start && leads_with_space();
  for (const std::int32_t token : tokens) {
    const std::string bytes = token_bytes(token, show_control);
    const bool strips_here = strips_space && !bytes.empty() && kind(token) != TokenKind::control;
    text += strips_here && bytes.front() == ' ' ? std::string_view(bytes).substr(1) : std::string_view(bytes);
    if (strips_here) strips_space = false;
  }
  return text;
}

}  // namespace heed
