// gguf_mutations_test.cc -- seeded structural mutations of small GGUF files: loaded or a named error, memory bounded.
// HEED_MUTATIONS sets how many (default 20000); `make fuzz` runs 100000 under ASan and UBSan.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <new>
#include <random>

#include "formats/gguf.h"
#include "tests/unit/formats/gguf_builder.h"

namespace {
std::atomic<std::int64_t> live_bytes{0}, peak_bytes{0};

void* counted(std::size_t n) {
  void* p = std::malloc(n == 0 ? 1 : n);
  if (p == nullptr) throw std::bad_alloc();
  const std::int64_t live = live_bytes += static_cast<std::int64_t>(::malloc_usable_size(p));
  std::int64_t peak = peak_bytes;
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return p;
}

void uncounted(void* p) noexcept {
  if (p == nullptr) return;
  live_bytes -= static_cast<std::int64_t>(::malloc_usable_size(p));
  std::free(p);
}
}  // namespace

// Every allocation of this test program is counted: the parser's promise is about its peak.
void* operator new(std::size_t n) { return counted(n); }
void* operator new[](std::size_t n) { return counted(n); }
void operator delete(void* p) noexcept { uncounted(p); }
void operator delete[](void* p) noexcept { uncounted(p); }
void operator delete(void* p, std::size_t) noexcept { uncounted(p); }
void operator delete[](void* p, std::size_t) noexcept { uncounted(p); }

namespace heed {
namespace {

using namespace testing_gguf;

constexpr std::int64_t kSlackBytes = 16 << 20;

class Mutator {
 public:
  explicit Mutator(std::uint32_t seed) : random_(seed) {}

  std::vector<std::byte> mutated(const std::vector<GgufBuilder>& seeds) {
    const GgufBuilder& seed = seeds[below(seeds.size())];
    std::vector<std::byte> bytes = seed.bytes();
    const std::size_t edits = 1 + below(3);
    for (std::size_t i = 0; i < edits && !bytes.empty(); ++i) edit(seed, seeds, bytes);
    return bytes;
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  std::uint64_t nasty(std::uint64_t old) {
    const std::uint64_t values[] = {0,
                                    1,
                                    2,
                                    old + 1,
                                    old - 1,
                                    old * 2,
                                    old << 32,
                                    31,
                                    33,
                                    255,
                                    65536,
                                    1u << 20,
                                    0x7FFFFFFF,
                                    0x80000000,
                                    0xFFFFFFFF,
                                    1ull << 40,
                                    1ull << 62,
                                    ~0ull >> 1,
                                    1ull << 63,
                                    ~0ull,
                                    ~31ull,
                                    random_(),
                                    random_() << 32 | random_(),
                                    below(14),
                                    below(40)};
    return values[below(std::size(values))];
  }

  void edit(const GgufBuilder& seed, const std::vector<GgufBuilder>& seeds, std::vector<std::byte>& bytes) {
    switch (below(8)) {
      case 0:
        bytes[below(bytes.size())] ^= static_cast<std::byte>(1u << below(8));
        return;
      case 1:
        bytes.resize(below(bytes.size() + 1));
        return;
      case 2:
        return copy_range(bytes);
      case 3:
        return splice(seeds[below(seeds.size())].bytes(), bytes);
      case 4:
        bytes.resize(bytes.size() + below(256));
        return;
      default:
        return edit_field(seed.marks()[below(seed.marks().size())], bytes);
    }
  }

  void edit_field(const Mark& mark, std::vector<std::byte>& bytes) {
    if (mark.at + mark.width > bytes.size() || mark.width == 0) return;
    if (mark.width > 8 || mark.field == Field::key) {  // a text: one byte of it, or another field's text over it
      bytes[mark.at + below(mark.width)] = static_cast<std::byte>(random_());
      return;
    }
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + mark.at, mark.width);
    value = nasty(value);
    std::memcpy(bytes.data() + mark.at, &value, mark.width);
  }

  // Duplicates a stretch in place: keys and tensors appear twice, everything after moves.
  void copy_range(std::vector<std::byte>& bytes) {
    const std::size_t begin = below(bytes.size());
    const std::size_t length = std::min(1 + below(64), bytes.size() - begin);
    const std::vector<std::byte> piece(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(begin + length));
    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(begin), piece.begin(), piece.end());
  }

  void splice(const std::vector<std::byte>& other, std::vector<std::byte>& bytes) {
    const std::size_t at = below(std::min(bytes.size(), other.size()));
    bytes.resize(at);
    bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(at), other.end());
  }

  std::mt19937_64 random_;
};

// Reads every byte that a loaded file offers: a wrong view is a sanitizer's finding.
unsigned touch(const GgufFile& file) {
  unsigned sum = 0;
  for (const NamedTensor& named : file.tensors()) {
    EXPECT_EQ(file.find(named.name), &named.tensor);
    for (std::int64_t i = 0; i < named.tensor.bytes(); ++i) sum += static_cast<unsigned>(named.tensor.data[i]);
  }
  return sum;
}

