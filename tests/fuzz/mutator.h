// mutator.h -- seeded damage to files of any format: bits, stretches, the numbers and texts that binary and text
// formats keep. A seed and a count give the same files everywhere.
#pragma once
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace heed::fuzz {

class Mutator {
 public:
  Mutator(std::uint32_t seed, std::span<const std::string> seeds) : random_(seed), seeds_(seeds) {}

  std::string next() {
    std::string bytes = any_seed();
    const bool is_text = bytes.find('\0') > kHead / 64 || bytes.find('"') < kHead / 64;
    for (std::size_t edits = 1 + (below(2) == 0 ? 0 : below(4)); edits-- > 0;) {
      if (is_text && below(2) == 0)
        edit_text(bytes, place(bytes));
      else
        edit(bytes);
    }
    return bytes;
  }

 private:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random_() % n); }
  const std::string& any_seed() { return seeds_[below(seeds_.size())]; }

  /// A place: heads of files, which say what all else is, are hit as often as the rest.
  std::size_t place(const std::string& bytes) {
    return below(below(2) == 0 ? std::min(bytes.size(), kHead) : bytes.size());
  }

  void edit(std::string& bytes) {
    if (bytes.empty()) return bytes.push_back(static_cast<char>(random_()));
    const std::size_t at = place(bytes), length = std::min(1 + below(64), bytes.size() - at);
    switch (below(11)) {
      case 0:
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1u << below(8)));
        return;
      case 1:
        bytes[at] = static_cast<char>(random_());
        return;
      case 2:
        bytes.resize(below(4) == 0 ? at : bytes.size() - below(std::min<std::size_t>(bytes.size(), 64)));
        return;
      case 3:
        bytes.append(below(256), static_cast<char>(below(2) == 0 ? 0 : random_()));
        return;
      case 4:  // twice in place: keys and entries repeat, everything behind moves
        bytes.insert(at, bytes.substr(at, length));
        return;
      case 5:
        bytes.erase(at, length);
        return;
      case 6:
        bytes.insert(place(bytes), bytes.substr(at, length));
        return;
      case 7: {
        const std::string& other = any_seed();
        return bytes.replace(at, std::string::npos, other, std::min(at, other.size()), std::string::npos), void();
      }
      case 8:
        return edit_text(bytes, at);
      default:
        return change_integer(bytes, at);
    }
  }

  void edit_text(std::string& bytes, std::size_t at) {
    switch (below(4)) {
      case 0:
        return swap_lines(bytes, at);
      case 1:
        return change_text(bytes, at);
      default:
        return change_number(bytes, at);
    }
  }

  /// 1, 2, 4 or 8 bytes as a binary format keeps a count, a length or an offset.
  void change_integer(std::string& bytes, std::size_t at) {
    const std::size_t width = std::size_t{1} << below(4);
    if (below(2) == 0) at = at / 4 * 4;
    if (at + width > bytes.size()) return;
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, width);
    value = nasty(value);
    std::memcpy(bytes.data() + at, &value, width);
  }

  std::uint64_t nasty(std::uint64_t old) {
    const std::uint64_t values[] = {0,          1,          2,          old + 1,    old - 1,    old * 2,    old << 32,
                                    31,         33,         255,        65536,      1u << 20,   0x7FFFFFFF, 0x80000000,
                                    0xFFFFFFFF, 1ull << 40, 1ull << 62, ~0ull >> 1, 1ull << 63, ~0ull,      ~31ull,
                                    random_(),  below(14),  below(40),  0x7F800000, 0x7FC00000};
    return values[below(std::size(values))];
  }

  /// The decimal number at `at` or soon behind it.
  void change_number(std::string& bytes, std::size_t at) {
    static constexpr const char* kNumbers[] = {"0",
                                               "-1",
                                               "1",
                                               "2",
                                               "3",
                                               "1e308",
                                               "1e400",
                                               "-1e-320",
                                               "0.5",
                                               "1e1000000000",
                                               "64",
                                               "-0",
                                               "null",
                                               "65536",
                                               "1048577",
                                               "2147483647",
                                               "-2147483649",
                                               "4294967296",
                                               "9223372036854775807",
                                               "-9223372036854775808",
                                               "18446744073709551615",
                                               "18446744073709551616",
                                               "99999999999999999999999999",
                                               "\"7\"",
                                               "[]",
                                               "true"};
    const std::size_t begin = bytes.find_first_of("0123456789", at);
    if (begin == std::string::npos) return change_integer(bytes, at);
    const std::size_t end = std::min(bytes.find_first_not_of("0123456789.eE+-", begin), bytes.size());
    bytes.replace(begin, end - begin, kNumbers[below(std::size(kNumbers))]);
  }

  /// The quoted text at `at` or soon behind it becomes another one of the file, or an odd one.
  void change_text(std::string& bytes, std::size_t at) {
    static const std::string kOdd[] = {"",
                                       " ",
                                       "\\",
                                       "\\u0000",
                                       "\\ud800",
                                       "\xFF",
                                       "\xC3\x28",
                                       "</s>",
                                       "{{",
                                       "%}",
                                       "../../x",
                                       "a b",
                                       "(?:a*)*b",
                                       "[^",
                                       "\\p{L}",
                                       "\xE2\x96\x81",
                                       std::string(300, 'x'),
                                       std::string("\0", 1)};
    const std::size_t begin = bytes.find('"', at);
    if (begin == std::string::npos) return bytes.insert(at, kOdd[below(std::size(kOdd))]), void();
    const std::size_t end = bytes.find('"', begin + 1);
    if (end == std::string::npos) return;
    bytes.replace(begin + 1, end - begin - 1, below(2) == 0 ? kOdd[below(std::size(kOdd))] : quoted(bytes));
  }

  std::string quoted(const std::string& bytes) {
    const std::size_t begin = bytes.find('"', below(bytes.size()));
    if (begin == std::string::npos) return "";
    const std::size_t end = bytes.find('"', begin + 1);
    return bytes.substr(begin + 1, end == std::string::npos ? 0 : std::min<std::size_t>(end - begin - 1, 256));
  }

  static void swap_lines(std::string& bytes, std::size_t at) {
    const std::size_t first = bytes.find('\n', at);
    if (first == std::string::npos)
      return std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                          bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + 16, bytes.size())));
    const std::size_t second = std::min(bytes.find('\n', first + 1), bytes.size());
    const std::string line = bytes.substr(first, second - first);
    bytes.erase(first, second - first);
    bytes.insert(at, line);
  }

  static constexpr std::size_t kHead = 4096;
  std::mt19937_64 random_;
  std::span<const std::string> seeds_;
};

}  // namespace heed::fuzz
