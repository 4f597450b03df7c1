// A test harness of the size that these tests need: registration, checks, reproducible random numbers.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace jaxbm_tests {

struct Test {
  const char* name;
  void (*run)();
};

std::vector<Test>& tests();
void fail(const char* file, int line, const std::string& what);  // notes a failure; the test goes on

struct Registration {
  Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

#define TEST(name)                                                          \
  static void name();                                                       \
  static const jaxbm_tests::Registration name##_registration(#name, &name); \
  static void name()

// `what` says which case it was; it is evaluated on a failure only.
#define CHECK(condition, what)                                                                        \
  do {                                                                                                \
    if (!(condition)) jaxbm_tests::fail(__FILE__, __LINE__, std::string(#condition) + ": " + (what)); \
  } while (0)

// splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int64_t between(int64_t low, int64_t high) { return low + (int64_t)(bits() % (uint64_t)(high - low + 1)); }
  bool chance(double p) { return uniform() < p; }
  double uniform() { return (double)(bits() >> 11) * 0x1p-53; }
  float symmetric(float most) { return (float)(2 * uniform() - 1) * most; }
  template <class T>
  const T& one_of(const std::vector<T>& values) {
    return values[(size_t)between(0, (int64_t)values.size() - 1)];
  }

 private:
  uint64_t state_;
};

// What the command line set.
struct Settings {
  uint64_t seed = 1;
  int64_t cases = 12000;  // of the fuzz
  int64_t only = -1;      // one case of it
};
extern Settings settings;

// Said when the process dies in the middle of a case, so that the case can be run again.
extern std::string current_case;

}  // namespace jaxbm_tests
