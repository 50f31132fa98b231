// amx_emulation_test.cc -- the emulated tiles multiply as the manual says, and notice what a processor would refuse.
#include "tests/unit/kernels/amx_emulation.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace heed {
namespace {

struct Config {
  unsigned char bytes[64] = {1};
  void shape(int tile, int rows, int row_bytes) {
    bytes[16 + 2 * tile] = static_cast<unsigned char>(row_bytes);
    bytes[48 + tile] = static_cast<unsigned char>(rows);
  }
};

// 2 rows x 8 k times 8 k x 3 columns, onto what the sums hold.
Config small_config() {
  Config c;
  c.shape(0, 2, 12);
  c.shape(1, 2, 8);
  c.shape(2, 2, 12);
  return c;
}

struct Sums {
  std::int32_t v[2][4] = {};  // the fourth column is not the tile's
};

Sums product(const Config& config) {
  std::int8_t rows[2][8] = {{1, -2, 3, -4, 5, -6, 7, -8}, {-128, -128, -128, -128, -128, -128, -128, -128}};
  std::int8_t weights[2][12];  // quad, then column, then k
  for (int k = 0; k < 8; ++k)
    for (int n = 0; n < 3; ++n) weights[k / 4][4 * n + k % 4] = static_cast<std::int8_t>(n == 2 ? -128 : n + k);
  Sums sums;
  sums.v[0][3] = sums.v[1][3] = 77;
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_loadd(1, rows, 8);
  _tile_loadd(2, weights, 12);
  _tile_dpbssd(0, 1, 2);
  _tile_dpbssd(0, 1, 2);
  _tile_stored(0, &sums, 16);
  _tile_release();
  return sums;
}

TEST(AmxEmulation, MultipliesSignedBytes) {
  const Sums s = product(small_config());
  for (int n = 0; n < 3; ++n) {
    int first = 0, second = 0;
    for (int k = 0; k < 8; ++k) {
      const int w = n == 2 ? -128 : n + k;
      first += (k % 2 == 0 ? k + 1 : -(k + 1)) * w;
      second += -128 * w;
    }
    EXPECT_EQ(s.v[0][n], 2 * first) << n;
    EXPECT_EQ(s.v[1][n], 2 * second) << n;
  }
  EXPECT_EQ(s.v[0][3], 77);
  EXPECT_EQ(s.v[1][3], 77);
}

TEST(AmxEmulation, ShapesThatDoNotFitGiveNoSum) {
  Config deep = small_config();
  deep.shape(2, 1, 12);
  EXPECT_EQ(product(deep).v[0][0], amx_emulation::kFault);
  Config wide = small_config();
  wide.shape(2, 2, 8);
  EXPECT_EQ(product(wide).v[0][0], amx_emulation::kFault);
  Config high = small_config();
  high.shape(1, 1, 8);
  EXPECT_EQ(product(high).v[0][0], amx_emulation::kFault);
}

TEST(AmxEmulation, AConfigurationTheProcessorRefusesLoadsNothing) {
  for (const int at : {0, 1, 5, 40, 60}) {
    Config c = small_config();
    c.bytes[at] = static_cast<unsigned char>(c.bytes[at] + 1);
    EXPECT_EQ(product(c).v[0][0], 0) << at;
  }
  Config tall = small_config();
  tall.shape(5, 17, 4);
  EXPECT_EQ(product(tall).v[0][0], 0);
}

}  // namespace
}  // namespace heed
