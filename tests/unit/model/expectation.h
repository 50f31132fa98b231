// expectation.h -- every layer of a run against a golden's tensors. Shared by the model tests.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "formats/gguf.h"

namespace heed {

inline constexpr double kMaxNmse = 1e-6;  // of a layer, against its golden in f32

inline double nmse(const float* got, const float* want, std::size_t n) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < n; ++i) {
    error += (double{got[i]} - want[i]) * (double{got[i]} - want[i]);
    power += double{want[i]} * want[i];
  }
  return error / power;
}

struct Expectation {
  const GgufFile* file;
  double limit;             // of a layer's NMSE
  std::string prefix = {};  // of the tensors' names
  int seen = 0;
  double worst = 0;

  static void on_layer(void* context, std::int32_t layer, const float* x, std::int64_t rows, std::int64_t dim) {
    auto& self = *static_cast<Expectation*>(context);
    std::string name = self.prefix + (layer < 0 ? "embed" : "layer." + std::to_string(layer));
    if (layer >= 0 && !self.file->find(name)) name = self.prefix + "norm";
    const Tensor* want = self.file->find(name);
    ASSERT_NE(want, nullptr) << name;
    ASSERT_EQ(want->rows(), rows);
    const double e = nmse(x, reinterpret_cast<const float*>(want->data), static_cast<std::size_t>(rows * dim));
    EXPECT_LE(e, self.limit) << name;
    self.worst = std::max(self.worst, e);
    ++self.seen;
  }
};

}  // namespace heed
