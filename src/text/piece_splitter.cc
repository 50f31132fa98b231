// piece_splitter.cc -- one reader a type, in a table by name; each gives the step that it describes.
#include "text/piece_splitter.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "text/bert_tables.h"
#include "text/byte_tokens.h"
#include "text/json_pattern.h"
#include "text/json_steps.h"
#include "text/pretokenize.h"
#include "text/stand_ins.h"
#include "text/unicode_tables.h"
#include "text/utf8.h"
#include "text/word_tables.h"

namespace heed {
namespace {

using SplitStep = PieceSplitter::Step;
using Add = std::function<void(std::size_t, std::size_t)>;

enum class Behavior : unsigned char { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// A stretch of a piece: what the pattern matched, or what lies between.
struct Stretch {
  std::size_t begin = 0, end = 0;
  bool is_match = false;
};

Expected<Behavior> read_behavior(const JsonPart& part, const char* otherwise) {
  HEED_ASSIGN(const std::string name, part.text("behavior", otherwise));
  if (name == "Removed") return Behavior::removed;
  if (name == "Isolated") return Behavior::isolated;
  if (name == "MergedWithPrevious") return Behavior::merged_with_previous;
  if (name == "MergedWithNext") return Behavior::merged_with_next;
  if (name == "Contiguous") return Behavior::contiguous;
  return part.unsupported("behavior: expected one that heed knows, got '" + name + "'");
}

/// `out` is room to work in.
void add_merged(const std::vector<Stretch>& stretches, Behavior behavior, std::vector<Stretch>& out, const Add& add) {
  const bool from_right = behavior == Behavior::merged_with_next;
  out.clear();
  bool was_match = false;
  const auto take = [&](const Stretch& s) {
    const bool joins = behavior == Behavior::contiguous ? s.is_match == was_match : s.is_match && !was_match;
    was_match = s.is_match;
    if (!joins || out.empty()) return out.push_back(s);
    out.back().begin = std::min(out.back().begin, s.begin);
    out.back().end = std::max(out.back().end, s.end);
  };
  if (from_right) {
    std::for_each(stretches.rbegin(), stretches.rend(), take);
    std::reverse(out.begin(), out.end());
  } else {
    std::for_each(stretches.begin(), stretches.end(), take);
  }
  for (const Stretch& s : out) add(s.begin, s.end);
}

void add_stretches(const std::vector<Stretch>& stretches, Behavior behavior, std::vector<Stretch>& room,
                   const Add& add) {
  if (behavior != Behavior::removed && behavior != Behavior::isolated)
    return add_merged(stretches, behavior, room, add);
  for (const Stretch& s : stretches)
    if (behavior == Behavior::isolated || !s.is_match) add(s.begin, s.end);
}

/// The matches that each_match(piece, visit) visits, of what begin_list() gives, and what lies between them.
template <class Begin>
SplitStep split_at(const Begin& begin_list, Behavior behavior, bool inverts) {
  return [begin_list, behavior, inverts](PieceList& list) {
    auto each_match = begin_list();
    std::vector<Stretch> stretches, room;
    list.split([&](std::string_view piece, const Add& add) {
      stretches.clear();
      std::size_t at = 0;
      each_match(piece, [&](std::size_t begin, std::size_t end) {
        if (at < begin) stretches.push_back({at, begin, inverts});
        stretches.push_back({begin, end, !inverts});
        at = end;
      });
      if (at < piece.size()) stretches.push_back({at, piece.size(), inverts});
      add_stretches(stretches, behavior, room, add);
    });
  };
}

/// Every character that is(code point) is a match.
template <class Is>
SplitStep split_at_characters(const Is& is, Behavior behavior) {
  if (behavior == Behavior::removed || behavior == Behavior::isolated) {
    std::array<bool, 128> is_ascii_match{};
    for (std::uint32_t code = 0; code < 128; ++code) is_ascii_match[code] = is(code);
    return [is, is_ascii_match, keeps = behavior == Behavior::isolated](PieceList& list) {
      list.split([&](std::string_view piece, const auto& add) {
        std::size_t begin = 0;
        for (std::size_t at = 0; at < piece.size();) {
          const auto byte = static_cast<unsigned char>(piece[at]);
          if (byte < 0x80 && !is_ascii_match[byte]) {
            ++at;
            continue;
          }
          const Utf8Char c = utf8_first(piece.substr(at));
          const std::size_t end = at + c.size;
          if (is(c.code_point)) {
            add(begin, at);
            if (keeps) add(at, end);
            begin = end;
          }
          at = end;
        }
        add(begin, piece.size());
      });
    };
  }
  const auto each_match = [is](std::string_view piece, const auto& visit) {
    for (std::size_t at = 0; at < piece.size();) {
      const Utf8Char c = utf8_first(piece.substr(at));
      if (is(c.code_point)) visit(at, at + c.size);
      at += c.size;
    }
  };
  return split_at([each_match] { return each_match; }, behavior, false);
}

bool is_space_class(std::uint32_t code) noexcept { return char_class(code) == CharClass::space; }
bool is_punctuation(std::uint32_t code) noexcept { return bert_class(code) == BertClass::punctuation; }

SplitStep in_turn(std::vector<SplitStep> steps) {
  return [steps = std::move(steps)](PieceList& list) {
    for (const SplitStep& step : steps) step(list);
  };
}

SplitStep split_by_scanner(PreTokenizer scanner) {
  return [scanner](PieceList& list) {
    std::vector<std::string_view> parts;
    list.split([&](std::string_view piece, const Add& add) {
      parts.clear();
      pretokenize(scanner, piece, parts);
      for (const std::string_view part : parts) {
        const auto begin = static_cast<std::size_t>(part.data() - piece.data());
        add(begin, begin + part.size());
      }
    });
  };
}

Expected<SplitStep> read_byte_level_split(const JsonPart& part) {
  HEED_ASSIGN(const bool adds_space, part.flag("add_prefix_space", true));
  HEED_ASSIGN(const bool splits, part.flag("use_regex", true));
  std::vector<SplitStep> steps;
  if (adds_space) {
    steps.emplace_back([](PieceList& list) {
      list.rewrite([](std::size_t, std::string_view piece, std::string& out) {
        if (!piece.starts_with(' ')) out += ' ';
        out += piece;
      });
    });
  }
  if (splits) steps.push_back(split_by_scanner(PreTokenizer::gpt2));
  steps.emplace_back([](PieceList& list) {
    list.rewrite([](std::size_t, std::string_view piece, std::string& out) { append_stand_ins(piece, out); });
  });
  return in_turn(std::move(steps));
}

/// Expressions of widely used files that have a scanner, which is faster; without gaps between their matches.
std::optional<PreTokenizer> scanner_of(std::string_view expression) {
  constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  constexpr std::string_view kContractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
  constexpr std::string_view kLlama3 =
      R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  constexpr std::string_view kQwen2 =
      R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  if (expression == kGpt2) return PreTokenizer::gpt2;
  if (!expression.starts_with(kContractions)) return std::nullopt;
  expression.remove_prefix(kContractions.size());
  if (expression == kLlama3) return PreTokenizer::llama3;
  if (expression == kQwen2) return PreTokenizer::qwen2;
  return std::nullopt;
}

Expected<SplitStep> read_split(const JsonPart& part) {
  HEED_ASSIGN(const JsonPattern pattern, JsonPattern::read(part.part("pattern")));
  HEED_ASSIGN(const Behavior behavior, read_behavior(part, ""));
  HEED_ASSIGN(const bool inverts, part.flag("invert", false));
  const auto scanner = pattern.is_regex() ? scanner_of(pattern.spelled()) : std::nullopt;
  if (scanner && behavior == Behavior::isolated) return split_by_scanner(*scanner);
  const auto begin_list = [pattern] {
    return [search = JsonPattern::Search(pattern)](std::string_view piece, const auto& visit) mutable {
      search.each_match(piece, visit);
    };
  };
  return split_at(begin_list, behavior, inverts);
}

/// Runs of \w and runs of what is neither \w nor \s.
Expected<SplitStep> read_whitespace(const JsonPart&) {
  return SplitStep([](PieceList& list) {
    list.split([](std::string_view piece, const auto& add) {
      std::size_t begin = 0;
      WordClass last = WordClass::space;
      for (std::size_t at = 0; at < piece.size();) {
        const Utf8Char c = utf8_first(piece.substr(at));
        const WordClass kind = word_class(c.code_point), now = kind == WordClass::mark ? WordClass::word : kind;
        if (now != last) {
          if (last != WordClass::space) add(begin, at);
          begin = at;
          last = now;
        }
        at += c.size;
      }
      if (last != WordClass::space) add(begin, piece.size());
    });
  });
}

Expected<SplitStep> read_whitespace_split(const JsonPart&) {
  return split_at_characters(is_space_class, Behavior::removed);
}

Expected<SplitStep> read_bert_split(const JsonPart&) {
  return in_turn({split_at_characters(is_space_class, Behavior::removed),
                  split_at_characters(is_punctuation, Behavior::isolated)});
}

Expected<SplitStep> read_punctuation(const JsonPart& part) {
  HEED_ASSIGN(const Behavior behavior, read_behavior(part, "Isolated"));
  return split_at_characters(is_punctuation, behavior);
}

Expected<SplitStep> read_digits(const JsonPart& part) {
  HEED_ASSIGN(const bool one_by_one, part.flag("individual_digits", false));
  return split_at_characters([](std::uint32_t code) { return char_class(code) == CharClass::number; },
                             one_by_one ? Behavior::isolated : Behavior::contiguous);
}

/// A text of one character.
Expected<std::string> read_character(const JsonPart& part, const char* key) {
  HEED_ASSIGN(const std::string text, part.need_text(key));
  if (text.empty() || utf8_first(text).size != text.size())
    return part.malformed(std::string(key) + ": expected one character, got '" + text + "'");
  return text;
}

Expected<SplitStep> read_delimiter(const JsonPart& part) {
  HEED_ASSIGN(const std::string delimiter, read_character(part, "delimiter"));
  return split_at_characters([code = utf8_first(delimiter).code_point](std::uint32_t c) { return c == code; },
                             Behavior::removed);
}

Expected<SplitStep> read_metaspace(const JsonPart& part) {
  HEED_ASSIGN(const std::string mark, read_character(part, "replacement"));
  HEED_ASSIGN(const bool adds_space, part.flag("add_prefix_space", true));  // of older files
  HEED_ASSIGN(const std::string scheme, part.text("prepend_scheme", adds_space ? "always" : "never"));
  HEED_ASSIGN(const bool splits, part.flag("split", true));
  if (scheme != "always" && scheme != "never" && scheme != "first")
    return part.unsupported("prepend_scheme: expected always, never or first, got " + scheme);
  if (!adds_space && scheme != "never") return part.malformed("add_prefix_space: expected what prepend_scheme says");
  std::vector<SplitStep> steps;
  steps.emplace_back([mark, scheme](PieceList& list) {
    const bool keeps_start = !list.pieces.empty() && list.is_start(0);
    list.rewrite([&](std::size_t i, std::string_view piece, std::string& out) {
      const bool is_due = scheme == "always" || (scheme == "first" && i == 0 && keeps_start);
      const bool has_mark = piece.starts_with(' ') || piece.starts_with(mark);
      if (is_due && !has_mark) out += mark;
      for (const char c : piece) {
        if (c == ' ') {
          out += mark;
        } else {
          out += c;
        }
      }
    });
  });
  if (splits) {
    steps.push_back(split_at_characters([code = utf8_first(mark).code_point](std::uint32_t c) { return c == code; },
                                        Behavior::merged_with_next));
  }
  return in_turn(std::move(steps));
}

constexpr auto kSplitReaders = std::to_array<StepReader<SplitStep>>({
    {"ByteLevel", read_byte_level_split},
    {"Split", read_split},
    {"Whitespace", read_whitespace},
    {"WhitespaceSplit", read_whitespace_split},
    {"Punctuation", read_punctuation},
    {"Digits", read_digits},
    {"Metaspace", read_metaspace},
    {"BertPreTokenizer", read_bert_split},
    {"CharDelimiterSplit", read_delimiter},
});

}  // namespace

Expected<PieceSplitter> PieceSplitter::read(const JsonPart& part) {
  PieceSplitter out;
  if (!part.value().is_null()) HEED_TRY(out.add(part));
  return out;
}

Expected<void> PieceSplitter::add(const JsonPart& part) {
  return add_steps<SplitStep>(part, {"pre-tokenizer", "pretokenizers", kSplitReaders}, steps_);
}

}  // namespace heed
