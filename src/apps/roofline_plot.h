// roofline_plot.h -- a roofline picture as SVG: rates against operations per byte, both logarithmic.
#pragma once
#include <string>
#include <vector>

namespace heed {

struct Roof {
  std::string name;
  double rate = 0;        // GOP/s (flat roofs), or GB/s (slopes)
  bool is_slope = false;  // what reading leaves: rate x operations per byte
};

struct RoofPoint {
  std::string name, family;  // points of one family share a mark
  double operations_per_byte = 0, gops = 0;
};

struct Roofline {
  std::string title, subtitle;
  std::vector<Roof> roofs;
  std::vector<RoofPoint> points;
};

/// Follows the reader's light or dark scheme by itself.
std::string roofline_svg(const Roofline& roofline);

}  // namespace heed
