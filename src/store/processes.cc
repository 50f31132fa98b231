// processes.cc -- who has a file mapped, as far as /proc tells.
#include <filesystem>
#include <fstream>

#include "store/blobs.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

bool has_mapped(const fs::path& process, const std::string& path) {
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);)
    if (line.ends_with(path) && line.size() > path.size() && line[line.size() - path.size() - 1] == ' ') return true;
  return false;
}

}  // namespace

std::vector<std::string> processes_using(const std::string& path) {
  std::vector<std::string> out;
  std::error_code error;
  const std::string whole = fs::canonical(path, error).string();
  if (error) return out;
  fs::directory_iterator it("/proc", error), end;
  for (; !error && it != end; it.increment(error)) {
    const std::string id = it->path().filename().string();
    if (id.find_first_not_of("0123456789") != std::string::npos || !has_mapped(it->path(), whole)) continue;
    std::string name;
    std::ifstream(it->path() / "comm") >> name;
    out.push_back(id + " (" + name + ")");
  }
  return out;
}

}  // namespace heed
