// Launches the training kernel from XLA's programs: a block for each member.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "programs.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace jaxbm::cuda {
namespace {

constexpr size_t kMostArguments = 4096;  // bytes of a kernel's arguments

// A buffer with `lead` axes of members in front, each of full length or of length 1 where members share it.
struct Buffer {
  char* data;
  std::vector<int64_t> lead;
  int64_t elements;  // of one member
};

template <class Any>
ffi::Error add(const Any& any, int64_t lead, std::vector<Buffer>& to) {
  const auto dims = any.dimensions();
  if (ffi::ByteWidth(any.element_type()) != 4 || static_cast<int64_t>(dims.size()) < lead)
    return ffi::Error::InvalidArgument("jaxbm_cuda: a buffer is not of four bytes an element, or lacks an axis");
  int64_t elements = 1;
  for (size_t i = lead; i < dims.size(); i++) elements *= dims[i];
  to.push_back({static_cast<char*>(any.untyped_data()), {dims.begin(), dims.begin() + lead}, elements});
  return ffi::Error::Success();
}

// Members as a loop of launches, each over `inner` blocks: axes along which all buffers go on alike are one.
struct Members {
  std::vector<int64_t> outer;
  int64_t inner = 1;
};

Members members_of(std::vector<Buffer>& buffers, int64_t lead) {
  std::vector<int64_t> size(lead, 1);
  for (int64_t a = 0; a < lead; a++)
    for (const Buffer& b : buffers) size[a] = std::max(size[a], b.lead[a]);
  for (int64_t a = static_cast<int64_t>(size.size()) - 2; a >= 0; a--) {
    const bool alike = std::all_of(buffers.begin(), buffers.end(), [&](const Buffer& b) {
      return size[a] == 1 || size[a + 1] == 1 || (b.lead[a] == size[a]) == (b.lead[a + 1] == size[a + 1]);
    });
    if (!alike) continue;
    size[a] *= size[a + 1], size.erase(size.begin() + a + 1);
    for (Buffer& b : buffers) b.lead[a] *= b.lead[a + 1], b.lead.erase(b.lead.begin() + a + 1);
  }
  Members m;
  if (!size.empty()) m.inner = size.back(), size.pop_back();
  m.outer = size;
  return m;
}

// Where the members of launch `number` begin in a buffer, in elements; and how far from one of them to the next.
int64_t offset(const Buffer& b, const Members& m, int64_t number) {
  int64_t at = 0, stride = b.elements * (b.lead.empty() ? 1 : b.lead.back());
  for (size_t a = m.outer.size(); a-- > 0; number /= m.outer[a]) {
    if (b.lead[a] > 1) at += number % m.outer[a] * stride;
    stride *= b.lead[a];
  }
  return at;
}
int64_t stride(const Buffer& b) { return b.lead.empty() || b.lead.back() == 1 ? 0 : b.elements; }

ffi::Error run(Stream* stream, ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead, int64_t changed,
               int64_t program, int64_t threads, int64_t shared, ffi::Span<const int64_t> numbers) {
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < args.size(); i++) {
    auto buffer = args.get<ffi::AnyBuffer>(i);
    if (!buffer) return buffer.error();
    if (ffi::Error error = add(*buffer, lead, buffers); error.failure()) return error;
  }
  for (size_t i = 0; i < rets.size(); i++) {
    auto buffer = rets.get<ffi::AnyBuffer>(i);
    if (!buffer) return buffer.error();
    if (static_cast<int64_t>(i) >= changed) {
      if (ffi::Error error = add(**buffer, lead, buffers); error.failure()) return error;
    } else if (i >= args.size() || (*buffer)->untyped_data() != buffers[i].data) {
      return ffi::Error::InvalidArgument("jaxbm_cuda: a state was not handed over in place");
    }
  }
  State& s = state();
  const Driver* d;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    d = &driver(s);
  }
  if (!d->missing.empty()) return ffi::Error(ffi::ErrorCode::kUnavailable, d->missing);
  Context* context = nullptr;
  if (Result code = d->stream_context(stream, &context)) return ffi::Error::Internal(d->failed("cuStreamGetCtx", code));
  if (Result code = d->push_context(context)) return ffi::Error::Internal(d->failed("cuCtxPushCurrent", code));
  Pushed pushed{*d};
  Function* function = nullptr;
  if (const std::string why = find(s, *d, context, program, static_cast<int>(shared), &function); !why.empty())
    return ffi::Error::Internal(why);

  // The kernel takes one argument by value: every buffer's address, the strides of those that are only read, numbers.
  const Members members = members_of(buffers, lead);
  int64_t launches = 1;
  for (int64_t n : members.outer) launches *= n;
  std::vector<char> block;
  auto append = [&](const void* from, size_t bytes) {
    block.insert(block.end(), static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  };
  for (int64_t number = 0; number < launches; number++) {
    block.clear();
    for (const Buffer& b : buffers) {
      const char* at = b.data + 4 * offset(b, members, number);
      append(&at, sizeof at);
    }
    for (size_t i = changed; i < args.size(); i++) {
      const int64_t step = stride(buffers[i]);
      append(&step, sizeof step);
    }
    for (int64_t n : numbers) {
      const int32_t narrow = static_cast<int32_t>(n);
      append(&narrow, sizeof narrow);
    }
    block.resize((block.size() + 7) / 8 * 8);
    if (block.size() > kMostArguments) return ffi::Error::InvalidArgument("jaxbm_cuda: too many buffers for one launch");
    void* parameters[] = {block.data()};
    if (Result code = d->launch(function, static_cast<unsigned>(members.inner), 1, 1, static_cast<unsigned>(threads), 1,
                                1, static_cast<unsigned>(shared), stream, parameters, nullptr))
      return ffi::Error::Internal(d->failed("launching the kernel (cuLaunchKernel)", code));
  }
  return ffi::Error::Success();
}

