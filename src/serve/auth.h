// auth.h -- who is calling. Keys are held as keyed digests and compared in constant time.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "serve/http.h"

namespace heed {

class Authenticator {
 public:
  /// A key is text of at least 4 visible ASCII characters, or "sha256:" and 64 hex digits of its digest.
  static Expected<Authenticator> make(const std::vector<std::string>& keys);

  bool is_open() const noexcept { return entries_.empty(); }
  /// The tenant of the request's credential (`Authorization: Bearer K` or `x-api-key: K`); nothing when it has none
  /// that is known. Without keys everyone is the tenant "".
  std::optional<std::string> tenant(const HttpRequest& request) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest digest{};  // HMAC-SHA-256(secret of this process, SHA-256(key))
    std::string tenant;
  };
  Digest keyed(const Digest& digest) const;

  std::array<unsigned char, 32> secret_{};
  std::vector<Entry> entries_;
};

/// One key a line; empty lines and lines that start with # are skipped.
std::vector<std::string> parse_key_lines(std::string_view text);

}  // namespace heed
