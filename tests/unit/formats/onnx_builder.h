// onnx_builder.h -- ONNX files for tests.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace heed::onnx_file {

// Protobuf, as little of it as the tests need.
inline std::string varint(std::uint64_t v) {
  std::string out;
  for (; v >= 128; v >>= 7) out += static_cast<char>((v & 127) | 128);
  return out + static_cast<char>(v);
}
inline std::string number(int field, std::uint64_t v) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(v);
}
inline std::string bytes(int field, const std::string& v) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(v.size()) + v;
}

inline std::string node(const std::string& op, const std::string& name, const std::string& a, const std::string& b) {
  return bytes(1, bytes(1, a) + bytes(1, b) + bytes(2, "out") + bytes(3, name) + bytes(4, op));
}
inline std::string raw_tensor(const std::string& name, const std::vector<std::uint64_t>& dims, int type,
                              const std::string& data) {
  std::string t;
  for (const std::uint64_t d : dims) t += number(1, d);
  return bytes(5, t + number(2, static_cast<std::uint64_t>(type)) + bytes(8, name) + bytes(9, data));
}
inline std::string model(const std::string& graph) { return number(1, 8) + bytes(2, "maker") + bytes(7, graph); }

}  // namespace heed::onnx_file
