// assembly.h -- a model file on its way: `STEM.partial` is always a prefix of the final file, whichever source wrote
// it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/digest.h"
#include "core/expected.h"
#include "core/file.h"
#include "store/blobs.h"
#include "store/store.h"

namespace heed {

class Assembly {
 public:
  /// Opens `stem`.partial, hashing what an earlier try left there (without a hash to check it against: begins anew).
  /// `keep_going(done)` false cancels.
  static Expected<Assembly> open(FileLayer& files, const CatalogEntry& entry, const std::string& stem,
                                 const std::function<bool(std::int64_t)>& keep_going);

  std::int64_t bytes() const noexcept { return bytes_; }
  std::int64_t bytes_left() const noexcept { return entry_->size_bytes - bytes_; }
  /// True after an append of more bytes than the catalogue promises: these are not the file's.
  bool is_too_long() const noexcept { return is_too_long_; }
  Expected<void> append(std::span<const std::byte> bytes);
  Expected<void> sync();
  /// Forgets every byte: what came was not the file.
  Expected<void> restart();
  /// Checks size and hash, then moves the file to `place(hash)`; returns the hash. A wrong file is removed.
  Expected<std::string> finish(const std::function<std::string(const std::string& sha256)>& place);

 private:
  FileLayer* files_ = nullptr;
  const CatalogEntry* entry_ = nullptr;
  std::string partial_;
  std::unique_ptr<OutputFile> out_;
  Sha256 digest_;
  std::int64_t bytes_ = 0;
  bool is_too_long_ = false;
};

/// The hash of a whole file, mapped a piece at a time.
Expected<std::string> file_sha256(FileLayer& files, const std::string& path,
                                  const std::function<bool(std::int64_t)>& keep_going);

/// Copies `source`, whose hash is the entry's, to its blob; a copy that stopped is continued.
Expected<void> copy_file(FileLayer& files, const std::string& source, const CatalogEntry& entry, const Blobs& blobs,
                         const Store::OnProgress& progress);

}  // namespace heed
