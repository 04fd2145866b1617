// The loops of quantize, dequantize and fake_quantize. Each arithmetic is a small struct made once per run of equal
// parameters; the plain loops over it vectorise. Three arithmetics: `Near` for bounds below 2^22 (every real case),
// `Wide` in double for int32 codes and textbook zero points, `General` for float formats, float zero points, codebooks.
#include <algorithm>
#include <cmath>

#include "quant/grid.hpp"
#include "quant/pack.hpp"
#include "quant/rounding.hpp"

namespace bitwright {
namespace {

// Parameters decoded once: scales as f32, zero points as i32 or f32; absent ones are 1 and 0.
struct Params {
  explicit Params(const Grid& g) : grid(g), scale(values(g.scale, 1.0f)) {
    if (is_float(g.zero.dtype())) {
      float_zero = values(g.zero, 0.0f);
    } else {
      for (int64_t i = 0; i < g.zero.elements(); ++i) zero.push_back(static_cast<int32_t>(value_as_int(g.zero, i)));
    }
  }

  static std::vector<float> values(const Tensor& t, float absent) {
    if (t.empty()) return {absent};
    const Tensor f32 = to_f32(t);
    return {f32.values<float>().begin(), f32.values<float>().end()};
  }

  template <class T>
  static T pick(const std::vector<T>& all, int64_t p) {
    return all.empty() ? T{} : all[all.size() == 1 ? 0 : static_cast<size_t>(p)];
  }
  float scale_at(int64_t p) const { return pick(scale, p); }
  int32_t zero_at(int64_t p) const { return pick(zero, p); }

  const Grid& grid;
  std::vector<float> scale, float_zero;
  std::vector<int32_t> zero;
};

struct Near {
  Near(const Params& params, int64_t p)
      : scale(params.scale_at(p)),
        low(static_cast<float>(params.grid.qmin - params.zero_at(p))),
        high(static_cast<float>(params.grid.qmax - params.zero_at(p))),
        zero(params.zero_at(p)) {}
  int32_t code(float x) const { return rne_small(limit(x / scale, low, high)) + zero; }
  float value(int32_t code) const { return dequantize_one(code, scale, zero); }
  float scale, low, high;
  int32_t zero;
};

struct Wide {
  Wide(const Params& params, int64_t p)
      : scale(params.scale_at(p)), zero(params.zero_at(p)), qmin(params.grid.qmin), qmax(params.grid.qmax) {}
  int32_t code(float x) const {
    const double q = std::nearbyint(static_cast<double>(x / scale)) + zero;
    return static_cast<int32_t>(std::clamp<double>(q, qmin, qmax));
  }
  float value(int32_t code) const { return static_cast<float>(int64_t{code} - zero) * scale; }
  float scale;
  int32_t zero, qmin, qmax;
};

struct General {
  General(const Params& params, int64_t p)
      : format(*params.grid.format),
        scale(params.scale_at(p)),
        zero(params.float_zero.empty() ? static_cast<float>(params.zero_at(p)) : Params::pick(params.float_zero, p)),
        qmin(params.grid.qmin),
        qmax(params.grid.qmax),
        table(params.grid.table.empty() ? std::span<const float>() : params.grid.table.values<float>()) {}

  int32_t code(float x) const {
    const float v = x / scale + zero;
    return table.empty() ? std::clamp(format.encode(v), qmin, qmax) : nearest_level(v);
  }
  float value(int32_t code) const {
    const float v = table.empty() ? format.decode(code) : table[static_cast<size_t>(code - format.code_min)];
    return (v - zero) * scale;
  }
  // Ties go to the lower code.
  int32_t nearest_level(float v) const {
    size_t best = 0;
    for (size_t i = 1; i < table.size(); ++i)
      if (std::fabs(table[i] - v) < std::fabs(table[best] - v)) best = i;
    return format.code_min + static_cast<int32_t>(best);
  }

