// math.inl -- exponentials over sixteen lanes, shared by layers and attention. Included like matmul.inl.

// exp(x), relative error <= 2e-7 (x in -87 .. 88; below: 0 up to 1e-38, above: clamped). 2^n * p(f), |f| <= 1/2, where
// p is the Taylor polynomial of 2^f of degree 7.
inline Floats exp_floats(Floats x) {
  const Floats t = mul(min(max(x, broadcast(-87.0f)), broadcast(88.0f)), broadcast(1.44269504088896341f));
  const Floats n = round_even(t);
  const Floats f = sub(t, n);
  Floats p = broadcast(1.5252734e-5f);
  p = fma(p, f, broadcast(1.5403530e-4f));
  p = fma(p, f, broadcast(1.3333558e-3f));
  p = fma(p, f, broadcast(9.6181291e-3f));
  p = fma(p, f, broadcast(5.5504109e-2f));
  p = fma(p, f, broadcast(2.4022651e-1f));
  p = fma(p, f, broadcast(6.9314718e-1f));
  p = fma(p, f, broadcast(1.0f));
  return scale_by_power(p, n);
}

inline Floats sigmoid(Floats x) { return div(broadcast(1.0f), add(broadcast(1.0f), exp_floats(negate(x)))); }

// tanh(x) = 2 sigmoid(2x) - 1
inline Floats tanh_floats(Floats x) { return fma(broadcast(2.0f), sigmoid(add(x, x)), broadcast(-1.0f)); }

// 2^x, at most 1 ulp off (x in -125 .. 0; below: 2^-125). 2^n * p(f), |f| <= 1/2; p interpolates 2^f / 2^f = 1 in the
// Chebyshev points of degree 6.
inline Floats exp2_floats(Floats x) {
  const Floats t = max(x, broadcast(-125.0f));
  const Floats n = round_even(t);
  const Floats f = sub(t, n);
  Floats p = broadcast(1.54614449e-4f);
  p = fma(p, f, broadcast(1.3400428e-3f));
  p = fma(p, f, broadcast(9.61805694e-3f));
  p = fma(p, f, broadcast(5.55032715e-2f));
  p = fma(p, f, broadcast(2.40226507e-1f));
  p = fma(p, f, broadcast(6.93147182e-1f));
  p = fma(p, f, broadcast(1.0f));
  return scale_by_power(p, n);
}
