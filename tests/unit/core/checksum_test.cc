// checksum_test.cc -- values that lie on disk stay, every flipped bit shows; digests of files do not depend on threads.
#include "core/checksum.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include "core/digest.h"

namespace heed {
namespace {

std::vector<std::byte> counted(std::size_t n) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i * 7 + 1);
  return bytes;
}

TEST(Checksum, ValuesOnDiskStay) {
  EXPECT_EQ(checksum({}), 0xfaa18de1403f743bu);
  EXPECT_EQ(checksum(counted(1)), 0xa443db85cb8441eau);
  EXPECT_EQ(checksum(counted(1000)), 0xaf135ab9203aa02du);
}

TEST(Checksum, EveryBitAndEveryLengthCounts) {
  std::set<std::uint64_t> seen;
  std::size_t sums = 0;
  for (std::size_t n = 0; n < 200; ++n, ++sums) seen.insert(checksum(std::vector<std::byte>(n)));
  std::vector<std::byte> bytes = counted(199);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit, ++sums) {
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    seen.insert(checksum(bytes));
    bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }
  EXPECT_EQ(seen.size(), sums);
}

TEST(Checksum, AFilesDigestIsThatOfItsBytes) {
  const std::string path = std::filesystem::temp_directory_path() / ("heed_digest_" + std::to_string(::getpid()));
  std::vector<std::byte> bytes = counted((std::size_t{16} << 20) + 5);  // three pieces
  const auto digest = [&](int threads) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    ThreadPool pool(threads);
    const auto file = system_files().map(path);
    return *tree_sha256(*file, pool);
  };
  const std::string first = digest(1);
  EXPECT_EQ(first.size(), 64u);
  EXPECT_EQ(first, digest(3));
  for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(first, digest(2)) << at;
    bytes[at] ^= std::byte{1};
  }
  std::swap(bytes[0], bytes[(std::size_t{8} << 20) + 1]);  // of two pieces
  EXPECT_NE(first, digest(2));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace heed
