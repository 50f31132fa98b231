// digest.h -- SHA-256 of bytes that arrive in pieces.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "core/expected.h"

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

}  // namespace heed
