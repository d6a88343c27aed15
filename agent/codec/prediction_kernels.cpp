// Compiled once per instruction set (cmake/Kernels.cmake): plain loops that the compiler turns into vector instructions. Only
// static functions and no templates of the standard library: nothing here may be shared between the variants by the linker.
#include "agent/codec/kernel_arithmetic.h"

namespace joulespool::codec::JOULESPOOL_KERNELS {
namespace {

double mean(const int32_t* __restrict index, size_t count) {
  int64_t total = 0;
  size_t seen = 0;
  for (size_t at = 0; at + cost_chunk <= count; at += chunk_stride(count), seen += cost_chunk)
    for (size_t k = 0; k < cost_chunk; ++k) total += index[at + k];
  if (seen == 0)
    for (; seen < count; ++seen) total += index[seen];
  return static_cast<double>(total) / static_cast<double>(seen);
}

// Residual of the integer at `h`: what the predictors look at lies before it.
int32_t residual_centre(const int32_t* h, int32_t base) { return minus(*h, base); }
int32_t residual_delta(const int32_t* h) { return minus(*h, h[-1]); }
int32_t residual_delta2(const int32_t* h) { return static_cast<int32_t>(wrapped(*h) - 2 * wrapped(h[-1]) + wrapped(h[-2])); }
int32_t residual_mean8(const int32_t* h) {
  const uint32_t eight = wrapped(h[-1]) + wrapped(h[-2]) + wrapped(h[-3]) + wrapped(h[-4]) + wrapped(h[-5]) + wrapped(h[-6]) +
                         wrapped(h[-7]) + wrapped(h[-8]);
  return minus(*h, static_cast<int32_t>(eight) >> 3);
}

// floor((sum of coefficient * step + half) / 2^linear_shift), in float64 without any rounding: the sum is below 2^51.
// 2^-(linear_shift + 1) more moves the floor of x + 1/2 to the nearest of something that is never half way.
void residuals_linear(const int32_t* __restrict h, int32_t* __restrict residual, size_t count, const LinearPrediction& linear) {
  constexpr double unit = 1.0 / (1 << linear_shift);
  double steps[page_samples_max + linear_order_max];
  double predicted[page_samples_max];
  const int32_t* first = h - linear_order_max;
  for (size_t at = 0; at < count + linear_order_max; ++at)
    steps[at] = static_cast<double>(minus(first[at], first[static_cast<ptrdiff_t>(at) - 1]));
  for (size_t at = 0; at < count; ++at) predicted[at] = unit / 2;
  size_t m = 0;
  for (; m + 4 <= linear.order; m += 4) {
    const double* newest = steps + linear_order_max - 1 - m;
    const double a = linear.coefficients[m] * unit, b = linear.coefficients[m + 1] * unit, c = linear.coefficients[m + 2] * unit,
                 d = linear.coefficients[m + 3] * unit;
    for (size_t at = 0; at < count; ++at) {
      const double* now = newest + at;
      predicted[at] += a * now[0] + b * now[-1] + c * now[-2] + d * now[-3];
    }
  }
  for (; m < linear.order; ++m) {
    const double* newest = steps + linear_order_max - 1 - m;
    const double a = linear.coefficients[m] * unit;
    for (size_t at = 0; at < count; ++at) predicted[at] += a * newest[at];
  }
  for (size_t at = 0; at < count; ++at)
    residual[at] = static_cast<int32_t>(wrapped(h[at]) - wrapped(h[static_cast<ptrdiff_t>(at) - 1]) -
                                        wrapped(low_half(predicted[at] + rounding)));
}

void residuals(Predictor predictor, const int32_t* __restrict h, int32_t* __restrict residual, size_t count, int32_t base,
               const LinearPrediction& linear) {
  switch (predictor) {
    case Predictor::centre:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_centre(h + at, base);
      return;
    case Predictor::delta:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_delta(h + at);
      return;
    case Predictor::delta2:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_delta2(h + at);
      return;
    case Predictor::mean8:
      for (size_t at = 0; at < count; ++at) residual[at] = residual_mean8(h + at);
      return;
    case Predictor::linear: return residuals_linear(h, residual, count, linear);
  }
}

// log2(|residual| + 1) in 1/256 bit: the exponent and the first bits of the mantissa of a float.
int32_t log2_of(int32_t residual) {
  const float magnitude_plus_1 = __builtin_fabsf(static_cast<float>(residual)) + 1.0F;
  return static_cast<int32_t>(bits_of(magnitude_plus_1) >> 15) - (127 << 8);
}

int32_t chunk_cost(const int32_t* __restrict residual) {
  int32_t total = 0;
  for (size_t at = 0; at < cost_chunk; ++at) total += log2_of(residual[at]);
  return total;
}

float cost(Predictor predictor, const int32_t* __restrict h, size_t count, int32_t base, const LinearPrediction& linear) {
  if (count == 0) return 0;
  int32_t residual[cost_chunk];
  int64_t total = 0;
  size_t seen = 0;
  for (size_t at = 0; at + cost_chunk <= count; at += chunk_stride(count)) {
    residuals(predictor, h + at, residual, cost_chunk, base, linear);
    total += chunk_cost(residual);
    seen += cost_chunk;
  }
  if (seen == 0) {
    residuals(predictor, h, residual, count, base, linear);
    for (size_t at = 0; at < count; ++at) total += log2_of(residual[at]);
    seen = count;
  }
  return static_cast<float>(total) / (256.0F * static_cast<float>(seen));
}

void integrate_mean8(int32_t* index, size_t count, int32_t base) {
  uint32_t last[8];
  for (uint32_t& one : last) one = wrapped(base);
  uint32_t eight = 8 * wrapped(base);
  for (size_t at = 0; at < count; ++at) {
    const uint32_t value = wrapped(index[at]) + wrapped(static_cast<int32_t>(eight) >> 3);
    eight += value - last[at % 8];
    last[at % 8] = value;
    index[at] = static_cast<int32_t>(value);
  }
}

// There are no steps before a page.
template <size_t order>
void integrate_order(int32_t* index, size_t count, int32_t base, const LinearPrediction& linear) {
  int64_t weight[order];
  for (size_t m = 0; m < order; ++m) weight[m] = m < linear.order ? linear.coefficients[m] : 0;
  int64_t steps[page_samples_max + order];
  for (size_t m = 0; m < order; ++m) steps[m] = 0;
  uint32_t value = wrapped(base);
  for (size_t at = 0; at < count; ++at) {
    int64_t predicted = 1 << (linear_shift - 1);
    for (size_t m = order; m-- > 0;) predicted += weight[m] * steps[at + order - 1 - m];  // the newest, which we wait for, last
    const auto step = static_cast<int32_t>(wrapped(index[at]) + static_cast<uint32_t>(predicted >> linear_shift));
    steps[at + order] = step;
    value += wrapped(step);
    index[at] = static_cast<int32_t>(value);
  }
}

void integrate_linear(int32_t* index, size_t count, int32_t base, const LinearPrediction& linear) {
  if (linear.order <= 4) integrate_order<4>(index, count, base, linear);
  else if (linear.order <= 8) integrate_order<8>(index, count, base, linear);
  else integrate_order<16>(index, count, base, linear);
}

void integrate(Predictor predictor, int32_t* __restrict index, size_t count, int32_t base, const LinearPrediction& linear) {
  uint32_t value = wrapped(base), before = value;
  switch (predictor) {
    case Predictor::centre:
      for (size_t at = 0; at < count; ++at) index[at] = static_cast<int32_t>(wrapped(index[at]) + value);
      return;
    case Predictor::delta:
      for (size_t at = 0; at < count; ++at) {
        value += wrapped(index[at]);
        index[at] = static_cast<int32_t>(value);
      }
      return;
    case Predictor::delta2:
      for (size_t at = 0; at < count; ++at) {
        const uint32_t next = wrapped(index[at]) + 2 * value - before;
        before = value;
        value = next;
        index[at] = static_cast<int32_t>(value);
      }
      return;
    case Predictor::mean8: return integrate_mean8(index, count, base);
    case Predictor::linear: return integrate_linear(index, count, base, linear);
  }
}

// In eight lanes of float32, added up in this order whatever the instruction set. Steps are shifted to below 2^20, so that
// nothing overflows.
void autocorrelation(const int32_t* __restrict index, size_t count, float* __restrict lags) {
  constexpr size_t lanes = 8;
  float steps[page_samples_max + linear_order_max + lanes];
  int32_t bits = 0;
  for (size_t at = 1; at < count; ++at) bits |= folded(minus(index[at], index[at - 1]));
  unsigned down = 0;
  while ((bits >> down) >= (1 << 20)) ++down;
  for (size_t m = 0; m <= linear_order_max; ++m) steps[m] = 0;
  for (size_t at = 1; at < count; ++at)
    steps[at + linear_order_max] = static_cast<float>(minus(index[at], index[at - 1]) >> down);
  for (size_t k = 0; k < lanes; ++k) steps[count + linear_order_max + k] = 0;
  for (size_t lag = 0; lag <= linear_order_max; ++lag) {
    const float* now = steps + linear_order_max;
    const float* before = now - lag;
    float partial[lanes] = {};
    for (size_t at = 0; at < count; at += lanes)
      for (size_t k = 0; k < lanes; ++k) partial[k] += now[at + k] * before[at + k];
    float total = 0;
    for (const float part : partial) total += part;
    lags[lag] = total;
  }
}

}  // namespace

extern const PredictionKernels prediction_kernels;
const PredictionKernels prediction_kernels{mean, residuals, cost, integrate, autocorrelation};

}  // namespace joulespool::codec::JOULESPOOL_KERNELS
