// golden_records.h -- what tools/goldens/dequantize.py writes: rows of an encoding and the floats that belong to them.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"

namespace heed {

struct GoldenRecord {
  std::string name;
  std::vector<std::byte> bytes;
  std::vector<float> floats;
};

class GoldenCursor {
 public:
  explicit GoldenCursor(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  bool done() const { return at_ >= bytes_.size(); }
  std::uint32_t number() {
    std::uint32_t n = 0;
    copy(&n, sizeof n);
    return n;
  }
  void copy(void* to, std::size_t n) {
    ASSERT_LE(at_ + n, bytes_.size());
    std::memcpy(to, bytes_.data() + at_, n);
    at_ += n;
  }

 private:
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
};

inline std::vector<GoldenRecord> golden_records(const std::string& name) {
  auto bytes = system_files().read(std::string(HEED_SOURCE_DIR) + "/tests/golden/" + name, 1 << 20);
  EXPECT_TRUE(bytes);
  std::vector<GoldenRecord> records;
  if (!bytes) return records;
  GoldenCursor cursor(std::move(*bytes));
  while (!cursor.done() && !testing::Test::HasFatalFailure()) {
    GoldenRecord r;
    r.name.resize(cursor.number());
    cursor.copy(r.name.data(), r.name.size());
    r.floats.resize(cursor.number());
    r.bytes.resize(cursor.number());
    cursor.copy(r.bytes.data(), r.bytes.size());
    cursor.copy(r.floats.data(), r.floats.size() * sizeof(float));
    records.push_back(std::move(r));
  }
  return records;
}

inline DType dtype_by_name(const std::string& name) {
  for (std::size_t i = 0; i < kDTypes; ++i)
    if (info(static_cast<DType>(i)).name == name) return static_cast<DType>(i);
  ADD_FAILURE() << "no such encoding: " << name;
  return DType::f32;
}

}  // namespace heed
