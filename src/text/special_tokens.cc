// special_tokens.cc -- the sorted spellings serve as a trie: each further byte narrows the range that still fits.
#include "text/special_tokens.h"

#include <algorithm>
#include <utility>

namespace heed {
namespace {

unsigned char byte_of(char c) noexcept { return static_cast<unsigned char>(c); }

}  // namespace

SpecialTokens::SpecialTokens(std::vector<SpecialToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const SpecialToken& token) { return token.spelled.empty(); });
  std::sort(tokens_.begin(), tokens_.end(), [](const SpecialToken& a, const SpecialToken& b) {
    const int order = a.spelled.compare(b.spelled);
    if (order != 0) return order < 0;
    return a.trusted_only != b.trusted_only ? a.trusted_only : a.token < b.token;
  });
  const auto same = [](const SpecialToken& a, const SpecialToken& b) { return a.spelled == b.spelled; };
  tokens_.erase(std::unique(tokens_.begin(), tokens_.end(), same), tokens_.end());
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
    Range& range = first_[byte_of(tokens_[i].spelled[0])];
    if (range.high == 0) range.low = i;
    range.high = i + 1;
  }
}

SpecialTokens::Match SpecialTokens::longest_at(std::string_view text, Allow allow) const noexcept {
  Match best;
  Range range = first_[byte_of(text[0])];
  for (std::size_t depth = 1; range.low < range.high; ++depth) {
    const SpecialToken& shortest = tokens_[range.low];
    if (shortest.spelled.size() == depth) {
      if (allow == Allow::all || !shortest.trusted_only) best = {depth, &shortest};
      ++range.low;
    }
    if (depth >= text.size()) break;
    const unsigned char next = byte_of(text[depth]);
    const auto begin = tokens_.begin() + range.low, end = tokens_.begin() + range.high;
    const auto low = std::partition_point(
        begin, end, [&](const SpecialToken& token) { return byte_of(token.spelled[depth]) < next; });
    const auto high = std::partition_point(
        low, end, [&](const SpecialToken& token) { return byte_of(token.spelled[depth]) == next; });
    range = {static_cast<std::uint32_t>(low - tokens_.begin()), static_cast<std::uint32_t>(high - tokens_.begin())};
  }
  return best;
}

void SpecialTokens::find_untrusted(std::string_view text, TextRun gap, std::vector<TextPart>& parts) const {
  std::size_t plain = gap.begin;
  for (std::size_t at = gap.begin; at < gap.end;) {
    if (!may_begin(text[at])) {
      ++at;
      continue;
    }
    const Match match = longest_at(text.substr(at, gap.end - at), Allow::untrusted);
    if (match.size == 0) {
      ++at;
      continue;
    }
    if (plain < at) parts.push_back({plain, at, -1});
    parts.push_back({at, at + match.size, match.token->token});
    plain = at += match.size;
  }
  if (plain < gap.end) parts.push_back({plain, gap.end, -1});
}

std::vector<TextPart> SpecialTokens::partition(std::string_view text, std::span<const TextRun> trusted) const {
  std::vector<TextPart> parts;
  std::size_t gap_begin = 0;
  for (const TextRun run : trusted) {
    for (std::size_t at = run.begin; at < run.end;) {
      if (!may_begin(text[at])) {
        ++at;
        continue;
      }
      const Match match = longest_at(text.substr(at, run.end - at), Allow::all);
      const std::size_t end = at + std::max<std::size_t>(match.size, 1);
      if (match.size > 0 && match.token->trusted_only) {
        find_untrusted(text, {gap_begin, at}, parts);
        parts.push_back({at, end, match.token->token});
        gap_begin = end;
      }
      at = end;
    }
  }
  find_untrusted(text, {gap_begin, text.size()}, parts);
  return parts;
}

}  // namespace heed
