// The order in which a run visits its rows, and the rows of a batch brought together.
#pragma once
#include "math/shuffle.h"
#include "mlp/net.h"

namespace jaxbm {
namespace {

// Rows [first, last) of a batch: features, labels and weights of the table's rows `index`.
void gather(const Spec& s, Net& net, const Rows& rows, const int32_t* index, long first, long last) {
  const Layer& l = net.layer[0];
  const long in = l.in, outputs = s.labels_2d ? s.sizes[s.layers] : 1;
  const long stride = s.labels_2d ? net.layer[net.layers - 1].gradient_stride : 1;
  for (long r = first; r < last; r++) {
    const float* x = rows.x + (long)index[r] * in;
    float* a = l.input + r * l.input_stride;
    long i = 0;
    for (; i + VL <= in; i += VL) store(a + i, load(x + i));
    if (i < in) store(a + i, load_first(x + i, in - i));
    const float* y = (const float*)rows.y + (long)index[r] * outputs;  // integers are copied as they are
    for (long c = 0; c < outputs; c++) __builtin_memcpy(net.labels + r * stride + c, y + c, 4);
  }
}

INLINE void prefetch(const Spec& s, const Rows& rows, const int32_t* index, long first, long last) {
  const long in = s.sizes[0];
  for (long r = first; r < last; r++) {
    const char* x = (const char*)(rows.x + (long)index[r] * in);
    for (long i = 0; i < in * 4; i += 64) __builtin_prefetch(x + i, 0, 2);
  }
}

// How the places of a run's rows are visited: in turn, or permuted, then drawn with replacement where asked.
struct Order {
  const Permutation* permutation;
  const Stream* bootstrap;
  uint32_t rows;
};

// Table rows at places [start, start + count) of the order.
template <int Vectors>
INLINE void order_vectors(const Rows& rows, const Order& order, long start, long count, int32_t* index) {
  Word place[Vectors];
  UNROLL for (int v = 0; v < Vectors; v++) place[v] = (Word)(lanes() + (int32_t)(start + v * VL));
  if (order.permutation) order.permutation->apply(place);
  if (order.bootstrap)
    UNROLL for (int v = 0; v < Vectors; v++) place[v] = mix(mix(place[v] ^ order.bootstrap->a) + order.bootstrap->b);
  uint32_t flat[Vectors * VL];
  UNROLL for (int v = 0; v < Vectors; v++) store((float*)flat + v * VL, (Vec)place[v]);
  for (long k = 0; k < count; k++) {
    long row = order.bootstrap ? (long)((uint64_t)flat[k] * order.rows >> 32) : (long)flat[k];
    index[k] = rows.index ? rows.index[row] : (int32_t)row;
  }
}

void order_rows(const Rows& rows, const Order& order, long start, long count, int32_t* index) {
  constexpr int kMost = VL >= 16 ? 8 : 4;  // as many as fill the time that one round of the permutation waits
  long i = 0;
  for (; count - i > kMost / 2 * VL; i += kMost * VL)
    order_vectors<kMost>(rows, order, start + i, count - i < kMost * VL ? count - i : kMost * VL, index + i);
  if (i < count) order_vectors<kMost / 2>(rows, order, start + i, count - i, index + i);
}

}  // namespace
}  // namespace jaxbm
