// Runs the registered tests: kernel_tests [--seed N] [--cases N] [--only CASE] [NAME...]
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "harness.h"

// Defined by the sanitizers' runtimes.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));
extern "C" const char* jaxbm_isa();

namespace jaxbm_tests {

Settings settings;
std::string current_case;

namespace {

std::mutex mutex;
int failures = 0;

void say_case() {
  if (!current_case.empty()) std::fprintf(stderr, "during: %s\n", current_case.c_str());
}

void on_signal(int signal) {
  say_case();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

void fail(const char* file, int line, const std::string& what) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (++failures <= 20) std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

int run_all(const std::vector<const char*>& names) {
  size_t ran = 0;
  for (const Test& test : tests()) {
    bool chosen = names.empty();
    for (const char* name : names) chosen = chosen || std::strcmp(name, test.name) == 0;
    if (!chosen) continue;
    ran++;
    const int before = failures;
    test.run();
    std::printf("%-6s %s\n", failures == before ? "passed" : "FAILED", test.name);
    std::fflush(stdout);
  }
  std::printf("%zu tests with %s, %d failed checks\n", ran, jaxbm_isa(), failures);
  return failures == 0 && ran >= std::max<size_t>(1, names.size()) ? 0 : 1;
}

}  // namespace jaxbm_tests

int main(int argc, char** argv) {
  using namespace jaxbm_tests;
  if (__sanitizer_set_death_callback) {
    __sanitizer_set_death_callback(say_case);
  } else {
    for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) std::signal(signal, on_signal);
  }
  std::vector<const char*> names;
  for (int i = 1; i < argc; i++) {
    const bool more = i + 1 < argc;
    if (more && std::strcmp(argv[i], "--seed") == 0) settings.seed = std::strtoull(argv[++i], nullptr, 10);
    else if (more && std::strcmp(argv[i], "--cases") == 0) settings.cases = std::strtoll(argv[++i], nullptr, 10);
    else if (more && std::strcmp(argv[i], "--only") == 0) settings.only = std::strtoll(argv[++i], nullptr, 10);
    else names.push_back(argv[i]);
  }
  return run_all(names);
}
