// What the binding hands to the arithmetic: plain structs, no XLA types.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "vocabulary.h"

namespace jaxbm {

constexpr int kMaxLayers = 32;
constexpr long kEvaluationRows = 256;  // rows whose activations are alive at once when a data set is evaluated

// What all members of a call share.
struct Spec {
  int layers;
  long sizes[kMaxLayers + 1];
  int activation[kMaxLayers];  // of hidden layers; the last layer gives logits
  int loss, optimizer;
  bool bias, nesterov, momentum, shuffle, clip, dropout, early_stopping, weighted, labels_2d;
  bool validation, validation_weighted, bootstrap;
  bool l2_over_rows;  // the penalty's factor is divided by each batch's sum of row weights
  long batch, rates;  // rates: entries of the learning rate, 1 or one per step
};

inline double weights(const Spec& s) {
  double n = 0;
  for (int i = 0; i < s.layers; i++) n += (double)s.sizes[i] * s.sizes[i + 1];
  return n;
}

// Of a step.
inline double flops(const Spec& s) { return 6 * weights(s) * s.batch; }

inline double activations(const Spec& s) {
  double n = 0;
  for (int i = 0; i <= s.layers; i++) n += (double)s.sizes[i] * s.batch;
  return n;
}

constexpr double kHalvesFlops = 2e6;  // below, meeting twice a step costs more than a second thread gives

// Whether a step is large enough for two threads. From shapes alone, since results must not depend on anything else.
inline bool may_halve(const Spec& s) { return flops(s) >= kHalvesFlops; }

// Whether the gradients of a batch are summed in two halves of its rows, which then are added up: two threads tell each
// other weights and their gradients, not activations, so it is for networks with few weights.
inline bool in_halves(const Spec& s) { return may_halve(s) && 2 * weights(s) <= activations(s); }

// Parameters, or one of the optimizer's moments: the caller's arrays, weight [in, out] and bias [out].
struct Leaves {
  float* weight[kMaxLayers];
  float* bias[kMaxLayers];
};

// Rows to visit: `index[i]` of the table, or `i` itself without an index.
struct Rows {
  const float* x;
  const void* y;  // float, or int32 for integer labels
  const float* weight;
  const int32_t* index;
  long count;
  bool poisoned;  // a row of them is none of the table's: they are not looked at, and their loss is NaN
};

// Where a run stands, in and out, in the order of the caller's int32 vector.
struct Clock {
  int32_t count, epoch, epochs_run, best_epoch, wait, active, finite;
};

struct Numbers {
  float b1, b2, eps, eps_root, weight_decay;  // Adam
  float momentum;                             // gradient descent
  float l2, clip_norm, keep_scale, min_delta, huber_delta;
};

// One member's training run.
struct Run {
  Rows train, validation;
  const float* rate;
  Numbers numbers;
  uint32_t words[2], drop_below;  // a unit is dropped where its random word is below
  long stop, epochs, patience;  // epochs: this run's own number; stop: where this call ends
  const int32_t* widths;        // [layers + 1]: the run's true sizes within the Spec's; null where they are the same
  Clock* clock;
  float* best_value;
  Leaves params, first, second, best;
  float *loss, *validation_loss;  // one entry per epoch
};

// One feature's way through the first layer of a network.
struct Line {
  const float *values, *slope;  // ascending [count]; what each unit gains per one of the feature [units]
  long count;                   // at most kEvaluationRows
  float below;                  // the activation's slope below zero; above it is 1
};

// The first layer's affine part, and what is added to it in each case: amounts of a few features' directions.
struct Shift {
  const float *base, *directions, *amounts;  // [units, rows]; [groups, features, units]; [cases, features, rows or 1]
  long features, cases, cases_of_group, rows;
  bool each;       // whether there are amounts for each row
  int activation;  // of the first layer
};

// Threads that work on one run in step with each other.
struct Team {
  int size;
  int arrived, generation;
  int sleeping = 0;          // waiting without a processor
  bool may_dissolve = false;  // into rank 0 alone, where the others are of no use
  bool dissolved = false;
  int64_t waited = 0;  // nanoseconds, of all members together: longer waits than those for a running thread
};

constexpr int64_t kTeamWindow = 5000000;  // nanoseconds: longer than one thread is kept off its processor

// Whether so many threads that waited so long for each other did little more than one does alone.
inline bool is_useless(int size, int64_t waited, int64_t passed) {
  return size - (double)waited / (double)passed < 1.6;
}

// The arithmetic, compiled once for each instruction set.
struct Kernels {
  const char* name;
  bool (*on_tiles)(const Spec*, long rows);  // whether a layer is wide enough for AMX, with so many rows at once
  size_t (*train_bytes)(const Spec*, int threads);
  void (*train)(const Spec*, const Run*, char* workspace, Team*, int rank);
  size_t (*apply_bytes)(const Spec*);
  // `apply_pack` fills the weights' workspace; `apply` uses it, and a workspace of its own.
  void (*apply_pack)(const Spec*, const Leaves*, char* weights);
  void (*apply)(const Spec*, const char* weights, char* workspace, const Rows*, float* out);
  size_t (*weight_bytes)(const Spec*);
  // `Spec` and weights are those of the layers behind the first.
  size_t (*along_bytes)(const Spec*, long values);
  void (*along)(const Spec*, const char* weights, char* workspace, const Line*, const float* base, long rows,
                float* out);
  size_t (*shifted_bytes)(const Spec*, long features);
  void (*shifted)(const Spec*, const Leaves*, char* workspace, const Shift*, long start, long rows, float* out);
  // w, m and v may be w0, m0 and v0.
  void (*adam)(const Numbers*, bool nesterov, long count, float rate, long n, const float* g, const float* w0,
               const float* m0, const float* v0, float* w, float* m, float* v);
  void (*permutation)(const uint32_t* words, uint32_t n, uint32_t first, long count, int32_t* out);
};

}  // namespace jaxbm
