// safetensors_builder.h -- writes small .safetensors files, well formed or not.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace heed::testing_safetensors {

inline std::vector<std::byte> file_of(std::string_view table, std::size_t data_bytes) {
  const std::uint64_t length = table.size();
  std::vector<std::byte> out(8 + table.size() + data_bytes);
  std::memcpy(out.data(), &length, 8);
  std::memcpy(out.data() + 8, table.data(), table.size());
  for (std::size_t i = 0; i < data_bytes; ++i) out[8 + table.size() + i] = static_cast<std::byte>(i * 31 + 7);
  return out;
}

inline std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                         std::uint64_t begin, std::uint64_t end) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[)" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

}  // namespace heed::testing_safetensors