// XLA's CPU backend has no streams: for tests, with a driver that emulates.
ffi::Error run_emulated(ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead, int64_t changed,
                        int64_t program, int64_t threads, int64_t shared, ffi::Span<const int64_t> numbers) {
  return run(nullptr, args, rets, lead, changed, program, threads, shared, numbers);
}

}  // namespace
}  // namespace jaxbm::cuda

#define JAXBM_REST                \
  .RemainingArgs()                \
      .RemainingRets()            \
      .Attr<int64_t>("lead")      \
      .Attr<int64_t>("changed")   \
      .Attr<int64_t>("program")   \
      .Attr<int64_t>("threads")   \
      .Attr<int64_t>("shared")    \
      .Attr<ffi::Span<const int64_t>>("numbers")
#define JAXBM_VISIBLE extern "C" __attribute__((visibility("default")))

// Under XLA's CUDA graphs a launch on a capturing stream becomes a node.
JAXBM_VISIBLE XLA_FFI_Error* jaxbm_cuda_train(XLA_FFI_CallFrame*);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_cuda_train, jaxbm::cuda::run,
                              ffi::Ffi::Bind().Ctx<ffi::PlatformStream<jaxbm::cuda::Stream*>>() JAXBM_REST,
                              {ffi::Traits::kCmdBufferCompatible});
JAXBM_VISIBLE XLA_FFI_Error* jaxbm_cuda_train_emulated(XLA_FFI_CallFrame*);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxbm_cuda_train_emulated, jaxbm::cuda::run_emulated, ffi::Ffi::Bind() JAXBM_REST);

// A program of this number will come: launches wait for it.
JAXBM_VISIBLE void jaxbm_cuda_expect(int64_t program) {
  auto& s = jaxbm::cuda::state();
  std::lock_guard<std::mutex> lock(s.mutex);
  auto& expected = s.programs[program];
  if (!expected.failure.empty()) expected = {};  // another attempt
}

// It came, or why it didn't.
JAXBM_VISIBLE void jaxbm_cuda_arrived(int64_t program, const char* image, size_t bytes, const char* failure) {
  auto& s = jaxbm::cuda::state();
  std::lock_guard<std::mutex> lock(s.mutex);
  auto& came = s.programs[program];
  came.image.assign(image, image + bytes), came.failure = failure, came.pending = false;
  s.arrived.notify_all();
}

// The driver's version, such as 13000; or 0, with why there is none in `why`.
JAXBM_VISIBLE int jaxbm_cuda_driver(char* why, size_t bytes) {
  auto& s = jaxbm::cuda::state();
  std::lock_guard<std::mutex> lock(s.mutex);
  const auto& d = jaxbm::cuda::driver(s);
  int version = 0;
  std::string missing = d.missing;
  if (missing.empty())
    if (int code = d.driver_version(&version)) missing = d.failed("cuDriverGetVersion", code);
  std::strncpy(why, missing.c_str(), bytes - 1), why[bytes - 1] = 0;
  return missing.empty() ? version : 0;
}

// Another driver's library, before the first launch.
JAXBM_VISIBLE void jaxbm_cuda_set_driver(const char* path) {
  auto& s = jaxbm::cuda::state();
  std::lock_guard<std::mutex> lock(s.mutex);
  s.path = path, s.driver.reset(), s.loaded.clear();
}
