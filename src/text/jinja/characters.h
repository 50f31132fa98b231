// characters.h -- UTF-8 as Python's str sees it: characters, white space, letter case. Never fails on broken bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heed::jinja {

/// One character: its code point and its bytes. A byte that breaks UTF-8 is one character by itself (0xDC80 + byte).
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;
};

Character character_at(std::string_view text, std::size_t offset) noexcept;
/// The character that ends at `end` (end > 0).
Character character_before(std::string_view text, std::size_t end) noexcept;
std::size_t character_count(std::string_view text) noexcept;
/// The byte offset of the character with this index; text.size() past the end.
std::size_t character_offset(std::string_view text, std::size_t index) noexcept;
/// Offsets of all characters and the end: [character_count + 1].
std::vector<std::uint32_t> character_offsets(std::string_view text);

bool is_space(std::uint32_t code) noexcept;  // str.isspace
bool is_digit(std::uint32_t code) noexcept;  // str.isdigit, for decimal digits
bool is_letter(std::uint32_t code) noexcept;
bool is_upper(std::uint32_t code) noexcept;
bool is_lower(std::uint32_t code) noexcept;
bool is_printable(std::uint32_t code) noexcept;
std::uint32_t upper_of(std::uint32_t code) noexcept;
std::uint32_t lower_of(std::uint32_t code) noexcept;
std::uint32_t title_of(std::uint32_t code) noexcept;
void append_utf8(std::string& out, std::uint32_t code);

struct Range {
  std::size_t from = 0;
  std::size_t to = 0;
};
/// What remains without characters of `set` (white space when `any_space`) on the left and on the right.
struct StripOptions {
  bool left = true;
  bool right = true;
  bool any_space = true;
  std::string_view set = {};
};
Range stripped(std::string_view text, const StripOptions& options);
/// Line ranges without their ends, as str.splitlines.
std::vector<Range> lines_of(std::string_view text);

/// Finds one needle again and again in linear time, whatever the two texts are (Knuth, Morris, Pratt for long needles).
class Searcher {
 public:
  explicit Searcher(std::string_view needle);
  /// Offset of the first occurrence at or after `from`, or npos. An empty needle is found at `from`.
  std::size_t next(std::string_view haystack, std::size_t from) const noexcept;

 private:
  std::string_view needle_;
  std::vector<std::uint32_t> fallback_;  // [needle size]; empty for short needles
};
/// Offset of the last occurrence, or npos; linear as well.
std::size_t find_last(std::string_view haystack, std::string_view needle);

}  // namespace heed::jinja
