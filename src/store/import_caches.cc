// import_caches.cc -- llama.cpp's cache (OWNER_REPO_FILE.gguf beside manifest=OWNER=REPO=TAG.json) and the hub's own
// (models--OWNER--REPO/snapshots/COMMIT/FILE, a link to ../../blobs/SHA256).
#include <algorithm>
#include <filesystem>
#include <map>

#include "store/blobs.h"
#include "store/hub_name.h"
#include "store/import.h"
#include "store/json_limits.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20;
constexpr int kMaxDepth = 6;

std::string problem_of_parts(const std::string& root, const std::vector<FoundFile>& parts, FileLayer& files) {
  for (const FoundFile& part : parts)
    if (std::string problem = problem_of(root, part.path, -1, files); !problem.empty()) return problem;
  return {};
}

/// Models of one repository, from its files here: path in the repository -> where it lies, its hash.
void add_repository(const std::string& origin, const std::string& root, const HubName& repository,
                    const std::map<std::string, FoundFile>& here, FileLayer& files, std::vector<FoundModel>& out) {
  std::vector<HubFile> list;
  for (const auto& [path, file] : here) list.push_back({.path = path, .bytes = file.bytes, .sha256 = file.sha256});
  for (const HubChoice& choice : choices_of(std::move(list))) {
    FoundModel model{.origin = origin};
    HubName name = repository;
    name.file = choice.file;
    model.name = name.text();
    for (const HubFile& part : choice.parts) {
      model.files.push_back(here.at(part.path));
      model.files.back().target = repository.directory() + "/" + part.path;
    }
    model.problem = parse_hub_name(name.text()) ? problem_of_parts(root, model.files, files)
                                                : std::string("its name is not possible here");
    out.push_back(std::move(model));
  }
}

std::string flat(std::string path) {
  std::replace(path.begin(), path.end(), '/', '_');
  return path;
}

struct Manifest {
  HubName repository;
  std::string file, sha256;  // the file it is about, flat
};

std::vector<Manifest> manifests_of(const std::string& root, const std::vector<std::string>& names, FileLayer& files) {
  std::vector<Manifest> out;
  for (const std::string& name : names) {
    const std::string prefix = "manifest=";
    if (!name.starts_with(prefix) || !name.ends_with(".json")) continue;
    const std::size_t first = prefix.size(), second = name.find('=', first);
    const std::size_t third = second == std::string::npos ? second : name.find('=', second + 1);
    if (third == std::string::npos) continue;
    const auto repository =
        parse_hub_name(name.substr(first, second - first) + "/" + name.substr(second + 1, third - second - 1));
    const auto json = parse_bounded(small_text(root, root + "/" + name, kMaxTextBytes, files));
    if (!repository || !json || !json->is_object()) continue;
    Manifest manifest{.repository = *repository};
    if (const auto file = json->find("ggufFile"); file != json->end() && file->is_object()) {
      manifest.file = flat(text_in(*file, "rfilename"));
      if (file->contains("lfs")) manifest.sha256 = text_in(*file->find("lfs"), "sha256");
    }
    out.push_back(std::move(manifest));
  }
  return out;
}

/// The hash that the server gave with the file, kept beside it; empty when it is none.
std::string noted_sum(const std::string& root, const std::string& path, FileLayer& files) {
  std::string text = small_text(root, path + ".etag", 1024, files);
  if (text.empty()) {
    const auto json = parse_bounded(small_text(root, path + ".json", kMaxTextBytes, files));
    if (json) text = text_in(*json, "etag");
  }
  std::erase_if(text, [](char c) { return c == '"' || c == '\n'; });
  return is_sha256(text) ? text : "";
}

FoundFile found_file(const std::string& path, const std::string& sha256, FileLayer& files) {
  const auto size = files.size(path);
  return {.path = path, .bytes = size ? *size : 0, .sha256 = is_sha256(sha256) ? sha256 : ""};
}

/// The name that the branch of a commit has: "main" before others, else the commit's own.
std::string revision_of(const std::string& root, const std::string& place, const std::string& commit,
                        FileLayer& files) {
  std::string found = commit;
  for (const std::string& ref : files_in(place + "/refs")) {
    std::string text = small_text(root, place + "/refs/" + ref, 256, files);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (text == commit && found != "main") found = ref;
  }
  return found;
}

/// Every *.gguf below a snapshot; links are what it is made of, so only directories are not followed.
std::map<std::string, FoundFile> snapshot_files(const std::string& snapshot, FileLayer& files) {
  std::map<std::string, FoundFile> out;
  std::error_code error;
  fs::recursive_directory_iterator it(snapshot, error), end;
  for (; !error && it != end; it.increment(error)) {
    if (it.depth() >= kMaxDepth) it.disable_recursion_pending();
    const std::string path = it->path().string();
    std::error_code ignored;
    if (!path.ends_with(".gguf") || it->is_directory(ignored)) continue;
    const fs::path target = fs::read_symlink(path, ignored);
    out[path.substr(snapshot.size() + 1)] = found_file(path, target.filename().string(), files);
  }
  return out;
}

}  // namespace

void find_llama_cpp(const std::string& root, FileLayer& files, std::vector<FoundModel>& out) {
  const std::vector<std::string> names = files_in(root);
  std::map<std::string, std::map<std::string, FoundFile>> repositories;
  const std::vector<Manifest> manifests = manifests_of(root, names, files);
  for (const std::string& name : names) {
    if (!name.ends_with(".gguf")) continue;
    const auto owner = std::find_if(manifests.begin(), manifests.end(), [&](const Manifest& manifest) {
      return name.starts_with(flat(manifest.repository.repository()) + "_");
    });
    FoundFile file = found_file(root + "/" + name, noted_sum(root, root + "/" + name, files), files);
    if (owner != manifests.end()) {
      const std::string inner = name.substr(owner->repository.repository().size() + 1);
      if (file.sha256.empty() && inner == owner->file && is_sha256(owner->sha256)) file.sha256 = owner->sha256;
      repositories[owner->repository.repository()][inner] = std::move(file);
      continue;
    }
    file.target = name;
    FoundModel model{.origin = "llama.cpp", .name = name.substr(0, name.size() - 5), .files = {std::move(file)}};
    model.problem = split_part_of(name) ? "it is a part of a split model of no known repository"
                                        : problem_of(root, model.files.front().path, -1, files);
    out.push_back(std::move(model));
  }
  for (const auto& [repository, here] : repositories)
    add_repository("llama.cpp", root, *parse_hub_name(repository), here, files, out);
}

void find_hub_cache(const std::string& root, FileLayer& files, std::vector<FoundModel>& out) {
  for (const std::string& name : directories_in(root)) {
    const std::string prefix = "models--", place = root + "/" + name;
    const std::size_t middle = name.find("--", prefix.size());
    if (!name.starts_with(prefix) || middle == std::string::npos) continue;
    const std::string repository = name.substr(prefix.size(), middle - prefix.size()) + "/" + name.substr(middle + 2);
    for (const std::string& commit : directories_in(place + "/snapshots")) {
      const auto whole = parse_hub_name(repository + "@" + revision_of(root, place, commit, files));
      if (whole)
        add_repository("hub cache", root, *whole, snapshot_files(place + "/snapshots/" + commit, files), files, out);
    }
  }
}

}  // namespace heed
