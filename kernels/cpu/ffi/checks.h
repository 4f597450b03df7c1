// What every handler does: say what was expected where a call doesn't fit, and turn exceptions into XLA's errors.
#pragma once
#include <new>

#include "ffi/buffers.h"
#include "kernel.h"

// A handler is a symbol of the library; everything else is hidden.
#define JAXBM_EXPORT extern "C" __attribute__((visibility("default")))
#define JAXBM_HANDLER(name) JAXBM_EXPORT XLA_FFI_Error* name(XLA_FFI_CallFrame*);

namespace jaxbm {

template <class Body>
ffi::Error guarded(Body body) {
  try {
    return body();
  } catch (const BadCall& e) {
    return ffi::Error::InvalidArgument(std::string("jaxbm: ") + e.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "jaxbm: not enough memory for the workspace");
  }
}

inline void require(bool fits, const char* name, const std::string& expected, int64_t got) {
  if (!fits) throw BadCall(std::string(name) + ": expected " + expected + ", got " + std::to_string(got));
}

inline void require_within(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;  // no text is made of thousands of members that are right
  require(false, name, (least < most ? std::to_string(least) + " to " : "") + std::to_string(most), value);
}

inline void require_code(const char* name, int64_t value, int codes, const char* names) {
  if (value >= 0 && value < codes) return;
  require(false, name, std::string("the place of one of: ") + names, value);
}

inline void set_network(Spec& s, ffi::Span<const int64_t> sizes, ffi::Span<const int64_t> activations) {
  const int64_t layers = (int64_t)sizes.size() - 1;
  require_within("number of layers", layers, 1, kMaxLayers);
  require_within("number of activations", (int64_t)activations.size(), layers - 1, layers - 1);
  s.layers = (int)layers;
  for (int64_t i = 0; i <= layers; i++) {
    require_within("size", sizes[i], 1, 1 << 24);
    s.sizes[i] = sizes[i];
  }
  for (int64_t i = 0; i < layers - 1; i++) {
    require_code("activation", activations[i], kActivations, kActivationNames);
    s.activation[i] = (int)activations[i];
  }
}

}  // namespace jaxbm
