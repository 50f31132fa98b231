// normalizer.cc -- one reader a type, in a table by name; each gives the step that it describes.
#include "text/normalizer.h"

#include <utf8proc.h>

#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "text/base64.h"
#include "text/bert_tables.h"
#include "text/bert_words.h"
#include "text/charsmap.h"
#include "text/json_pattern.h"
#include "text/json_steps.h"
#include "text/normal_forms.h"
#include "text/stand_ins.h"
#include "text/unicode_tables.h"
#include "text/word_tables.h"

namespace heed {
namespace {

using Text = Normalizer::Text;
using Step = Normalizer::Step;

bool is_space_at(std::string_view text, std::size_t at) noexcept {
  return char_class(utf8_first(text.substr(at)).code_point) == CharClass::space;
}

template <NormalForm form>
Expected<Step> read_form(const JsonPart&) {
  return Step([](Text& text) { text.bytes = normal_form(text.bytes, form); });
}

Expected<Step> read_lowercase(const JsonPart&) {
  return Step([](Text& text) { text.bytes = lowercase(text.bytes); });
}

Expected<Step> read_strip(const JsonPart& part) {
  HEED_ASSIGN(const bool left, part.flag("strip_left", true));
  HEED_ASSIGN(const bool right, part.flag("strip_right", true));
  return Step([left, right](Text& text) {
    std::size_t begin = 0, end = text.bytes.size();  // of what is not space
    while (begin < end && is_space_at(text.bytes, begin))
      begin += utf8_first(std::string_view(text.bytes).substr(begin)).size;
    for (std::size_t last = end; begin < end; end = last) {
      do --last;
      while ((static_cast<unsigned char>(text.bytes[last]) & 0xC0) == 0x80);
      if (!is_space_at(text.bytes, last)) break;
    }
    if (begin == end) end = 0;
    if (end == 0) begin = left ? text.bytes.size() : 0;
    if (right) text.bytes.resize(std::max(end, left ? begin : 0));
    if (!left || begin == 0) return;
    text.bytes.erase(0, begin);
    text.keeps_start = false;
  });
}

Expected<Step> read_strip_accents(const JsonPart&) {
  return Step([](Text& text) {
    if (is_ascii(text.bytes)) return;
    std::string out;
    out.reserve(text.bytes.size());
    bool is_first = true;
    each_character(text.bytes, [&](std::uint32_t code) {
      const bool is_mark = word_class(code) == WordClass::mark;
      if (is_mark && is_first) text.keeps_start = false;
      if (!is_mark) utf8_append(code, out);
      is_first = false;
    });
    text.bytes = std::move(out);
  });
}

Expected<Step> read_replace(const JsonPart& part) {
  HEED_ASSIGN(const JsonPattern pattern, JsonPattern::read(part.part("pattern")));
  HEED_ASSIGN(const std::string content, read_replacement(part, "content"));
  return Step([pattern, content](Text& text) {
    std::string out;
    std::size_t from = 0;
    JsonPattern::Search(pattern).each_match(text.bytes, [&](std::size_t begin, std::size_t end) {
      // What replaces several characters stands for the last of them.
      const bool stands_for_first = !content.empty() && (end == 0 || utf8_first(text.bytes).size == end);
      if (begin == 0 && !stands_for_first) text.keeps_start = false;
      out.append(text.bytes, from, begin - from);
      out += content;
      from = end;
    });
    out.append(text.bytes, from);
    text.bytes = std::move(out);
  });
}

Expected<Step> read_prepend(const JsonPart& part) {
  HEED_ASSIGN(const std::string prefix, read_replacement(part, "prepend"));
  return Step([prefix](Text& text) {
    if (!text.bytes.empty()) text.bytes.insert(0, prefix);
  });
}

Expected<Step> read_bert(const JsonPart& part) {
  BertCleaning cleaning;
  HEED_ASSIGN(cleaning.drops_controls, part.flag("clean_text", true));
  HEED_ASSIGN(cleaning.parts_ideographs, part.flag("handle_chinese_chars", true));
  HEED_ASSIGN(const bool lowers, part.flag("lowercase", true));
  HEED_ASSIGN(const bool strips, part.flag("strip_accents", lowers));
  return Step([cleaning, lowers, strips](Text& text) {
    if (text.bytes.empty()) return;
    const BertClass first = bert_class(utf8_first(text.bytes).code_point);
    const bool cuts_start =
        (first == BertClass::dropped && cleaning.drops_controls) || (first == BertClass::accent && strips);
    if (cuts_start) text.keeps_start = false;
    text.bytes = bert_cleaned(text.bytes, cleaning);
    if (strips) text.bytes = without_accents(text.bytes);
    if (lowers) text.bytes = lowercase(text.bytes);
  });
}

/// The end of the grapheme cluster that begins at `at`.
std::size_t cluster_end(std::string_view text, std::size_t at) noexcept {
  utf8proc_int32_t state = 0;
  Utf8Char c = utf8_first(text.substr(at));
  for (at += c.size; at < text.size(); at += c.size) {
    const auto before = static_cast<utf8proc_int32_t>(c.code_point);
    c = utf8_first(text.substr(at));
    if (before < 0x80 && before != '\r' && c.code_point < 0x80) break;
    if (utf8proc_grapheme_break_stateful(before, static_cast<utf8proc_int32_t>(c.code_point), &state)) break;
  }
  return at;
}

/// A short cluster is replaced as a whole by the shortest key that it begins with; else each of its characters is.
/// That is not what SentencePiece does, and what the library does.
void append_replaced(std::string_view cluster, const Charsmap& charsmap, std::string& out) {
  constexpr std::size_t kLongestCluster = 5;
  const bool is_one_character = utf8_first(cluster).size == cluster.size();
  if (cluster.size() <= kLongestCluster && !is_one_character) {
    if (const Charsmap::Match match = charsmap.shortest(cluster); match.size > 0) {
      out += match.text;
      return;
    }
  }
  while (!cluster.empty()) {
    const std::string_view character = cluster.substr(0, utf8_first(cluster).size);
    const Charsmap::Match match = charsmap.shortest(character);
    out += match.size > 0 ? match.text : character;
    cluster.remove_prefix(character.size());
  }
}

Expected<Step> read_precompiled(const JsonPart& part) {
  HEED_ASSIGN(const std::string text, part.text("precompiled_charsmap", {}));
  const auto bytes = base64_bytes(text);
  if (!bytes) return part.malformed("precompiled_charsmap: expected base64");
  auto charsmap = Charsmap::read(*bytes);
  if (!charsmap) return part.malformed(charsmap.error().text);
  if (charsmap->is_empty()) return Step([](Text&) {});
  std::array<bool, 128> stays{};  // ASCII that no key is
  for (unsigned char byte = 0; byte < 128; ++byte) {
    const char c = static_cast<char>(byte);
    stays[byte] = c != '\r' && charsmap->shortest({&c, 1}).size == 0;
  }
  return Step([stays, map = std::make_shared<const Charsmap>(std::move(*charsmap))](Text& now) {
    const std::string_view all = now.bytes;
    std::string out;
    out.reserve(all.size() + all.size() / 8);
    const auto is_alone = [&](std::size_t at) {  // not followed by what may join it
      const auto byte = static_cast<unsigned char>(all[at]);
      return byte < 0x80 && stays[byte] && (at + 1 == all.size() || static_cast<unsigned char>(all[at + 1]) < 0x80);
    };
    for (std::size_t at = 0; at < all.size();) {
      std::size_t run = at;
      while (run < all.size() && is_alone(run)) ++run;
      out += all.substr(at, run - at);
      at = run;
      if (at == all.size()) break;
      const std::size_t end = cluster_end(all, at);
      append_replaced(all.substr(at, end - at), *map, out);
      at = end;
    }
    now.bytes = std::move(out);
  });
}

Expected<Step> read_byte_level(const JsonPart&) {
  return Step([](Text& text) {
    std::string out;
    append_stand_ins(text.bytes, out);
    text.bytes = std::move(out);
  });
}

constexpr auto kReaders = std::to_array<StepReader<Step>>({
    {"NFC", read_form<NormalForm::nfc>},
    {"NFD", read_form<NormalForm::nfd>},
    {"NFKC", read_form<NormalForm::nfkc>},
    {"NFKD", read_form<NormalForm::nfkd>},
    {"Lowercase", read_lowercase},
    {"Strip", read_strip},
    {"StripAccents", read_strip_accents},
    {"Replace", read_replace},
    {"Prepend", read_prepend},
    {"BertNormalizer", read_bert},
    {"Precompiled", read_precompiled},
    {"ByteLevel", read_byte_level},
});

}  // namespace

Expected<Normalizer> Normalizer::read(const JsonPart& part) {
  Normalizer out;
  if (!part.value().is_null()) HEED_TRY(out.add(part));
  return out;
}

Expected<void> Normalizer::add(const JsonPart& part) {
  return add_steps<Step>(part, {"normalizer", "normalizers", kReaders}, steps_);
}

}  // namespace heed
