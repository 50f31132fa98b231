// byte_reader.h -- a cursor over hostile bytes: little-endian reads that refuse to pass the end, and a memory budget.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace heed {

/// True when `text` is well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF).
bool is_utf8(std::string_view text) noexcept;

/// `text` made fit for an error message: at most `limit` bytes, control and non-ASCII bytes as \xNN.
std::string printable(std::string_view text, std::size_t limit = 64);

/// A reader's error, which names the file from here on.
Error in_file(const std::string& path, Error error);

class ByteReader {
 public:
  ByteReader(std::string format, std::span<const std::byte> bytes) : format_(std::move(format)), bytes_(bytes) {}

  std::size_t at() const noexcept { return at_; }
  std::size_t left() const noexcept { return bytes_.size() - at_; }

  /// "FORMAT: what, at byte N".
  Error malformed(const std::string& what, std::size_t offset, std::string where = {}) const;
  Error unsupported(const std::string& what, std::size_t offset, std::string where = {}) const;
  Error too_long(const std::string& what, std::size_t offset, std::string where = {}) const;

  template <class T>
  Expected<T> read(const char* what) {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
    if (left() < sizeof(T)) return truncated(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  /// A count or length of 8 bytes, or of 4 after set_count_bytes(4).
  Expected<std::uint64_t> read_count(const char* what);
  std::uint64_t count_bytes() const noexcept { return count_bytes_; }
  void set_count_bytes(std::uint64_t bytes) noexcept { count_bytes_ = bytes; }
  /// The next `count` bytes as text; a view into the file.
  Expected<std::string_view> take(std::uint64_t count, const char* what);

 private:
  Error error(Code code, const std::string& what, std::size_t offset, std::string where) const;
  Error truncated(const char* what, std::uint64_t needed) const;

  std::string format_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::uint64_t count_bytes_ = 8;
};

/// What a parser may allocate: heap + bytes of the file it has touched <= file + the slack of promise 1 (16 MiB).
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t file_bytes) noexcept : limit_(file_bytes + kSlackBytes) {}
  /// Asks for `count` items of `bytes_each` heap, of which the file holds `file_end` bytes so far.
  Expected<void> charge(const ByteReader& reader, std::uint64_t count, std::uint64_t bytes_each,
                        const std::string& what);

 private:
  static constexpr std::size_t kSlackBytes = (std::size_t{16} << 20) - (std::size_t{256} << 10);
  std::size_t limit_;
  std::uint64_t used_ = 0;
};

}  // namespace heed
