// The emulated kernel as a shared library, which the tests' driver loads; or, with AS_PROGRAM, for the sanitizers.
#define EMULATED
#ifdef MOST_CONFLICTS
#include "banks.h"
#endif
#include "train.cu"

// As cuLaunchKernel would: `args` points at the kernel's one argument.
extern "C" int emulated_launch(const void* args, unsigned grid, unsigned threads, unsigned shared_bytes) {
  if (threads != kThreads || shared_bytes != kSharedFloats * sizeof(float)) return 1;
  emulation::run([](const void* given) { train(*static_cast<const Args*>(given)); }, args, grid, threads, shared_bytes);
  return 0;
}

#ifdef AS_PROGRAM
#include <cstdio>
#include <random>

template <class T>
struct Exact {  // as large as it must be and no larger, so that a sanitizer sees one element too far
  explicit Exact(size_t n) : n(n), p(static_cast<T*>(std::malloc(n * sizeof(T)))) { std::memset(p, 0, n * sizeof(T)); }
  ~Exact() { std::free(p); }
  size_t n;
  T* p;
};

int main() {
#ifdef MOST_CONFLICTS
  const int members = 1;  // whose steps' accesses are one warp's, in order
#else
  const int members = 2;
#endif
  const int rows = 2 * kBatch + kBatch / 2 + 1;  // three steps, the last of them not full
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  Args args{};
  Exact<float> x(rows * kIn), y(rows * kTargets), numbers(11), rates(kSchedule ? 3 : 1), sums(2 * members);
  Exact<float> weights(rows), class_weights(2);
  Exact<unsigned> words(3 * members);
  Exact<int> ints(5 * members), widths(kLayers + 1), listed(rows);
  for (size_t i = 0; i < x.n; i++) x.p[i] = normal(random);
  for (size_t i = 0; i < y.n; i++) {
    const int label = random() % (kIntegerLabels ? kOut : 2);
    if (kIntegerLabels) std::memcpy(y.p + i, &label, 4);
    else y.p[i] = label;
  }
  for (size_t i = 0; i < words.n; i++) words.p[i] = random();
  for (size_t i = 0; i < weights.n; i++) weights.p[i] = 0.5f + i % 2, listed.p[i] = rows - 1 - i;
  for (size_t i = 0; i < class_weights.n; i++) class_weights.p[i] = 1.f + i;
  for (size_t i = 0; i < rates.n; i++) rates.p[i] = 1e-2f;
  for (int l = 0; l <= kLayers; l++) widths.p[l] = l == 0 || l == kLayers ? kSizes[l] : (kSizes[l] + 1) / 2;
  const float given[] = {.9f, .999f, 1e-8f, 0.f, 1e-2f, .9f, 1e-3f, .5f, 1.25f, 0.f, 1.f};
  std::memcpy(numbers.p, given, sizeof given);
  for (int m = 0; m < members; m++) {
    const int of_member[] = {1, 2, 0, rows, 7};
    std::memcpy(ints.p + 5 * m, of_member, sizeof of_member);
    words.p[3 * m + 2] = 1u << 30;  // a quarter is dropped
  }
  const void* always[] = {x.p, y.p, words.p, ints.p, numbers.p, rates.p};
  for (int i = 0; i < kAlways; i++) args.in[i] = always[i];
  args.stride[kWords] = 3, args.stride[kInts] = 5;
  if (kWidths) args.in[kWidthsInput] = widths.p;
  if (kRowWeights) args.in[kRowWeightsInput] = weights.p;
  if (kClassWeights) args.in[kClassWeightsInput] = class_weights.p;
  if (kIndexed) args.in[kRowsInput] = listed.p;
  args.sums = sums.p, args.table_rows = rows, args.classes = 2;
#ifdef OVERRUN
  args.table_rows++;  // a row beyond the table, and nobody to hold it back
  for (size_t i = 0; i < listed.n; i++) listed.p[i] = rows;
#endif
  std::vector<std::unique_ptr<Exact<float>>> leaves;
  for (int k = 0; k < kLeaves; k++) {
    const int l = k % kOfPart / kOfLayer, size = k % kOfLayer ? kSizes[l + 1] : kSizes[l] * kSizes[l + 1];
    leaves.push_back(std::make_unique<Exact<float>>(members * size));
    args.leaf[k] = leaves.back()->p;
    if (k < kOfPart)
      for (int i = 0; i < members * size; i++) args.leaf[k][i] = normal(random) / std::sqrt(float(kSizes[l]));
  }
  if (emulated_launch(&args, members, kThreads, kSharedFloats * sizeof(float))) return 2;
  for (int m = 0; m < members; m++) std::printf("%g of %g\n", sums.p[2 * m], sums.p[2 * m + 1]);
#ifdef MOST_CONFLICTS
  const double conflicts = emulation::conflicts();
  std::printf("conflicts: %.3f\n", conflicts);
  return conflicts > MOST_CONFLICTS;
#endif
}
#endif
