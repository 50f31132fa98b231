// mutations.cc -- every parser on damaged files: they load or have an error, in bounded memory and time. Mutations
// of its seeds, then a seed cut off at every byte. HEED_MUTATIONS: mutated files a parser.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>

#include "tests/fuzz/mutator.h"
#include "tests/fuzz/parser.h"
#include "tests/unit/counted_bytes.h"

namespace heed::fuzz {
namespace {

constexpr std::int64_t kSlackBytes = 16 << 20;
constexpr int kMutations = 1000;
constexpr std::size_t kMostCutBytes = 20'000;
constexpr unsigned kHangSeconds = 60;

std::string_view current;  // what is being read, kept where a crash finds it

/// Sanitizers abort (ASAN_OPTIONS=abort_on_error=1), broken promises do, and so does a read that takes too long.
void keep_current(int signal) {
  const char* path = std::getenv("HEED_CRASH_FILE");
  if (std::FILE* file = path && !current.empty() ? std::fopen(path, "wb") : nullptr) {
    std::fwrite(current.data(), 1, current.size(), file);
    std::fclose(file);
  }
  std::signal(signal, SIG_DFL);
  ::raise(signal);
}

int wished_mutations() {
  const char* wish = std::getenv("HEED_MUTATIONS");
  return wish != nullptr ? std::atoi(wish) : kMutations;
}

/// What a row of the table says.
struct Tally {
  std::int64_t mutated = 0, cut_off = 0, loaded = 0, peak_bytes = 0;
  double slowest_ms = 0;
};

class Mutations : public testing::TestWithParam<Parser> {
 protected:
  void SetUp() override {
    for (const int signal : {SIGABRT, SIGALRM, SIGSEGV}) std::signal(signal, keep_current);
    seeds_ = parser_.seeds();
    for (const std::string& seed : seeds_) {  // tables that are made once are not the files'
      current = seed;
      const bool is_loaded = parser_.read(seed);
      EXPECT_TRUE(is_loaded || has_odd_seeds()) << "a seed does not load: " << seed.substr(0, 200);
    }
  }
  void TearDown() override { ::alarm(0); }

  /// Templates may raise errors by design.
  bool has_odd_seeds() const { return std::string_view(parser_.name) == "chat_template"; }

  /// The largest seed that is small enough to be read once for each of its bytes, else the smallest.
  const std::string& to_cut_off() const {
    const auto comes_before = [](const std::string& a, const std::string& b) {
      const bool is_small_a = a.size() <= kMostCutBytes, is_small_b = b.size() <= kMostCutBytes;
      return is_small_a != is_small_b ? is_small_a : is_small_a ? a.size() > b.size() : a.size() < b.size();
    };
    return *std::min_element(seeds_.begin(), seeds_.end(), comes_before);
  }

  void read(std::string_view bytes) {
    const auto exact = std::make_unique<char[]>(bytes.size());  // an overrun by one byte is seen
    if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
    current = {exact.get(), bytes.size()};
    ::alarm(kHangSeconds);
    const auto start = std::chrono::steady_clock::now();
    bool is_loaded = false;
    const std::int64_t used = peak_of([&] { is_loaded = parser_.read(current); });
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    tally_.slowest_ms = std::max(tally_.slowest_ms, took.count());
    tally_.peak_bytes = std::max(tally_.peak_bytes, used);
    tally_.loaded += is_loaded;
    const auto most = static_cast<std::int64_t>(bytes.size()) * parser_.memory_factor + kSlackBytes;
    require(used <= most, "memory is bounded by the file's size");
  }

  void print() const {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf("| %-16s | %7lld | %8lld | %7lld | %7d | %9.2f | %9.1f | %10ld |\n", parser_.name,
                static_cast<long long>(tally_.mutated), static_cast<long long>(tally_.cut_off),
                static_cast<long long>(tally_.loaded), 0, static_cast<double>(tally_.peak_bytes) / (1 << 20),
                tally_.slowest_ms, usage.ru_maxrss / 1024);
    std::fflush(stdout);
  }

  const Parser& parser_ = GetParam();
  std::vector<std::string> seeds_;
  Tally tally_;
};

TEST_P(Mutations, LoadOrHaveAnError) {
  Mutator mutator(20240607, seeds_);
  for (; tally_.mutated < wished_mutations(); ++tally_.mutated) read(mutator.next());
  EXPECT_GT(tally_.loaded, 0);
  EXPECT_LT(tally_.loaded, tally_.mutated);
  const std::string& seed = to_cut_off();
  for (; tally_.cut_off < static_cast<std::int64_t>(seed.size()); ++tally_.cut_off)
    read(std::string_view(seed).substr(0, static_cast<std::size_t>(tally_.cut_off)));
  print();
}

INSTANTIATE_TEST_SUITE_P(Parsers, Mutations, testing::ValuesIn(parsers()), [](const auto& row) {
  std::string name = row.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
}  // namespace heed::fuzz
