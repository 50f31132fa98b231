// byte_reader.cc -- checked reads, UTF-8, and error text for hostile files.
#include "formats/byte_reader.h"

#include <array>

namespace heed {
namespace {

// Bytes of the sequence that `lead` begins and the range of its second byte (Unicode 15, table 3-7); 0: not a lead.
struct Lead {
  int length;
  unsigned low, high;
};

Lead lead_of(unsigned char c) noexcept {
  if (c < 0x80) return {1, 0, 0};
  if (c < 0xC2) return {0, 0, 0};
  if (c < 0xE0) return {2, 0x80, 0xBF};
  if (c < 0xF0) return {3, c == 0xE0 ? 0xA0u : 0x80u, c == 0xED ? 0x9Fu : 0xBFu};
  if (c < 0xF5) return {4, c == 0xF0 ? 0x90u : 0x80u, c == 0xF4 ? 0x8Fu : 0xBFu};
  return {0, 0, 0};
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const Lead lead = lead_of(static_cast<unsigned char>(text[i]));
    const auto length = static_cast<std::size_t>(lead.length);
    if (length == 0 || text.size() - i < length) return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto c = static_cast<unsigned char>(text[i + k]);
      const unsigned low = k == 1 ? lead.low : 0x80, high = k == 1 ? lead.high : 0xBF;
      if (c < low || c > high) return false;
    }
    i += length;
  }
  return true;
}

Error in_file(const std::string& path, Error error) {
  error.text = path + ": " + error.text;
  if (error.where.empty()) error.where = path;
  return error;
}

std::string printable(std::string_view text, std::size_t limit) {
  constexpr std::array<char, 17> kHex = {"0123456789abcdef"};
  std::string out;
  for (const char raw : text.substr(0, limit)) {
    const auto c = static_cast<unsigned char>(raw);
    if (c >= 0x20 && c < 0x7F) {
      out += raw;
    } else {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  if (text.size() > limit) out += "...";
  return out;
}

Error ByteReader::error(Code code, const std::string& what, std::size_t offset, std::string where) const {
  return fail(code, format_ + ": " + what + ", at byte " + std::to_string(offset), std::move(where));
}

Error ByteReader::malformed(const std::string& what, std::size_t offset, std::string where) const {
  return error(Code::malformed, what, offset, std::move(where));
}

Error ByteReader::unsupported(const std::string& what, std::size_t offset, std::string where) const {
  return error(Code::unsupported, what, offset, std::move(where));
}

Error ByteReader::too_long(const std::string& what, std::size_t offset, std::string where) const {
  return error(Code::too_long, what, offset, std::move(where));
}

Error ByteReader::truncated(const char* what, std::uint64_t needed) const {
  return malformed(std::string("the file ends inside ") + what + ": expected " + std::to_string(needed) +
                       " more bytes, got " + std::to_string(left()),
                   at_);
}

Expected<std::uint64_t> ByteReader::read_count(const char* what) {
  if (count_bytes_ == 8) return read<std::uint64_t>(what);
  HEED_ASSIGN(const std::uint32_t count, read<std::uint32_t>(what));
  return std::uint64_t{count};
}

Expected<std::string_view> ByteReader::take(std::uint64_t count, const char* what) {
  if (count > left()) return truncated(what, count);
  const std::string_view view(reinterpret_cast<const char*>(bytes_.data() + at_), static_cast<std::size_t>(count));
  at_ += view.size();
  return view;
}

Expected<void> MemoryBudget::charge(const ByteReader& reader, std::uint64_t count, std::uint64_t bytes_each,
                                    const std::string& what) {
  std::uint64_t more = 0, total = 0;
  if (__builtin_mul_overflow(count, bytes_each, &more) || __builtin_add_overflow(used_, more, &used_) ||
      __builtin_add_overflow(used_, reader.at(), &total) || total > limit_) {
    return reader.too_long(what + " would take more memory than the file's size + 16 MiB", reader.at());
  }
  return {};
}

}  // namespace heed
