// digest.cc -- SHA-256 by OpenSSL.
#include "core/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

namespace heed {

namespace {

Expected<std::string> sha256_of(std::span<const std::byte> bytes) {
  HEED_ASSIGN(Sha256 digest, Sha256::make());
  HEED_TRY(digest.add(bytes));
  return digest.finish();
}

}  // namespace

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

Expected<std::string> tree_sha256(const MappedFile& file, ThreadPool& pool) {
  constexpr std::size_t kPieceBytes = std::size_t{8} << 20;
  const std::span<const std::byte> bytes = file.bytes();
  std::vector<std::string> leaves((bytes.size() + kPieceBytes - 1) / kPieceBytes);
  pool.parallel_for(static_cast<std::int64_t>(leaves.size()), 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const auto piece = bytes.subspan(i * kPieceBytes, std::min(kPieceBytes, bytes.size() - i * kPieceBytes));
      if (auto digest = sha256_of(piece)) leaves[i] = *std::move(digest);
      file.drop_pages(piece);
    }
  });
  std::string joined = std::to_string(bytes.size());
  for (const std::string& leaf : leaves) {
    if (leaf.empty()) return fail(Code::internal, "sha256: OpenSSL gave no digest");
    joined += " " + leaf;
  }
  return sha256_of(std::as_bytes(std::span(joined)));
}

}  // namespace heed
