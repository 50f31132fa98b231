// vocabulary.cc -- reads the token arrays, every size and kind checked, and hashes the spellings.
#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "text/hash.h"

namespace heed {
namespace {

constexpr const char* kTokensKey = "tokenizer.ggml.tokens";
constexpr const char* kTypesKey = "tokenizer.ggml.token_type";
constexpr std::size_t kMostVocabularyTokens = std::size_t{1} << 24;
constexpr std::size_t kMostBytes = std::size_t{1} << 31;

Expected<TokenKind> kind_of(std::int64_t type, std::size_t token) {
  switch (type) {
    case 0:  // undefined
    case 1:
      return TokenKind::normal;
    case 2:
      return TokenKind::unknown;
    case 3:
      return TokenKind::control;
    case 4:
      return TokenKind::user_defined;
    case 5:
      return TokenKind::unused;
    case 6:
      return TokenKind::byte;
    default:
      break;
  }
  return fail(Code::malformed,
              "tokenizer: type of token " + std::to_string(token) + ": expected 0 to 6, got " + std::to_string(type),
              kTypesKey);
}

Expected<std::vector<TokenKind>> read_kinds(const Metadata& metadata, std::size_t tokens) {
  std::vector<TokenKind> kinds(tokens, TokenKind::normal);
  if (metadata.find(kTypesKey) == nullptr) return kinds;
  const auto* types = metadata.integers(kTypesKey);
  if (types == nullptr || types->size() != tokens) {
    return fail(Code::malformed,
                "tokenizer: token types: expected an array of " + std::to_string(tokens) + " integers, got " +
                    (types == nullptr ? std::string("another type") : std::to_string(types->size())),
                kTypesKey);
  }
  for (std::size_t i = 0; i < tokens; ++i) {
    HEED_ASSIGN(kinds[i], kind_of((*types)[i], i));
  }
  return kinds;
}

}  // namespace

Expected<Vocabulary> Vocabulary::read(const Metadata& metadata) {
  const auto* tokens = metadata.strings(kTokensKey);
  if (tokens == nullptr || tokens->empty() || tokens->size() > kMostVocabularyTokens) {
    return fail(Code::malformed,
                "tokenizer: tokens: expected an array of 1 to " + std::to_string(kMostVocabularyTokens) +
                    " texts, got " + (tokens == nullptr ? std::string("none") : std::to_string(tokens->size())),
                kTokensKey);
  }
  const std::size_t bytes = tokens->bytes();
  if (bytes > kMostBytes) {
    return fail(Code::too_long,
                "tokenizer: tokens: expected at most " + std::to_string(kMostBytes) + " bytes of spellings, got " +
                    std::to_string(bytes),
                kTokensKey);
  }
  Vocabulary vocabulary;
  HEED_ASSIGN(vocabulary.kinds_, read_kinds(metadata, tokens->size()));
  vocabulary.spellings_.reserve(bytes);
  vocabulary.starts_.reserve(tokens->size() + 1);
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const std::string_view token = (*tokens)[i];
    vocabulary.starts_.push_back(static_cast<std::uint32_t>(vocabulary.spellings_.size()));
    vocabulary.spellings_ += token;
    vocabulary.longest_bytes_ = std::max(vocabulary.longest_bytes_, token.size());
  }
  vocabulary.starts_.push_back(static_cast<std::uint32_t>(vocabulary.spellings_.size()));
  vocabulary.index();
  return vocabulary;
}

void Vocabulary::index() {
  slots_.assign(std::bit_ceil(kinds_.size() * 2), Slot{});
  const std::size_t mask = slots_.size() - 1;
  for (std::int32_t token = 0; token < size(); ++token) {
    if (find(spelled(token)) >= 0) continue;
    const std::uint64_t hash = hash_text(spelled(token));
    std::size_t slot = hash & mask;
    while (slots_[slot].token >= 0) slot = (slot + 1) & mask;
    slots_[slot] = {static_cast<std::uint32_t>(hash >> 32), token};
  }
}

std::string_view Vocabulary::spelled(std::int32_t token) const noexcept {
  if (!holds(token)) return {};
  const auto i = static_cast<std::size_t>(token);
  return std::string_view(spellings_).substr(starts_[i], starts_[i + 1] - starts_[i]);
}

TokenKind Vocabulary::kind(std::int32_t token) const noexcept {
  return holds(token) ? kinds_[static_cast<std::size_t>(token)] : TokenKind::unknown;
}

void Vocabulary::set_kind(std::int32_t token, TokenKind kind) noexcept {
  if (holds(token)) kinds_[static_cast<std::size_t>(token)] = kind;
}

std::int32_t Vocabulary::find(std::string_view spelled_as) const noexcept {
  const std::uint64_t hash = hash_text(spelled_as);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask; slots_[slot].token >= 0; slot = (slot + 1) & mask) {
    if (slots_[slot].tag == hash >> 32 && spelled(slots_[slot].token) == spelled_as) return slots_[slot].token;
  }
  return -1;
}

}  // namespace heed
