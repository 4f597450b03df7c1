// An epoch of training of many small networks, one to a block: its parameters in shared memory, the optimizer's moments
// in registers. A step has two barriers of the block (three where gradients are clipped):
//
// 1. Each warp takes its own rows of the batch forward, through the loss and back.
// 2. Each owner (a thread, or with tensor cores a warp) sums the gradients of its own weights over the batch and moves
//    them, while copies bring the next rows.
#include "portable.h"
#include "rows.h"
#include "shape.h"
#if PARTS
#include "strips.h"
#include "tensor.h"
#else
#include "products.h"
#include "tiles.h"
#endif

// Barriers that tests take out in turn: the sanitizer has to complain.
#ifdef WITHOUT_FIRST_BARRIER
#define FIRST_BARRIER()
#else
#define FIRST_BARRIER() __syncthreads()
#endif
#ifdef WITHOUT_SECOND_BARRIER
#define SECOND_BARRIER()
#else
#define SECOND_BARRIER() __syncthreads()
#endif
#ifdef WITHOUT_CLIP_BARRIER
#define CLIP_BARRIER()
#else
#define CLIP_BARRIER() __syncthreads()
#endif

// The sum of what the warps left in shared memory.
DEVICE float sum_of_warps(const float* from) {
  float sum = 0.f;
#pragma unroll
  for (int w = 0; w < kWarps; w++) sum += from[w];
  return sum;
}

DEVICE void load_weights(const Args& args, float* shared, long long member) {
  for_each<0, kLayers>([&](auto l) {
    constexpr int L = decltype(l)::value, I = kSizes[L], O = kSizes[L + 1];
    const float* w = args.leaf[kOfLayer * L] + member * I * O;
    for (int i = threadIdx.x; i < I * O; i += kThreads) shared[w_place(L, i / O, i % O)] = w[i];
    if constexpr (kBias) {
      const float* b = args.leaf[kOfLayer * L + 1] + member * O;
      for (int i = threadIdx.x; i < O; i += kThreads) shared[w_place(L, I, i)] = b[i];
    }
  });
}

// The columns of ones that biases are the weights of.
DEVICE void write_ones(float* batch) {
  for (int r = threadIdx.x; kBias && r < kAllRows; r += kThreads) {
    float* row = batch + r * kStride;
    row[kIn] = row[in_width(0) + kIn] = 1.f;
    for_each<1, kLayers>([&](auto l) { row[a_column(decltype(l)::value) + kSizes[decltype(l)::value]] = 1.f; });
  }
}

DEVICE void load_moments(const Args& args, const Tile& tile, Moments& moments, long long member) {
#pragma unroll
  for (int i = 0; i < kTile; i++)
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if constexpr (kMoments > 0) moments.first[i][j] = 0.f;
      if constexpr (kMoments > 1) moments.second[i][j] = 0.f;
    }
  elements(tile, [&](int i, int j, auto leaf, int index, int size) {
    constexpr int k = decltype(leaf)::value;
    if constexpr (kMoments > 0) moments.first[i][j] = args.leaf[kOfPart + k][member * size + index];
    if constexpr (kMoments > 1) moments.second[i][j] = args.leaf[2 * kOfPart + k][member * size + index];
  });
}

DEVICE void store_tile(const Args& args, const float* shared, const Tile& tile, const Moments& moments,
                       long long member) {
  elements(tile, [&](int i, int j, auto leaf, int index, int size) {
    constexpr int k = decltype(leaf)::value;
    args.leaf[k][member * size + index] = shared[tile.place(i, j)];
    if constexpr (kMoments > 0) args.leaf[kOfPart + k][member * size + index] = moments.first[i][j];
    if constexpr (kMoments > 1) args.leaf[2 * kOfPart + k][member * size + index] = moments.second[i][j];
  });
}

