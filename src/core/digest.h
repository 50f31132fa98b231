// digest.h -- SHA-256 of bytes that arrive in pieces, and of whole files on many threads.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "core/expected.h"
#include "core/file.h"
#include "core/thread_pool.h"

struct evp_md_ctx_st;

namespace heed {

class Sha256 {
 public:
  static Expected<Sha256> make();
  Expected<void> add(std::span<const std::byte> bytes);
  /// 64 lower-case hexadecimal digits. Nothing may be added afterwards.
  Expected<std::string> finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// SHA-256 of the SHA-256 of each 8 MiB of the file: as hard to forge, computed in parallel. Pages are dropped as they
/// are read.
Expected<std::string> tree_sha256(const MappedFile& file, ThreadPool& pool);

}  // namespace heed
