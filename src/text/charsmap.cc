// charsmap.cc -- the units' layout is Darts-clone's: 8 bits of label, a flag that a value follows, an offset.
#include "text/charsmap.h"

#include <algorithm>

#include "text/utf8.h"

namespace heed {
namespace {

constexpr std::size_t kLongestKey = 64,
                      kLongestText = 1024;  // of real tables 18 and 33; bounds the time and the growth

constexpr bool has_value(std::uint32_t unit) noexcept { return (unit >> 8 & 1) != 0; }
constexpr std::uint32_t value_of(std::uint32_t unit) noexcept { return unit & 0x7FFFFFFF; }
constexpr std::uint32_t label_of(std::uint32_t unit) noexcept { return unit & 0x800000FF; }
constexpr std::uint32_t offset_of(std::uint32_t unit) noexcept { return unit >> 10 << ((unit & 0x200) >> 6); }

constexpr bool is_continuation(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::uint32_t little_endian(std::string_view four) noexcept {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number |= std::uint32_t{static_cast<unsigned char>(four[i])} << 8 * i;
  return number;
}

Error broken(const std::string& what) { return fail(Code::malformed, "tokenizer: precompiled charsmap: " + what); }

Expected<void> check_texts(std::string_view texts) {
  for (std::size_t at = 0; at < texts.size();) {
    const Utf8Char c = utf8_first(texts.substr(at));
    if (!c.valid) return broken("expected UTF-8, got another byte in the texts at " + std::to_string(at));
    at += c.size;
  }
  for (std::size_t begin = 0; begin < texts.size();) {
    const std::size_t end = std::min(texts.find('\0', begin), texts.size());
    if (end - begin > kLongestText)
      return broken("expected texts of at most " + std::to_string(kLongestText) + " bytes, got " +
                    std::to_string(end - begin));
    begin = end + 1;
  }
  return {};
}

}  // namespace

Expected<Charsmap> Charsmap::read(std::string_view bytes) {
  Charsmap out;
  if (bytes.empty()) return out;
  if (bytes.size() < 4) return broken("expected 4 bytes of size, got " + std::to_string(bytes.size()));
  const std::uint32_t trie_bytes = little_endian(bytes);
  bytes.remove_prefix(4);
  if (trie_bytes > bytes.size() || trie_bytes % 4 != 0 || trie_bytes == 0)
    return broken("expected a trie of whole units within the " + std::to_string(bytes.size()) + " bytes, got " +
                  std::to_string(trie_bytes));
  HEED_TRY(check_texts(bytes.substr(trie_bytes)));
  out.units_.reserve(trie_bytes / 4);
  for (std::size_t at = 0; at < trie_bytes; at += 4) out.units_.push_back(little_endian(bytes.substr(at)));
  out.texts_ = bytes.substr(trie_bytes);
  return out;
}

/// visit(match) gives whether to go on.
template <class Visit>
void Charsmap::each_match(std::string_view text, const Visit& visit) const noexcept {
  if (units_.empty()) return;
  std::uint32_t node = offset_of(units_[0]);
  const std::size_t limit = std::min(text.size(), kLongestKey);
  for (std::size_t i = 0; i < limit; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(units_[node]) != byte) return;
    const std::uint32_t unit = units_[node];
    node ^= offset_of(unit);
    if (!has_value(unit)) continue;
    if (node >= units_.size()) return;
    const std::size_t begin = value_of(units_[node]);
    if (begin >= texts_.size() || is_continuation(texts_[begin])) continue;
    if (!visit({i + 1,
                std::string_view(texts_.data() + begin, std::min(texts_.find('\0', begin), texts_.size()) - begin)}))
      return;
  }
}

Charsmap::Match Charsmap::longest(std::string_view text) const noexcept {
  Match found;
  each_match(text, [&](const Match& match) {
    found = match;
    return true;
  });
  return found;
}

Charsmap::Match Charsmap::shortest(std::string_view text) const noexcept {
  Match found;
  each_match(text, [&](const Match& match) {
    found = match;
    return false;
  });
  return found;
}

}  // namespace heed