extern "C" __global__ void __launch_bounds__(kThreads, BLOCKS) train(const Args args) {
  SHARED_FLOATS(shared);
  float* batch = shared + kBatchOffset;
  const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32, owner = kTensor ? warp : thread;
  const long long member = blockIdx.x;
  auto input = [&](int i) { return static_cast<const float*>(args.in[i]) + fresh(blockIdx.x) * args.stride[i]; };

  const int* ints = reinterpret_cast<const int*>(input(kInts));
  float* sums = args.sums + member * 2;
  if (!ints[kGoing]) {
    if (thread < 2) sums[thread] = 0.f;
    return;
  }
  const float* numbers = input(kNumbers);
  const int count = ints[kCount], epoch = ints[kEpoch], steps = ceil_div(count, kBatch);
  const u32* words = reinterpret_cast<const u32*>(input(kWords));
  const Stream stream{words[0], words[1]};

  for (int i = thread; i < kSharedFloats; i += kThreads) shared[i] = 0.f;
  __syncthreads();
  write_ones(batch);
  load_weights(args, shared, member);
  const int* widths = reinterpret_cast<const int*>(shared + kWidthsOffset);
  if constexpr (kWidths) {
    if (thread <= kLayers) shared[kWidthsOffset + thread] = input(kWidthsInput)[thread];  // bits of integers
  }
  PackedTile tiles[kSlots];
  Moments moments[kSlots];
#pragma unroll
  for (int s = 0; s < kSlots; s++) {
    const Tile tile = tile_of(owner + s * kOwners);
    tiles[s] = packed(tile);
    load_moments(args, tile, moments[s], member);
  }

  u32* keys = reinterpret_cast<u32*>(shared + kKeysOffset);
  if constexpr (kShuffle) make_keys(keys, derive(derive(stream, kShuffleTag), epoch), count);
  __syncthreads();
  const int* listed = kIndexed ? reinterpret_cast<const int*>(input(kRowsInput)) : nullptr;
  const Stream draws = derive(stream, kBootstrapTag), dropped = derive(stream, kDropoutTag);
  const Order order{listed, keys, draws, count, ints[kStart], args.table_rows, warp, lane};
  // Where arrays begin is worked out wherever it is needed: it would stand in registers for the whole launch.
  auto table = [&] {
    return Table{input(kX), input(kY), kRowWeights ? input(kRowWeightsInput) : nullptr};
  };
  const float* class_weight = kClassWeights ? input(kClassWeightsInput) : nullptr;
  const float l2 = 2.f * numbers[kOfL2], max_norm = numbers[kMaxNorm], loss_number = numbers[kOfLoss];
  Drops drops{{0, 0}, kDropout ? words[2] : 0, numbers[kKeepScale]};
  Step h = constant_numbers(numbers);
  Schedule schedule{};
  int group = 0, found = order.find(0), found_next = kIndexed ? order.find(1) : 0;
  prefetch(table(), batch, warp, lane, 0, found, 0);
  copy_async_wait();
  __syncthreads();

  Sums all{0.f, 0.f};
  int parity = 0;
#pragma unroll 1
  for (int step = 0; step < steps; step++) {
    const int sub = (step + 1) % kAhead;
    if (sub == 0) {
      group++;
      found = kIndexed ? found_next : order.find(group);
      if constexpr (kIndexed) found_next = order.find(group + 1);
    }
    if (step + 1 < steps) prefetch(table(), batch, warp, lane, parity ^ 1, found, sub);
    if (step % 32 == 0) {
      const int before = reinterpret_cast<const int*>(input(kInts))[kStepsBefore];
      schedule = scheduled(input(kNumbers), input(kRates), steps, step + lane, before);
    }

    const int in_batch = count - step * kBatch < kBatch ? count - step * kBatch : kBatch;
    if constexpr (kDropout) drops.step = derive(dropped, epoch * steps + step);
    for_each<0, kLayers>([&](auto l) {
      constexpr int L = decltype(l)::value;
      forward<L>(shared, batch, warp, lane, parity, kWidths ? widths[L + 1] : 0, drops);
    });
    Sums now{0.f, 0.f};
    losses(batch, class_weight, args.classes, loss_number, warp, lane, parity, in_batch, kWeighted ? now : all);
    for_each<1, kLayers>([&](auto l) { backward<kLayers - decltype(l)::value>(shared, batch, warp, lane); });
    if constexpr (kWeighted) {
      all.loss += now.loss, all.weight += now.weight;
      const float weight = warp_sum(now.weight);
      if (lane == 0) shared[kSumOffset + kWarps + warp] = weight;
    }
    take(h, schedule, step % 32);
    FIRST_BARRIER();

    float scale = 1.f;
    if constexpr (kWeighted) {
      const float weight = sum_of_warps(shared + kSumOffset + kWarps);
      scale = weight == 0.f ? 0.f : 1.f / weight;
    }
    const float penalty = !kL2OverRows ? l2 : kWeighted ? l2 * scale : l2 / in_batch;
    if constexpr (kClip) {
      Gradient gradient[kSlots];
      float square = 0.f;
#pragma unroll
      for (int s = 0; s < kSlots; s++)
        if (const Tile tile = unpacked(tiles[s]); tile.layer >= 0) {
          sum_gradient(batch, tile, parity, gradient[s]);
          complete(gradient[s], shared, tile, scale, penalty);
          square += square_of(gradient[s]);
        }
      square = warp_sum(square);
      if (lane == 0) shared[kSumOffset + 2 * kWarps + warp] = square;
      CLIP_BARRIER();
      const float norm = sqrtf(sum_of_warps(shared + kSumOffset + 2 * kWarps));
      const float kept = norm > max_norm ? max_norm / norm : 1.f;
#pragma unroll
      for (int s = 0; s < kSlots; s++)
        if (const Tile tile = unpacked(tiles[s]); tile.layer >= 0)
          update_tile(shared, tile, gradient[s], moments[s], h, kept);
    } else {
#pragma unroll
      for (int s = 0; s < kSlots; s++)
        if (const Tile tile = unpacked(tiles[s]); tile.layer >= 0) {
          Gradient gradient;
          sum_gradient(batch, tile, parity, gradient);
          complete(gradient, shared, tile, scale, penalty);
          update_tile(shared, tile, gradient, moments[s], h, 1.f);
        }
    }
    copy_async_wait();
    SECOND_BARRIER();
    parity ^= 1;
  }

  all.loss = warp_sum(all.loss), all.weight = warp_sum(all.weight);
  if (lane == 0) shared[kSumOffset + warp] = all.loss, shared[kSumOffset + kWarps + warp] = all.weight;
#pragma unroll
  for (int s = 0; s < kSlots; s++)
    if (const Tile tile = tile_of(fresh(owner) + s * kOwners); tile.layer >= 0)
      store_tile(args, shared, tile, moments[s], member);
  __syncthreads();
  if (thread < 2) sums[thread] = sum_of_warps(shared + kSumOffset + thread * kWarps);
}
