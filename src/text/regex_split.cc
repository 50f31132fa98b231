// regex_split.cc -- runs of valid text, cut by each expression in turn.
#include "text/regex_split.h"

#include "text/utf8.h"

namespace heed {
namespace {

void cut_piece(Regex::Search& search, std::string_view piece, std::vector<std::string_view>& out) {
  std::size_t at = 0;
  search.each_match(piece, Regex::Empty::skip, [&](std::size_t begin, std::size_t end) {
    if (at < begin) out.push_back(piece.substr(at, begin - at));
    out.push_back(piece.substr(begin, end - begin));
    at = end;
  });
  if (at < piece.size()) out.push_back(piece.substr(at));
}

// Bytes from `begin` on that are all valid UTF-8, or all not.
std::size_t run_end(std::string_view text, std::size_t begin, bool valid) noexcept {
  std::size_t at = begin;
  while (at < text.size()) {
    const Utf8Char c = utf8_first(text.substr(at));
    if (c.valid != valid) break;
    at += c.size;
  }
  return at;
}

}  // namespace

Expected<RegexSplit> RegexSplit::compile(std::span<const std::string_view> patterns) {
  RegexSplit out;
  for (const std::string_view pattern : patterns) {
    HEED_ASSIGN(Regex expression, Regex::compile(pattern));
    out.expressions_.push_back(std::move(expression));
  }
  return out;
}

void RegexSplit::cut(std::string_view text, std::vector<std::string_view>& pieces) const {
  std::vector<Regex::Search> searches(expressions_.begin(), expressions_.end());
  std::vector<std::string_view> parts, next;
  for (std::size_t begin = 0; begin < text.size();) {
    const bool valid = utf8_first(text.substr(begin)).valid;
    const std::size_t end = run_end(text, begin, valid);
    parts.assign(1, text.substr(begin, end - begin));
    for (Regex::Search& search : searches) {
      if (!valid) break;
      next.clear();
      for (const std::string_view part : parts) cut_piece(search, part, next);
      parts.swap(next);
    }
    pieces.insert(pieces.end(), parts.begin(), parts.end());
    begin = end;
  }
}

}  // namespace heed