  const Format& format;
  float scale, zero;
  int32_t qmin, qmax;
  std::span<const float> table;
};

bool is_near(const Params& params) {
  constexpr int64_t kMost = int64_t{1} << 22;
  int64_t most = 0;
  for (const int32_t z : params.zero) most = std::max<int64_t>(most, std::abs(int64_t{z}));
  return most + std::max(std::abs(int64_t{params.grid.qmin}), std::abs(int64_t{params.grid.qmax})) <= kMost;
}

// f is called with a tag value of the arithmetic that the grid needs.
template <class F>
void with_arithmetic(const Params& params, F&& f) {
  if (!params.grid.format->is_integer || !params.float_zero.empty() || !params.grid.table.empty()) {
    f(static_cast<General*>(nullptr));
  } else if (is_near(params)) {
    f(static_cast<Near*>(nullptr));
  } else {
    f(static_cast<Wide*>(nullptr));
  }
}

template <class Arithmetic, class In, class Out, class F>
void over_runs(const Params& params, const Shape& shape, const In* in, Out* out, F f) {
  for (const ParamRun& run : parameter_runs(params.grid.layout, shape)) {
    const In* const x = in + run.begin;
    Out* const y = out + run.begin;
    if (run.step == 0) {
      const Arithmetic a(params, run.param);
      for (int64_t i = 0; i < run.count; ++i) y[i] = f(a, x[i]);
    } else {
      for (int64_t i = 0; i < run.count; ++i) y[i] = f(Arithmetic(params, run.param + i), x[i]);
    }
  }
}

// f is called with a pointer to the unsigned or signed integer that holds a code of this type in memory.
template <class F>
void with_code_type(DType storage, F&& f) {
  switch (storage) {
    case DType::i8: return f(static_cast<int8_t*>(nullptr));
    case DType::i16: return f(static_cast<int16_t*>(nullptr));
    case DType::i32: return f(static_cast<int32_t*>(nullptr));
    default: break;
  }
  if (bits_of(storage) == 8) return f(static_cast<uint8_t*>(nullptr));
  BW_CHECK(bits_of(storage) == 16);
  f(static_cast<uint16_t*>(nullptr));
}

void refuse_nan(std::span<const float> x) {
  int32_t nans = 0;
  for (const float v : x) nans |= v != v;
  if (!nans) return;
  const auto at = std::find_if(x.begin(), x.end(), [](float v) { return v != v; });
  fail(ErrorCode::numeric, "the value at index ", at - x.begin(), " is not a number; it cannot be quantized");
}

void check_input(const Tensor& x, const Grid& grid) {
  if (x.dtype() != DType::f32)
    fail(ErrorCode::unsupported, "values of type ", name_of(x.dtype()), " cannot be quantized, only float32 can");
  verify(grid, x.shape());
  if (grid.format->is_integer) refuse_nan(x.values<float>());
}

/// Values lie in the type of the scale, as ONNX says of DequantizeLinear.
Tensor in_type_of(const Tensor& scale, const Tensor& values) {
  if (scale.dtype() != DType::f16 && scale.dtype() != DType::bf16) return values;
  Tensor result(scale.dtype(), values.shape());
  const auto from = values.values<float>();
  dispatch(scale.dtype(), [&]<class T>(T*) {
    if constexpr (!std::is_integral_v<T>)
      std::transform(from.begin(), from.end(), result.values<T>().begin(), [](float v) { return static_cast<T>(v); });
  });
  return result;
}

}  // namespace

Tensor quantize(const Tensor& x, const Grid& grid) {
  check_input(x, grid);
  const Params params(grid);
  Tensor codes(grid.format->storage, x.shape());
  with_arithmetic(params, [&]<class A>(A*) {
    with_code_type(codes.dtype(), [&]<class T>(T*) {
      over_runs<A>(params, x.shape(), x.values<float>().data(), reinterpret_cast<T*>(codes.raw()),
                   [](const A& a, float v) { return static_cast<T>(a.code(v)); });
    });
  });
  return codes;
}

namespace {

/// The codes one by one, of the grid's storage type; refuses others.
Tensor codes_of(const Tensor& stored, const Grid& grid) {
  verify(grid, stored.shape());
  Tensor codes = unpack(stored);
  if (codes.dtype() != grid.format->storage)
    fail(ErrorCode::mismatch, "codes of type ", name_of(stored.dtype()), " are not ", grid.format->name);
  return codes;
}

}  // namespace

Tensor dequantize_later(Tensor stored, Grid grid) {
  const Tensor codes = codes_of(stored, grid);
  const DType type = in_type_of(grid.scale, Tensor(DType::f32, {0})).dtype();
  return Tensor::deferred(type, codes.shape(), [codes, grid = std::move(grid)] { return dequantize(codes, grid); });
}

Tensor dequantize(const Tensor& stored, const Grid& grid) {
  const Tensor codes = codes_of(stored, grid);
  const Params params(grid);
  Tensor values(DType::f32, codes.shape());
  with_arithmetic(params, [&]<class A>(A*) {
    with_code_type(codes.dtype(), [&]<class T>(T*) {
      over_runs<A>(params, codes.shape(), reinterpret_cast<const T*>(codes.raw()), values.values<float>().data(),
                   [](const A& a, T code) { return a.value(code); });
    });
  });
  return in_type_of(grid.scale, values);
}

Tensor fake_quantize(const Tensor& x, const Grid& grid) {
  check_input(x, grid);
  const Params params(grid);
  Tensor values(DType::f32, x.shape());
  with_arithmetic(params, [&]<class A>(A*) {
    over_runs<A>(params, x.shape(), x.values<float>().data(), values.values<float>().data(),
                 [](const A& a, float v) { return a.value(a.code(v)); });
  });
  return values;
}

}  // namespace bitwright