int wished_mutations() {
  const char* wish = std::getenv("HEED_MUTATIONS");
  return wish != nullptr ? std::atoi(wish) : 20'000;
}

TEST(GgufMutations, AreLoadedOrNamedInBoundedMemory) {
  const int count = wished_mutations();
  std::vector<GgufBuilder> seeds;
  for (const std::uint32_t version : {1u, 2u, 3u})
    for (const GgufBuilder& seed : {every_value(version), every_tensor(version), small_model(version)})
      seeds.push_back(seed);
  std::map<std::string, int> outcomes;
  std::int64_t worst_bytes = 0;
  unsigned sum = 0;
  Mutator mutator(20240607);
  for (int i = 0; i < count; ++i) {
    const std::vector<std::byte> bytes = mutator.mutated(seeds);
    const std::int64_t before = live_bytes;
    peak_bytes = before;
    const auto file = GgufFile::parse(bytes);
    const std::int64_t used = peak_bytes - before;
    worst_bytes = std::max(worst_bytes, used);
    ASSERT_LE(used, static_cast<std::int64_t>(bytes.size()) + kSlackBytes) << "mutation " << i;
    if (file) {
      sum += touch(*file);
      ++outcomes["loaded"];
      continue;
    }
    const Error& error = file.error();
    ASSERT_TRUE(error.code == Code::malformed || error.code == Code::unsupported || error.code == Code::too_long)
        << i << error.text;
    ASSERT_TRUE(error.text.starts_with("gguf: ")) << error.text;
    ++outcomes[code_name(error.code)];
  }
  std::cout << count << " mutated files, 0 crashes;";
  for (const auto& [name, n] : outcomes) std::cout << " " << name << " " << n;
  std::cout << "; most memory of one parse " << worst_bytes << " bytes (sum " << sum << ")\n";
  EXPECT_GT(outcomes["loaded"], 0);
  EXPECT_GT(outcomes["malformed"], count / 4);
}

// One part of three is mutated: a model, or an error that names it.
TEST(GgufMutations, OfPartsAreJoinedOrNamed) {
  const int count = wished_mutations();
  const std::vector<GgufBuilder> seeds = {split_part(0, 3, 3), split_part(1, 3, 3), split_part(2, 3, 3)};
  std::map<std::string, int> outcomes;
  unsigned sum = 0;
  Mutator mutator(20240608);
  for (int i = 0; i < count; ++i) {
    std::vector<std::vector<std::byte>> files;
    for (const GgufBuilder& seed : seeds) files.push_back(seed.bytes());
    files[static_cast<std::size_t>(i % 3)] = mutator.mutated({seeds[static_cast<std::size_t>(i % 3)]});
    std::vector<GgufFile> parts;
    for (const auto& bytes : files)
      if (auto part = GgufFile::parse(bytes)) parts.push_back(std::move(*part));
    const bool is_whole = parts.size() == 3;
    const auto file = GgufFile::join(std::move(parts));
    if (file) {
      ASSERT_TRUE(is_whole) << i;
      sum += touch(*file);
    } else {
      ASSERT_TRUE(file.error().code == Code::malformed) << i << file.error().text;
    }
    ++outcomes[file ? "joined" : is_whole ? "refused together" : "refused alone"];
  }
  std::cout << count << " mutated parts, 0 crashes;";
  for (const auto& [name, n] : outcomes) std::cout << " " << name << " " << n;
  std::cout << " (sum " << sum << ")\n";
  EXPECT_GT(outcomes["joined"], 0);
  EXPECT_GT(outcomes["refused together"], 0);
}

TEST(GgufMutations, TheBudgetHoldsForTheWorstFiles) {
  // The densest legal content: each of these decodes to many times its size.
  const auto measure = [](const GgufBuilder& b) {
    const std::int64_t before = live_bytes;
    peak_bytes = before;
    const auto file = GgufFile::parse(b.bytes());
    EXPECT_LE(peak_bytes - before, static_cast<std::int64_t>(b.bytes().size()) + kSlackBytes);
    return static_cast<bool>(file);
  };
  GgufBuilder keys;
  keys.header(0, 400'000);
  for (int i = 0; i < 400'000; ++i) keys.scalar(std::to_string(i), kU8, std::uint8_t{0});
  EXPECT_FALSE(measure(keys));
  GgufBuilder texts;
  texts.header(0, 1).array("k", kString, 400'000);
  for (int i = 0; i < 400'000; ++i) texts.item("sixteen bytes ok");
  EXPECT_TRUE(measure(texts));
  GgufBuilder bytes;
  bytes.header(0, 1).array("k", kI8, 1'900'000).data(1'900'000);
  EXPECT_TRUE(measure(bytes));
  GgufBuilder tensors;
  tensors.header(100'000, 0);
  for (int i = 0; i < 100'000; ++i) tensors.tensor(std::to_string(i), {1}, 24, static_cast<std::uint64_t>(i) * 32);
  tensors.align().data(3'200'000);
  EXPECT_TRUE(measure(tensors));
}

}  // namespace
}  // namespace heed
