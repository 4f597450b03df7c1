// The rows that members visit, and their parameters, as buffers of a call.
#pragma once
#include <algorithm>

#include "ffi/buffers.h"
#include "kernel.h"

namespace jaxbm {

struct LeafParts {
  std::vector<Part<float>> weight, bias;

  Leaves at(const std::vector<int64_t>& place) const {
    Leaves l = {};
    for (size_t i = 0; i < weight.size(); i++) {
      l.weight[i] = weight[i].at(place);
      if (!bias.empty()) l.bias[i] = bias[i].at(place);
    }
    return l;
  }
};

class RowParts {
 public:
  Part<const float> x, weight, class_weight;
  Part<const int32_t> integers, index;
  Part<const float> labels;

  void take(Buffers& b, const Spec& s, const char* name, bool weighted, bool class_weighted, bool indexed) {
    x = b.argument<float>(name, {-1, s.sizes[0]});
    const int64_t n = x.tail[0];
    if (s.loss == kSoftmaxIntegerLabels) integers = b.argument<int32_t>("labels", {n});
    else if (s.labels_2d) labels = b.argument<float>("labels", {n, s.sizes[s.layers]});
    else labels = b.argument<float>("labels", {n});
    if (weighted) weight = b.argument<float>("weights", {n});
    if (class_weighted) class_weight = b.argument<float>("class weights", {std::max<int64_t>(2, s.sizes[s.layers])});
    if (indexed) index = b.argument<int32_t>("rows", {-1});
  }

  // Every integer that is used as an index, looked at once, whoever shares it. Labels are not: one that names no class
  // makes a loss of NaN.
  void check() {
    for (int64_t i = 0; index && i < index.elements && !strays_; i++) strays_ = is_strange(index.data[i]);
  }

  void check_range(const int32_t* range, const char* name) const {
    const int64_t start = range[0], count = range[1], most = index ? index.tail[0] : x ? x.tail[0] : 0;
    if (start < 0 || count < 0 || start > most || count > most - start)
      throw BadCall(std::string(name) + ": rows " + std::to_string(start) + " to " + std::to_string(start + count) +
                    " do not lie within " + std::to_string(most));
  }

  // The rows of a range that was checked.
  Rows at(const std::vector<int64_t>& place, const int32_t* range) const {
    const int64_t start = range[0], count = range[1];
    Rows r = {};
    if (!x) return r;
    r.count = count;
    r.index = index ? index.at(place) + start : nullptr;
    for (int64_t i = 0; strays_ && i < count && !r.poisoned; i++) r.poisoned = is_strange(r.index[i]);
    const int64_t skip = index ? 0 : start;  // without an index, rows follow each other
    r.x = x.at(place) + skip * x.tail[1];
    if (integers || labels) r.y = integers ? (const void*)(integers.at(place) + skip)
                   : (const void*)(labels.at(place) + skip * (labels.tail.size() > 1 ? labels.tail[1] : 1));
    r.weight = weight ? weight.at(place) + skip : nullptr;
    return r;
  }

  int64_t scratch() const { return class_weight ? x.tail[0] : 0; }

  // Where members have weights of their own for classes, those of the rows visited are written out when a member's
  // turn comes, into scratch of its thread: `scratch()` floats, however many members there are.
  float* weigh(const std::vector<int64_t>& place, Rows& r, float* memory) const {
    if (!class_weight || r.poisoned) return memory;
    const float* of_class = class_weight.at(place);
    const int64_t last = class_weight.tail[0] - 1;
    for (long i = 0; i < r.count; i++) {
      const long row = r.index ? r.index[i] : i;
      const float label = integers ? (float)((const int32_t*)r.y)[row] : ((const float*)r.y)[row];
      const float picked = of_class[label > 0 ? label < (float)last ? (int64_t)label : last : 0];
      memory[row] = r.weight ? r.weight[row] * picked : picked;
    }
    r.weight = memory;
    return memory + scratch();
  }

 private:
  bool is_strange(int32_t row) const { return row < 0 || row >= x.tail[0]; }

  bool strays_ = false;  // some row of some member's is none of the table's
};

}  // namespace jaxbm
