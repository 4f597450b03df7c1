// What the library says of itself: the instruction set in use, and the names that its codes stand for.
#include <cstring>

#include "ffi/checks.h"
#include "ffi/isa.h"

JAXBM_EXPORT const char* jaxbm_isa() { return jaxbm::kernels().name; }

// Names in the order of their codes, each followed by a space; null for a kind that there is none of.
JAXBM_EXPORT const char* jaxbm_names(const char* kind) {
  if (std::strcmp(kind, "activation") == 0) return jaxbm::kActivationNames;
  if (std::strcmp(kind, "loss") == 0) return jaxbm::kLossNames;
  if (std::strcmp(kind, "optimizer") == 0) return jaxbm::kOptimizerNames;
  return nullptr;
}
