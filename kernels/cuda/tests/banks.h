// Counts in how many passes over shared memory's banks the kernel's accesses go, by the line that makes them.
//
// Of a warp's 16-byte accesses eight go in a pass, one to each group of four banks; sixteen do where lanes i and i ^ 1, or
// i and i ^ 2, of a half warp read the same place. Of 8-byte accesses sixteen go in a pass, of 4-byte ones all. What takes
// a pass more, since places differ but not their banks, is a conflict. The rule is what NVIDIA's profiler shows.
#pragma once
#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <string>

#include "portable.h"

namespace emulation {

struct Access {
  std::string line;
  uint32_t at;  // in floats
  int floats;
};
inline std::vector<std::vector<Access>> accesses;  // of each thread

inline void count(const float* p, int floats, const char* file, int line) {
  accesses.resize(self->block->threads.size());
  const auto at = static_cast<uint32_t>(p - self->block->shared);
  const std::string path = file;
  accesses[threadIdx.x].push_back({path.substr(path.rfind('/') + 1) + ":" + std::to_string(line), at, floats});
}

struct Passes {
  int made, least;
};
// Of those from `from` on that go together.
inline void pass(const std::array<uint32_t, 32>& at, int from, int together, int floats, Passes& passes) {
  std::map<uint32_t, std::set<uint32_t>> groups;
  for (int i = from; i < from + together; i++) groups[at[i] / floats % (32 / floats)].insert(at[i]);
  size_t most = 0;
  for (const auto& [group, places] : groups) most = std::max(most, places.size());
  passes.made += most, passes.least++;
}
inline Passes passes(const std::array<uint32_t, 32>& at, int floats) {
  Passes passes{};
  if (floats < 4) {
    for (int from = 0; from < 32; from += 32 / floats) pass(at, from, 32 / floats, floats, passes);
    return passes;
  }
  for (int half = 0; half < 32; half += 16) {
    bool pairs[3] = {true, true, true};
    for (int i = 0; i < 16; i++)
      for (int x = 1; x <= 2; x++) pairs[x] &= at[half + i] == at[half + (i ^ x)];
    const int together = pairs[1] || pairs[2] ? 16 : 8;
    for (int from = half; from < half + 16; from += together) pass(at, from, together, 4, passes);
  }
  return passes;
}

// Passes that are conflicts, as a share of all that there have to be; tells each line.
inline double conflicts() {
  struct Sum {
    long made, least;
  };
  std::map<std::string, Sum> lines;
  for (size_t warp = 0; warp < accesses.size(); warp += 32) {
    std::map<std::string, std::array<std::vector<uint32_t>, 32>> of_line;
    std::map<std::string, int> floats;
    for (int lane = 0; lane < 32; lane++)
      for (const Access& one : accesses[warp + lane])
        of_line[one.line][lane].push_back(one.at), floats[one.line] = one.floats;
    for (const auto& [line, lanes] : of_line) {  // the k-th time that a lane passes a line goes with others' k-th time
      size_t n = 0;
      for (const auto& lane : lanes) n = std::max(n, lane.size());
      for (size_t k = 0; k < n; k++) {
        uint32_t any = 0;
        for (const auto& lane : lanes)
          if (k < lane.size()) any = lane[k];
        std::array<uint32_t, 32> at;
        for (int lane = 0; lane < 32; lane++) at[lane] = k < lanes[lane].size() ? lanes[lane][k] : any;
        const Passes found = passes(at, floats[line]);
        lines[line].made += found.made, lines[line].least += found.least;
      }
    }
  }
  Sum all{};
  for (const auto& [line, sum] : lines) {
    std::printf("%s: %ld passes, %.2f of the least\n", line.c_str(), sum.made, double(sum.made) / sum.least);
    all.made += sum.made, all.least += sum.least;
  }
  return double(all.made - all.least) / all.least;
}

}  // namespace emulation

#define COUNTED(p, floats) emulation::count(p, floats, __FILE__, __LINE__)
#define load1(p) (COUNTED(p, 1), load1(p))
#define load2(p) (COUNTED(p, 2), load2(p))
#define load4(p) (COUNTED(p, 4), load4(p))
#define store1(p, ...) (COUNTED(p, 1), store1(p, __VA_ARGS__))
#define store2(p, ...) (COUNTED(p, 2), store2(p, __VA_ARGS__))
#define store4(p, ...) (COUNTED(p, 4), store4(p, __VA_ARGS__))
