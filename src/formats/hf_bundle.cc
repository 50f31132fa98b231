// hf_bundle.cc -- finds where each text ends and which keys it has, without building any of them.
#include "formats/hf_bundle.h"

#include <algorithm>
#include <array>
#include <vector>

namespace heed {
namespace {

struct KnownText {
  std::string_view name, key;  // the key that only this one has
};

constexpr auto kTexts = std::to_array<KnownText>({
    {"config.json", "model_type"},
    {"tokenizer.json", "added_tokens"},
    {"tokenizer_config.json", "tokenizer_class"},
    {"1_Pooling/config.json", "word_embedding_dimension"},
    {"sentence_bert_config.json", "max_seq_length"},
});
constexpr std::string_view kModules = "modules.json";  // an array, as no other

Error malformed(std::size_t number, const std::string& what) {
  return fail(Code::malformed, "safetensors: text " + std::to_string(number) + " behind the tensors: " + what);
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

std::size_t skip_space(std::string_view s, std::size_t at) {
  while (at < s.size() && is_space(s[at])) ++at;
  return at;
}

// The quote that ends a string which begins at `at`; npos: none.
std::size_t end_of_string(std::string_view s, std::size_t at) {
  for (++at; at < s.size(); ++at) {
    if (s[at] == '\\')
      ++at;
    else if (s[at] == '"')
      return at;
  }
  return std::string_view::npos;
}

struct Scanned {
  std::size_t end = 0;                 // behind the last bracket; 0: there is none
  std::vector<std::string_view> keys;  // of the outermost object, those of kTexts alone
};

bool is_known_key(std::string_view key) {
  return std::any_of(kTexts.begin(), kTexts.end(), [&](const KnownText& text) { return text.key == key; });
}

Scanned scan(std::string_view s, std::size_t begin) {
  Scanned out;
  std::size_t depth = 0;
  for (std::size_t i = begin; i < s.size(); ++i) {
    if (s[i] == '{' || s[i] == '[') ++depth;
    if ((s[i] == '}' || s[i] == ']') && --depth == 0) {
      out.end = i + 1;
      return out;
    }
    if (s[i] != '"') continue;
    const std::size_t close = end_of_string(s, i);
    if (close == std::string_view::npos) return out;
    const std::string_view held = s.substr(i + 1, close - i - 1);
    const std::size_t next = skip_space(s, close + 1);
    if (depth == 1 && next < s.size() && s[next] == ':' && is_known_key(held)) out.keys.push_back(held);
    i = close;
  }
  return out;
}

std::string_view name_of(char first, const std::vector<std::string_view>& keys) {
  if (first == '[') return kModules;
  for (const KnownText& text : kTexts)
    if (std::find(keys.begin(), keys.end(), text.key) != keys.end()) return text.name;
  return {};
}

}  // namespace

Expected<std::map<std::string, std::string_view, std::less<>>> split_hub_texts(std::string_view bytes) {
  std::map<std::string, std::string_view, std::less<>> texts;
  std::size_t number = 0;
  for (std::size_t at = skip_space(bytes, 0); at < bytes.size(); at = skip_space(bytes, at)) {
    ++number;
    if (bytes[at] != '{' && bytes[at] != '[') return malformed(number, "expected an object or an array of JSON");
    const Scanned scanned = scan(bytes, at);
    if (scanned.end == 0) return malformed(number, "it has no end");
    const std::string_view name = name_of(bytes[at], scanned.keys);
    if (name.empty()) return malformed(number, "it is none of a hub's directory that heed reads");
    if (!texts.emplace(name, bytes.substr(at, scanned.end - at)).second)
      return malformed(number, std::string(name) + " appears twice");
    at = scanned.end;
  }
  return texts;
}

}  // namespace heed
