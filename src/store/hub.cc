// hub.cc -- the tree of a repository as JSON, page by page; everything in it is checked before it becomes a path.
#include "store/hub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "store/blobs.h"
#include "store/download.h"
#include "store/json_limits.h"

namespace heed {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxPageBytes = std::size_t{8} << 20;
constexpr int kMaxPages = 64;
constexpr std::int64_t kMaxHubFileBytes = std::int64_t{1} << 46;

/// Everything but what a path may hold as it is; `keeps_slashes` for paths.
std::string escaped(const std::string& text, bool keeps_slashes) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = byte < 128 && (std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~');
    if (is_plain || (c == '/' && keeps_slashes)) {
      out += c;
      continue;
    }
    constexpr const char* kHex = "0123456789ABCDEF";
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

/// A row of the tree; rows that are no file of ours (directories, names that could leave a directory) are passed over.
Expected<void> add_file(const Json& item, const HubName& name, std::vector<HubFile>& out) {
  HubName whole = name;
  whole.file = text_in(item, "path");
  const std::string type = text_in(item, "type");
  if (type.empty() || whole.file.empty())
    return fail(Code::malformed, "hub: " + name.repository() + ": a file of its list has no type or path");
  if (type != "file" || !parse_hub_name(whole.text())) return {};
  HubFile file{.path = whole.file, .bytes = integer_in(item, "size", kMaxHubFileBytes)};
  const auto lfs = item.find("lfs");
  if (lfs != item.end() && lfs->is_object()) {
    if (const std::string sum = text_in(*lfs, "oid"); is_sha256(sum)) file.sha256 = sum;
    if (lfs->contains("size")) file.bytes = integer_in(*lfs, "size", kMaxHubFileBytes);
  }
  if (file.bytes < 0)
    return fail(Code::malformed, "hub: " + name.repository() + ": " + file.path + " has an impossible size");
  out.push_back(std::move(file));
  return {};
}

Expected<void> add_page(const std::string& text, const HubName& name, std::vector<HubFile>& out) {
  const auto page = parse_bounded(text);
  if (!page || !page->is_array())
    return fail(Code::malformed, "hub: " + name.repository() + ": expected a list of files, got something else");
  for (const Json& item : *page) {
    if (!item.is_object()) return fail(Code::malformed, "hub: " + name.repository() + ": expected a list of objects");
    HEED_TRY(add_file(item, name, out));
  }
  return {};
}

}  // namespace

const std::string& Hub::token_of(std::size_t endpoint) const {
  static const std::string none;
  return endpoint == 0 ? options_.token : none;
}

Expected<std::vector<HubFile>> Hub::list_at(std::size_t endpoint, const HubName& name,
                                            const std::function<bool()>& keep_going) const {
  const std::string first = options_.endpoints[endpoint] + "/api/models/" + escaped(name.repository(), true) +
                            "/tree/" + escaped(name.revision, false) + "?recursive=true";
  std::vector<HubFile> files;
  std::string url = first;
  for (int page = 0; !url.empty(); ++page) {
    if (page == kMaxPages) return fail(Code::too_long, "hub: " + name.repository() + ": its list of files never ends");
    HttpFailure failure;
    HEED_ASSIGN(TextPage got, fetch_text(url, token_of(endpoint), options_.proxy, kMaxPageBytes, keep_going, failure));
    HEED_TRY(add_page(got.text, name, files));
    if (!got.next.empty() && !is_same_origin(got.next, first))
      return fail(Code::malformed, "hub: " + name.repository() + ": its list of files goes on at another host");
    url = std::move(got.next);
  }
  return files;
}

Expected<std::vector<HubFile>> Hub::list(const HubName& name, const std::function<bool()>& keep_going) const {
  std::string reasons;
  Code code = Code::io;
  for (std::size_t i = 0; i < options_.endpoints.size(); ++i) {
    auto files = list_at(i, name, keep_going);
    if (files || files.error().code == Code::cancelled) return files;
    if (i == 0 || code == Code::io) code = files.error().code;
    reasons += (reasons.empty() ? "" : "; ") + files.error().text;
  }
  std::string advice = "check the network (HTTPS_PROXY?) and try again";
  if (code == Code::not_found) advice = "check its name; a private one needs HEED_HUB_TOKEN";
  if (code == Code::unauthorized)
    advice = options_.token.empty() ? "it needs a token: set HEED_HUB_TOKEN" : "the token does not open it";
  return fail(code, "hub: " + name.text() + ": " + reasons + ": " + advice, "model");
}

std::vector<CatalogSource> Hub::sources(const HubName& name, const std::string& file) const {
  std::vector<CatalogSource> out;
  for (std::size_t i = 0; i < options_.endpoints.size(); ++i)
    out.push_back({.kind = "https",
                   .url = options_.endpoints[i] + "/" + escaped(name.repository(), true) + "/resolve/" +
                          escaped(name.revision, false) + "/" + escaped(file, true),
                   .token = token_of(i),
                   .proxy = options_.proxy});
  return out;
}

}  // namespace heed
