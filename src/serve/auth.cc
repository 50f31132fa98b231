// auth.cc -- digests by OpenSSL.
#include "serve/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>

namespace heed {
namespace {

using Digest = std::array<unsigned char, 32>;
constexpr std::string_view kDigestPrefix = "sha256:";
constexpr std::size_t kMinKeyBytes = 4;

Digest sha256(std::string_view text) {
  Digest digest{};
  unsigned int length = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr);
  return digest;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::optional<Digest> parse_digest(std::string_view hex) {
  Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return digest;
}

std::string short_hex(const Digest& digest) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    out.push_back(kHex[digest[i] >> 4]);
    out.push_back(kHex[digest[i] & 15]);
  }
  return out;
}

std::string_view offered_key(const HttpRequest& request) {
  if (const std::string* header = request.header("authorization"); header != nullptr) {
    constexpr std::string_view kScheme = "bearer ";
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b; };
    const bool is_bearer =
        header->size() > kScheme.size() && std::equal(kScheme.begin(), kScheme.end(), header->begin(),
                                                      [&](char want, char came) { return same(came, want); });
    return is_bearer ? std::string_view(*header).substr(kScheme.size()) : std::string_view();
  }
  const std::string* header = request.header("x-api-key");
  return header == nullptr ? std::string_view() : std::string_view(*header);
}

}  // namespace

Expected<Authenticator> Authenticator::make(const std::vector<std::string>& keys) {
  Authenticator made;
  if (RAND_bytes(made.secret_.data(), static_cast<int>(made.secret_.size())) != 1) {
    return fail(Code::internal, "api keys: the system gave no random bytes");
  }
  for (const std::string& key : keys) {
    const bool is_digest = key.starts_with(kDigestPrefix);
    const std::optional<Digest> digest =
        is_digest ? parse_digest(std::string_view(key).substr(kDigestPrefix.size())) : sha256(key);
    if (!digest) return fail(Code::invalid_argument, "api keys: sha256: expected 64 lower-case hex digits", "api_key");
    const bool is_visible = std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (key.size() < kMinKeyBytes || !is_visible) {
      return fail(Code::invalid_argument,
                  "api keys: expected at least 4 visible ASCII characters, for instance of `openssl rand -hex 32`",
                  "api_key");
    }
    made.entries_.push_back({made.keyed(*digest), short_hex(*digest)});
  }
  return made;
}

Authenticator::Digest Authenticator::keyed(const Digest& digest) const {
  Digest out{};
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), digest.data(), digest.size(), out.data(),
       &length);
  return out;
}

std::optional<std::string> Authenticator::tenant(const HttpRequest& request) const {
  if (is_open()) return std::string();
  const std::string_view key = offered_key(request);
  if (key.empty()) return std::nullopt;
  const Digest offered = keyed(sha256(key));
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {  // all of them, always
    if (CRYPTO_memcmp(entry.digest.data(), offered.data(), offered.size()) == 0) found = &entry;
  }
  if (found == nullptr) return std::nullopt;
  return found->tenant;
}

std::vector<std::string> parse_key_lines(std::string_view text) {
  std::vector<std::string> keys;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!line.empty() && line.front() != '#') keys.emplace_back(line);
  }
  return keys;
}

}  // namespace heed
