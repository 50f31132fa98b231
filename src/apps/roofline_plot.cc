// roofline_plot.cc -- draws it: axes, slopes up to the highest flat roof, flat roofs, points with their names.
#include "apps/roofline_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace heed {
namespace {

constexpr double kWidth = 960, kHeight = 600, kLeft = 74, kRight = 172, kTop = 74, kBottom = 62;
constexpr const char* kStyle =
    "<style>text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}.title{font-size:18px;font-weight:600}"
    ".small{font-size:12px;fill:#59636e}.page{fill:#ffffff}.grid{stroke:#d8dee4;stroke-width:1}.roof{stroke:#59636e;"
    "stroke-width:1.8;fill:none}.slope{stroke:#59636e;stroke-width:1.8;stroke-dasharray:6 4;fill:none}"
    ".f0{fill:#0969da}.f1{fill:#bc4c00}.f2{fill:#1a7f37}.f3{fill:#8250df}.mark{stroke:#ffffff;stroke-width:1.5}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.page{fill:#0d1117}.grid{stroke:#2b323b}"
    ".roof,.slope{stroke:#9198a1}.f0{fill:#58a6ff}.f1{fill:#f0883e}.f2{fill:#3fb950}.f3{fill:#bc8cff}"
    ".mark{stroke:#0d1117}}</style>\n";

struct Axis {
  double low, high;   // powers of the base fit around the data
  double begin, end;  // pixels
  double at(double value) const {
    return begin + (end - begin) * (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  }
};

[[gnu::format(printf, 2, 3)]] void write(std::string& out, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  const int n = std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  out.append(line, static_cast<std::size_t>(std::clamp(n, 0, static_cast<int>(sizeof line) - 1)));
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, x < 1 ? "1/%.0f" : "%.0f", x < 1 ? 1 / x : x);
  return text;
}

void draw_axes(std::string& svg, const Axis& x, const Axis& y) {
  for (double v = x.low; v <= x.high * 1.001; v *= 4) {
    write(svg, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x.at(v), x.at(v), y.begin,
          y.end);
    write(svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", x.at(v), y.begin + 20,
          number(v).c_str());
  }
  for (double v = y.low; v <= y.high * 1.001; v *= 2) {
    write(svg, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x.begin, x.end, y.at(v),
          y.at(v));
    write(svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", x.begin - 8, y.at(v) + 4,
          number(v).c_str());
  }
  write(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">operations per byte read</text>\n",
        (x.begin + x.end) / 2, y.begin + 44);
  write(svg, "<text transform=\"translate(22 %.1f) rotate(-90)\" text-anchor=\"middle\">GOP/s</text>\n",
        (y.begin + y.end) / 2);
}

// A slope runs from the picture's edge to the highest flat roof; its name stands along it, near the lower end.
void draw_slope(std::string& svg, const Axis& x, const Axis& y, const Roof& r, double top) {
  const double from = std::max(x.low, y.low / r.rate), to = std::min(x.high, top / r.rate);
  if (from >= to) return;
  const double x1 = x.at(from), y1 = y.at(from * r.rate), x2 = x.at(to), y2 = y.at(to * r.rate);
  write(svg, "<path class=\"slope\" d=\"M%.1f %.1fL%.1f %.1f\"/>", x1, y1, x2, y2);
  const double angle = std::atan2(y2 - y1, x2 - x1) * 180 / 3.14159265358979, part = 0.12;
  write(svg, "<text class=\"small\" transform=\"translate(%.1f %.1f) rotate(%.1f)\" dy=\"-6\">%s %.0f GB/s</text>\n",
        x1 + part * (x2 - x1), y1 + part * (y2 - y1), angle, escaped(r.name).c_str(), r.rate);
}

// Names of neighbours that would overlap move down by a line.
void draw_flat_roofs(std::string& svg, const Axis& x, const Axis& y, std::vector<Roof> flat, double best_slope) {
  std::sort(flat.begin(), flat.end(), [](const Roof& a, const Roof& b) { return a.rate > b.rate; });
  double last = -100;
  for (const Roof& r : flat) {
    const double at = y.at(r.rate), label = std::max(at + 4, last + 15);
    write(svg, "<path class=\"roof\" d=\"M%.1f %.1fH%.1f\"/>", x.at(std::max(x.low, r.rate / best_slope)), at, x.end);
    write(svg, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">%s %.0f GOP/s</text>\n", x.end + 6, label,
          escaped(r.name).c_str(), r.rate);
    last = label;
  }
}

void draw_points(std::string& svg, const Axis& x, const Axis& y, const std::vector<RoofPoint>& points) {
  std::vector<std::string> families;
  for (const RoofPoint& p : points) {
    if (std::find(families.begin(), families.end(), p.family) == families.end()) families.push_back(p.family);
    const auto family = std::find(families.begin(), families.end(), p.family) - families.begin();
    const double px = x.at(p.operations_per_byte), py = y.at(p.gops);
    const bool is_above = family % 2 == 1;  // neighbours of two families keep out of each other's way
    write(svg, "<circle class=\"mark f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"6\"/>", static_cast<int>(family % 4), px, py);
    write(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", px + (is_above ? -8 : 9),
          py + (is_above ? -8 : 15), is_above ? "end" : "start", escaped(p.name).c_str());
  }
  double at = kLeft;
  for (std::size_t i = 0; i < families.size(); ++i) {
    write(svg, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"60\" r=\"5\"/><text x=\"%.1f\" y=\"64\">%s</text>\n",
          static_cast<int>(i % 4), at + 6, at + 17, escaped(families[i]).c_str());
    at += 34 + 7.2 * static_cast<double>(families[i].size());
  }
}

// Whole powers around the data.
Axis axis_of(const std::vector<double>& values, double base, double begin, double end) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {std::pow(base, std::floor(std::log(*low / 1.05) / std::log(base))),
          std::pow(base, std::ceil(std::log(*high * 1.05) / std::log(base))), begin, end};
}

}  // namespace

std::string roofline_svg(const Roofline& r) {
  std::vector<double> intensities, rates;
  std::vector<Roof> flat;
  double top = 0, best_slope = 0;
  for (const RoofPoint& p : r.points) intensities.push_back(p.operations_per_byte), rates.push_back(p.gops);
  for (const Roof& roof : r.roofs) {
    if (roof.is_slope) {
      best_slope = std::max(best_slope, roof.rate);
      continue;
    }
    flat.push_back(roof);
    rates.push_back(roof.rate);
    top = std::max(top, roof.rate);
  }
  if (r.points.empty() || flat.empty() || best_slope <= 0) return {};
  const Axis x = axis_of(intensities, 4, kLeft, kWidth - kRight), y = axis_of(rates, 2, kHeight - kBottom, kTop);
  std::string svg;
  write(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n", kWidth, kHeight);
  svg += kStyle;
  write(svg, "<title>%s</title><rect class=\"page\" width=\"100%%\" height=\"100%%\" rx=\"8\"/>\n",
        escaped(r.title).c_str());
  write(svg, "<text class=\"title\" x=\"%.0f\" y=\"28\">%s</text>", kLeft, escaped(r.title).c_str());
  write(svg, "<text class=\"small\" x=\"%.0f\" y=\"46\">%s</text>\n", kLeft, escaped(r.subtitle).c_str());
  draw_axes(svg, x, y);
  for (const Roof& roof : r.roofs)
    if (roof.is_slope) draw_slope(svg, x, y, roof, top);
  draw_flat_roofs(svg, x, y, flat, best_slope);
  draw_points(svg, x, y, r.points);
  return svg + "</svg>\n";
}

}  // namespace heed
