// hub_options.cc -- which hub, with whose token: the environment, then HOME/hub.toml.
#include <sys/stat.h>

#include <toml++/toml.h>
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "store/hub.h"

namespace heed {
namespace {

constexpr std::size_t kMaxOptionsBytes = std::size_t{1} << 16;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// A place to ask, without the slash at its end. Nothing that could carry a secret into a message.
Expected<std::string> endpoint_of(std::string_view text, const std::string& origin) {
  while (text.ends_with('/')) text.remove_suffix(1);
  const bool is_url = text.starts_with("https://") || text.starts_with("http://");
  if (!is_url || text.find_first_of("@?# \t") != std::string_view::npos || text.ends_with("://"))
    return fail(Code::malformed, origin + ": expected endpoints like https://HOST, without user, '?' or '#'", "hub");
  return std::string(text);
}

Expected<std::string> token_of(const std::string& text, const std::string& origin) {
  for (const char c : text)
    if (c <= ' ' || c > '~') return fail(Code::malformed, origin + ": expected a token without spaces", "hub");
  return text;
}

Expected<void> read_list(const std::string& text, HubOptions& out) {
  out.endpoints.clear();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) {
      HEED_ASSIGN(std::string endpoint, endpoint_of(std::string_view(text).substr(begin, end - begin), "HEED_HUB"));
      out.endpoints.push_back(std::move(endpoint));
    }
    begin = end + 1;
  }
  return {};
}

Expected<void> read_key(const std::string& path, std::string_view key, const toml::node& node, HubOptions& out) {
  const std::string origin = path + ": line " + std::to_string(node.source().begin.line);
  const auto text = node.value_exact<std::string>();
  if (key == "endpoints" && node.is_array()) {
    out.endpoints.clear();
    for (const toml::node& item : *node.as_array()) {
      HEED_ASSIGN(std::string endpoint, endpoint_of(item.value_exact<std::string>().value_or(""), origin));
      out.endpoints.push_back(std::move(endpoint));
    }
  } else if (key == "token" && text) {
    HEED_ASSIGN(out.token, token_of(*text, origin));
  } else if (key == "proxy" && text) {
    out.proxy = *text;
  } else {
    return fail(Code::malformed, origin + ": expected endpoints = [...], token = \"...\" or proxy = \"...\"", path);
  }
  return {};
}

Expected<void> read_file(const std::string& path, FileLayer& files, HubOptions& out) try {
  const auto bytes = files.read(path, kMaxOptionsBytes);
  if (!bytes && bytes.error().code == Code::not_found) return {};
  HEED_TRY(bytes);
  const toml::table table = toml::parse(std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
  for (const auto& [key, node] : table) HEED_TRY(read_key(path, key.str(), node, out));
  struct stat status{};
  if (!out.token.empty() && (::stat(path.c_str(), &status) != 0 || (status.st_mode & 077) != 0))
    return fail(Code::unauthorized, path + ": holds a token and others may read it: run `chmod 600 " + path + "`",
                path);
  return {};
} catch (const toml::parse_error& error) {
  return fail(Code::malformed,
              path + ": line " + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
} catch (const std::exception& error) {
  return fail(Code::internal, path + ": " + error.what());
}

}  // namespace

Expected<HubOptions> read_hub_options(const std::string& home, FileLayer& files) {
  HubOptions out;
  HEED_TRY(read_file(home + "/hub.toml", files, out));
  if (const std::string endpoints = variable("HEED_HUB"); !endpoints.empty()) {
    const std::vector<std::string> before = out.endpoints;
    HEED_TRY(read_list(endpoints, out));
    if (before.empty() || out.endpoints.empty() || before[0] != out.endpoints[0]) out.token.clear();  // another hub's
  }
  if (const std::string token = variable("HEED_HUB_TOKEN"); !token.empty()) {
    HEED_ASSIGN(out.token, token_of(token, "HEED_HUB_TOKEN"));
  }
  if (out.endpoints.empty()) return fail(Code::malformed, "hub: no endpoint is configured", "hub");
  return out;
}

}  // namespace heed
