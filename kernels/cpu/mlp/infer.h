// Logits of many rows: packed weights, a block of rows at a time.
#pragma once
#include "mlp/layers.h"

namespace jaxbm {
namespace {

// Where a network's packed weights lie, and a block of its rows.
Net inference_net(const Spec& s, Carver& weights, Carver& rows) {
  Net net = {};
  shape_layers(s, net, kEvaluationRows);
  net.rows = kEvaluationRows;
  carve_weights(net, weights, false);
  carve_rows(s, net, rows, false);
  carve_factors(net, rows, 1, 0, 0);
  return net;
}

Net inference_net(const Spec& s, char* weights, char* rows) {
  Carver for_weights(weights), for_rows(rows);
  return inference_net(s, for_weights, for_rows);
}

size_t weight_bytes(const Spec* s) {
  Carver weights(nullptr), rows(nullptr);
  inference_net(*s, weights, rows);
  return weights.used();
}

size_t apply_bytes(const Spec* s) {
  Carver weights(nullptr), rows(nullptr);
  inference_net(*s, weights, rows);
  return rows.used();
}

void apply_pack(const Spec* s, const Leaves* leaves, char* weights) {
  Net net = inference_net(*s, weights, nullptr);
  __builtin_memset(net.params, 0, net.block * sizeof(float));
  convert<true>(net, *leaves, 0);
}

void apply(const Spec* s, const char* weights, char* workspace, const Rows* rows, float* out) {
  FlushToZero scope;
  TileScope tiles;
  Net net = inference_net(*s, const_cast<char*>(weights), workspace);
  const Layer &first = net.layer[0], &last = net.layer[net.layers - 1];
  __builtin_memset(first.input, 0, (net.rows * first.input_stride + kPanel) * sizeof(float));
  for (long start = 0; start < rows->count; start += net.rows) {
    long n = rows->count - start < net.rows ? rows->count - start : net.rows;
    for (long r = 0; r < n; r++) {
      const float* x = rows->x + (rows->index ? rows->index[start + r] : start + r) * first.in;
      __builtin_memcpy(first.input + r * first.input_stride, x, first.in * sizeof(float));
    }
    forward(*s, net, nullptr, {n, 0, n, nullptr, {0, 1}});
    for (long r = 0; r < n; r++)
      __builtin_memcpy(out + (start + r) * last.out, net.logits + r * last.gradient_stride, last.out * sizeof(float));
  }
}

}  // namespace
}  // namespace jaxbm
