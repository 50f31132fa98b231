// digest.cc -- SHA-256 by OpenSSL.
#include "store/digest.h"

#include <openssl/evp.h>

#include <array>

namespace heed {

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Expected<Sha256> Sha256::make() {
  Sha256 out;
  out.context_.reset(EVP_MD_CTX_new());
  if (!out.context_) return fail(Code::out_of_memory, "sha256: no memory for its state");
  if (EVP_DigestInit_ex(out.context_.get(), EVP_sha256(), nullptr) != 1)
    return fail(Code::internal, "sha256: OpenSSL has no SHA-256");
  return out;
}

Expected<void> Sha256::add(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1)
    return fail(Code::internal, "sha256: OpenSSL refused the bytes");
  return {};
}

Expected<std::string> Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_.get(), raw.data(), &size) != 1)
    return fail(Code::internal, "sha256: OpenSSL gave no digest");
  constexpr std::array<char, 17> kHex = {"0123456789abcdef"};
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += kHex[raw[i] >> 4];
    text += kHex[raw[i] & 15];
  }
  return text;
}

}  // namespace heed
