// linear_reference.cc -- slow on purpose; shares nothing with the kernels but the spec.
#include "kernels/reference/linear_reference.h"

#include <cmath>

namespace heed {
namespace {

using Numbers = std::vector<double>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

Numbers phi(const LinearSpec& s, const float* x, bool is_query) {
  const std::int64_t dim = s.k_dim;
  Numbers out(x, x + dim);
  if (s.kind == LinearKind::elu)
    for (double& value : out) value = value > 0 ? value + 1 : std::exp(value);
  if (s.kind == LinearKind::gated && is_query)
    for (double& value : out) value *= s.scale;
  if (s.kind == LinearKind::gated_delta) {
    double squares = 0;
    for (const double value : out) squares += value * value;
    for (double& value : out) value *= (is_query ? s.scale : 1.0) / std::sqrt(squares + 1e-6);
  }
  if (s.kind != LinearKind::performer) return out;
  Numbers features(at(s.features));
  double half = 0;
  for (std::int64_t i = 0; i < dim; ++i) half += s.scale * x[i] * x[i] / 2;
  for (std::int64_t j = 0; j < s.features; ++j) {
    double along = 0;
    for (std::int64_t i = 0; i < dim; ++i) along += std::sqrt(s.scale) * x[i] * s.projection[at(i * s.features + j)];
    features[at(j)] = std::exp(along - half) / std::sqrt(s.features);
  }
  return features;
}

struct Head {
  Numbers s, z;  // [features, v_dim], [features]

  void decay(double factor) {
    for (double& x : s) x *= factor;
  }
  // k S
  Numbers recall(const Numbers& key, std::int64_t d) const {
    Numbers out(at(d));
    for (std::size_t i = 0; i < key.size(); ++i)
      for (std::int64_t x = 0; x < d; ++x) out[at(x)] += key[i] * s[i * at(d) + at(x)];
    return out;
  }
  void write(const Numbers& key, const Numbers& u) {
    for (std::size_t i = 0; i < key.size(); ++i) {
      z[i] += key[i];
      for (std::size_t x = 0; x < u.size(); ++x) s[i * u.size() + x] += key[i] * u[x];
    }
  }
};

void step(const LinearSpec& spec, Head& head, const float* k, const float* v, double decay, double write) {
  const Numbers key = phi(spec, k, false);
  Numbers u(v, v + spec.v_dim);
  if (is_gated(spec.kind)) head.decay(std::exp(decay));
  if (spec.kind == LinearKind::gated_delta) {
    const Numbers known = head.recall(key, spec.v_dim);
    for (std::size_t x = 0; x < u.size(); ++x) u[x] = write * (u[x] - known[x]);
  }
  head.write(key, u);
}

}  // namespace

std::vector<double> linear_reference(const LinearSpec& spec, std::int32_t n, const float* q, const float* k,
                                     const float* v, const float* log_decay, const float* write) {
  const std::int64_t kv_heads = spec.kv_heads, group = spec.heads / spec.kv_heads, d = spec.v_dim;
  const std::int64_t f = spec.kind == LinearKind::performer ? spec.features : spec.k_dim;
  std::vector<double> out(at(std::int64_t{n} * spec.heads * d));
  for (std::int64_t h = 0; h < kv_heads; ++h) {
    Head head{Numbers(at(f * d)), Numbers(at(f))};
    for (std::int64_t t = 0; t < n; ++t) {
      const std::int64_t row = t * kv_heads + h;
      step(spec, head, k + row * spec.k_dim, v + row * d, log_decay ? log_decay[row] : 0, write ? write[row] : 1);
      for (std::int64_t g = 0; g < group; ++g) {
        const std::int64_t q_row = t * spec.heads + h * group + g;
        const Numbers query = phi(spec, q + q_row * spec.k_dim, true);
        Numbers sums = head.recall(query, d);
        double norm = 1;
        if (!is_gated(spec.kind)) {
          norm = 0;
          for (std::size_t i = 0; i < query.size(); ++i) norm += query[i] * head.z[i];
        }
        for (std::int64_t x = 0; x < d; ++x) out[at(q_row * d + x)] = sums[at(x)] / norm;
      }
    }
  }
  return out;
}

}  // namespace heed
