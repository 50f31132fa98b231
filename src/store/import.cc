// import.cc -- the places, and the suspicion they are read with.
#include "store/import.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxEntries = 10'000;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

/// Whether `path`, links followed, lies below `root`, links followed.
bool is_inside(const std::string& root, const std::string& path) {
  std::error_code first, second;
  const std::string top = fs::canonical(root, first).string() + "/", place = fs::canonical(path, second).string();
  return !first && !second && place.starts_with(top);
}

std::vector<std::string> entries_of(const std::string& directory, fs::file_type type) {
  std::vector<std::string> out;
  std::error_code error;
  fs::directory_iterator it(directory, error), end;
  for (; !error && it != end && out.size() < kMaxEntries; it.increment(error)) {
    std::error_code ignored;
    const std::string name = it->path().filename().string();
    if (name[0] != '.' && it->symlink_status(ignored).type() == type) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool has_magic(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  return file.read(magic, sizeof magic) && std::memcmp(magic, "GGUF", sizeof magic) == 0;
}

}  // namespace

std::int64_t FoundModel::bytes() const {
  std::int64_t sum = 0;
  for (const FoundFile& file : files) sum += file.bytes;
  return sum;
}

std::vector<std::string> directories_in(const std::string& directory) {
  return entries_of(directory, fs::file_type::directory);
}

std::vector<std::string> files_in(const std::string& directory) {
  return entries_of(directory, fs::file_type::regular);
}

std::string small_text(const std::string& root, const std::string& path, std::size_t max_bytes, FileLayer& files) {
  std::error_code ignored;
  if (!is_inside(root, path) || !fs::is_regular_file(path, ignored)) return {};
  const auto bytes = files.read(path, max_bytes);
  return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "";
}

std::string problem_of(const std::string& root, const std::string& path, std::int64_t bytes, FileLayer& files) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return "its file is not there";
  if (!is_inside(root, path)) return "its file lies outside of " + root;
  if (!fs::is_regular_file(path, ignored)) return "its file is no regular file";
  const auto size = files.size(path);
  if (!size) return size.error().text;
  if (bytes >= 0 && *size != bytes)
    return "its file has " + std::to_string(*size) + " bytes, " + std::to_string(bytes) + " are promised";
  return has_magic(path) ? "" : "its file is no GGUF file";
}

ImportPlaces usual_import_places() {
  const std::string home = environment("HOME");
  const auto or_else = [&](const std::string& given, const std::string& usual) {
    return given.empty() ? home + usual : given;
  };
  ImportPlaces places{.ollama = or_else(environment("OLLAMA_MODELS"), "/.ollama/models"),
                      .llama_cpp = or_else(environment("LLAMA_CACHE"), "/.cache/llama.cpp")};
  std::error_code ignored;
  const std::string service = "/usr/share/ollama/.ollama/models";  // where it runs as a system service
  if (environment("OLLAMA_MODELS").empty() && !fs::exists(places.ollama, ignored) && fs::exists(service, ignored))
    places.ollama = service;
  const std::string hub_home = or_else(environment("HF_HOME"), "/.cache/huggingface");
  const std::string hub_cache = environment("HF_HUB_CACHE");
  places.hub_cache = hub_cache.empty() ? hub_home + "/hub" : hub_cache;
  return places;
}

std::vector<FoundModel> find_models(const ImportPlaces& places, FileLayer& files) {
  std::vector<FoundModel> out;
  find_ollama(places.ollama, files, out);
  find_llama_cpp(places.llama_cpp, files, out);
  find_hub_cache(places.hub_cache, files, out);
  return out;
}

}  // namespace heed
