// hub_name.cc -- the grammar of hub names, and which file of a repository is meant.
#include "store/hub_name.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>

namespace heed {
namespace {

constexpr std::size_t kMaxPart = 96, kMaxFile = 512;
constexpr std::string_view kSuffix = ".gguf";
constexpr int kMaxParts = 9999;

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kMaxPart && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return c < 128 && (std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_');
         });
}

/// Plain names joined by '/': nothing that could leave a directory or hide in it.
bool is_inner_path(std::string_view path) {
  if (path.empty() || path.size() > kMaxFile || path.ends_with(".partial")) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part[0] == '.' || part.size() > 255) return false;
    if (std::any_of(part.begin(), part.end(), [](unsigned char c) { return c < 32 || c == 127 || c == '\\'; }))
      return false;
    begin = end + 1;
  }
  return true;
}

bool is_revision(std::string_view text) {
  if (text.empty() || text.size() > kMaxPart || text.find("..") != std::string_view::npos) return false;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    if (!is_word(text.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

bool is_letter_or_digit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

/// The end of a type that begins at `at` of a name in capitals; `at` itself when there is none.
std::size_t type_end(std::string_view name, std::size_t at) {
  constexpr std::string_view kWhole[] = {"BF16", "F16", "F32", "F64", "MXFP4_MOE", "MXFP4"};
  for (const std::string_view type : kWhole)
    if (name.substr(at).starts_with(type)) return at + type.size();
  std::size_t end = at;
  if (end < name.size() && (name[end] == 'I' || name[end] == 'T')) ++end;
  if (end + 1 >= name.size() || name[end] != 'Q' || name[end + 1] < '1' || name[end + 1] > '8') return at;
  end += 2;
  const std::size_t bare = end;
  constexpr std::string_view kMore[] = {"_XXS", "_XS", "_XL", "_NL", "_K", "_S", "_M", "_L", "_0", "_1", "_4", "_8"};
  for (bool grows = true; grows;) {
    grows = false;
    for (const std::string_view more : kMore) {
      const std::size_t next = end + more.size();
      if (!name.substr(end).starts_with(more) || (next < name.size() && is_letter_or_digit(name[next]))) continue;
      end = next;
      grows = true;
      break;
    }
  }
  return end == bare ? at : end;
}

std::string list_of(const std::vector<HubChoice>& choices) {
  std::string out;
  constexpr std::size_t kShown = 40;
  for (std::size_t i = 0; i < choices.size() && i < kShown; ++i) out += (out.empty() ? "" : ", ") + choices[i].file;
  if (choices.size() > kShown) out += ", and " + std::to_string(choices.size() - kShown) + " more";
  return out.empty() ? "no GGUF file" : out;
}

/// The eye of a multimodal model is no model of its own.
bool is_projector(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return file.substr(slash == std::string::npos ? 0 : slash + 1).starts_with("mmproj");
}

}  // namespace

std::string HubName::directory() const {
  std::string out = repository();
  if (revision == "main") return out;
  out += "@";
  for (const char c : revision) out += c == '/' ? std::string("%2F") : std::string(1, c);
  return out;
}

std::string HubName::text() const {
  const std::string place = repository() + (revision == "main" ? "" : "@" + revision);
  return file.empty() ? place : place + ":" + file;
}

std::optional<HubName> parse_hub_name(const std::string& text) {
  HubName out;
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::size_t colon = text.find(':', slash), at = text.find('@', slash);
  const bool has_revision = at != std::string::npos && at < std::min(colon, text.size());
  const std::size_t repo_end = has_revision ? at : std::min(colon, text.size());
  out.owner = text.substr(0, slash);
  out.repo = text.substr(slash + 1, repo_end - slash - 1);
  if (has_revision) out.revision = text.substr(at + 1, std::min(colon, text.size()) - at - 1);
  if (colon != std::string::npos) out.file = text.substr(colon + 1);
  if (!is_word(out.owner) || !is_word(out.repo) || !is_revision(out.revision)) return std::nullopt;
  if (colon != std::string::npos && !is_inner_path(out.file)) return std::nullopt;
  return out;
}

std::optional<HubName> hub_name_of_path(const std::string& path) {
  const std::size_t first = path.find('/');
  const std::size_t second = first == std::string::npos ? first : path.find('/', first + 1);
  if (second == std::string::npos) return std::nullopt;
  std::string place = path.substr(0, second);
  for (std::size_t at = 0; (at = place.find("%2F", at)) != std::string::npos;) place.replace(at, 3, "/");
  return parse_hub_name(place + ":" + path.substr(second + 1));
}

std::string type_in_name(const std::string& file) {
  const std::string name = upper(file.substr(file.rfind('/') == std::string::npos ? 0 : file.rfind('/') + 1));
  std::string found;
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (at > 0 && is_letter_or_digit(name[at - 1])) continue;
    const std::size_t end = type_end(name, at);
    if (end > at && (end == name.size() || !is_letter_or_digit(name[end]))) found = name.substr(at, end - at);
  }
  return found;
}

std::optional<SplitPart> split_part_of(const std::string& file) {
  constexpr std::size_t kTail = std::string_view("-00001-of-00003.gguf").size();
  if (file.size() <= kTail || !file.ends_with(kSuffix)) return std::nullopt;
  const std::string tail = file.substr(file.size() - kTail);
  for (std::size_t i = 0; i < kTail; ++i) {
    const char shape = "-#####-of-#####.gguf"[i];
    if (shape == '#' ? std::isdigit(static_cast<unsigned char>(tail[i])) == 0 : tail[i] != shape) return std::nullopt;
  }
  SplitPart part{file.substr(0, file.size() - kTail), std::stoi(tail.substr(1, 5)), std::stoi(tail.substr(10, 5))};
  if (part.index < 1 || part.count < 1 || part.index > part.count || part.count > kMaxParts) return std::nullopt;
  return part;
}

std::vector<HubChoice> choices_of(std::vector<HubFile> files) {
  std::sort(files.begin(), files.end(), [](const HubFile& a, const HubFile& b) { return a.path < b.path; });
  std::map<std::string, HubChoice> by_name;  // a split file under its name without the number
  for (HubFile& file : files) {
    if (!file.path.ends_with(kSuffix)) continue;
    const auto part = split_part_of(file.path);
    HubChoice& choice = by_name[part ? part->stem + "/" + std::to_string(part->count) : file.path];
    if (choice.parts.empty()) {
      choice.file = file.path;
      choice.type = type_in_name(file.path);
    }
    choice.bytes += file.bytes;
    choice.parts.push_back(std::move(file));
  }
  std::vector<HubChoice> out;
  for (auto& [name, choice] : by_name) {
    const auto part = split_part_of(choice.file);
    if (!part || choice.parts.size() == static_cast<std::size_t>(part->count)) out.push_back(std::move(choice));
  }
  return out;
}

Expected<HubChoice> choose(const std::vector<HubChoice>& choices, const HubName& name) {
  const std::string wanted = name.file;
  std::vector<HubChoice> fits;
  for (const HubChoice& choice : choices) {
    const auto part = split_part_of(choice.file);
    if (choice.file == wanted || choice.file == wanted + std::string(kSuffix) || (part && part->stem == wanted))
      return choice;
    const bool is_fit = wanted.empty() || (!choice.type.empty() && choice.type == upper(wanted));
    if (is_fit && !is_projector(choice.file)) fits.push_back(choice);
  }
  if (fits.size() == 1) return fits[0];
  if (fits.empty())
    return fail(Code::not_found,
                "model '" + name.text() + "': no such file in " + name.directory() + ": there is " + list_of(choices),
                "model");
  const std::string example = fits[0].type.empty() || fits[0].type == upper(wanted) ? fits[0].file : fits[0].type;
  return fail(Code::invalid_argument,
              "model '" + name.text() + "': several files: name one, such as '" + name.repository() + ":" + example +
                  "': there is " + list_of(fits),
              "model");
}

}  // namespace heed
