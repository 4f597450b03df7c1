// Calls of the handlers by themselves: what XLA's runtime does for a call takes longer than a step of a small network.
//
// A call is described once, and then made with other addresses. There are no threads but the caller's.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "ffi/checks.h"

JAXBM_HANDLER(jaxbm_train)
JAXBM_HANDLER(jaxbm_apply)
JAXBM_HANDLER(jaxbm_along)

// A runtime's own, opaque to handlers.
struct XLA_FFI_Error {
  XLA_FFI_Error_Code code;
  std::string message;
};

namespace jaxbm {
namespace {

XLA_FFI_Error* create(XLA_FFI_Error_Create_Args* a) { return new XLA_FFI_Error{a->errc, a->message}; }
void destroy(XLA_FFI_Error_Destroy_Args* a) { delete a->error; }
XLA_FFI_Error* no_pool() { return new XLA_FFI_Error{XLA_FFI_Error_Code_UNIMPLEMENTED, "no thread pool"}; }
XLA_FFI_Error* schedule(XLA_FFI_ThreadPool_Schedule_Args*) { return no_pool(); }
XLA_FFI_Error* num_threads(XLA_FFI_ThreadPool_NumThreads_Args*) { return no_pool(); }

// All that the handlers ask a runtime for.
const XLA_FFI_Api& runtime() {
  static const XLA_FFI_Api table = [] {
    XLA_FFI_Api api = {};
    api.struct_size = XLA_FFI_Api_STRUCT_SIZE;
    api.api_version = {XLA_FFI_Api_Version_STRUCT_SIZE, nullptr, XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR};
    api.XLA_FFI_Error_Create = create;
    api.XLA_FFI_Error_Destroy = destroy;
    api.XLA_FFI_ThreadPool_Schedule = schedule;
    api.XLA_FFI_ThreadPool_NumThreads = num_threads;
    return api;
  }();
  return table;
}

// One integer, or several.
struct Attribute {
  std::string name;
  std::vector<int64_t> values;
  XLA_FFI_ByteSpan span = {};
  XLA_FFI_Scalar scalar = {};
  XLA_FFI_Array array = {};
  bool is_array = false;
};

class DirectCall {
 public:
  // `description`: of each buffer, arguments first, its dtype, its number of axes and their lengths; then of each
  // attribute -1 and a value, or their number and the values, in the order of `names`, which a space follows each.
  DirectCall(XLA_FFI_Handler* handler, int64_t args, int64_t rets, const char* names, const int64_t* description)
      : handler_(handler), args_(args) {
    const int64_t* at = description;
    dims_.resize(args + rets);
    for (std::vector<int64_t>& dims : dims_) {
      dtypes_.push_back((XLA_FFI_DataType)at[0]);
      dims.assign(at + 2, at + 2 + at[1]);
      at += 2 + at[1];
    }
    for (const char *name = names, *end; (end = std::strchr(name, ' ')) != nullptr; name = end + 1) {
      Attribute& a = attributes_.emplace_back();
      const int64_t count = *at++;
      a.name.assign(name, end), a.is_array = count >= 0;
      a.values.assign(at, at + std::max<int64_t>(1, count));
      if (count == 0) a.values.clear();
      at += count < 0 ? 1 : count;
    }
    std::sort(attributes_.begin(), attributes_.end(), [](auto& a, auto& b) { return a.name < b.name; });
    for (Attribute& a : attributes_) {
      a.span = {a.name.data(), a.name.size()};
      a.scalar = {XLA_FFI_DataType_S64, a.values.data()};
      a.array = {XLA_FFI_DataType_S64, a.values.size(), a.values.data()};
      names_.push_back(&a.span);
      types_.push_back(a.is_array ? XLA_FFI_AttrType_ARRAY : XLA_FFI_AttrType_SCALAR);
      values_.push_back(a.is_array ? (void*)&a.array : (void*)&a.scalar);
    }
  }

  // Any number of threads may call at once: what is the call's alone stands on the caller's stack and heap.
  std::unique_ptr<XLA_FFI_Error> run(void* const* addresses) const {
    const size_t n = dims_.size();
    std::vector<XLA_FFI_Buffer> buffers(n);
    std::vector<void*> places(n);
    for (size_t i = 0; i < n; i++) {
      int64_t* dims = const_cast<int64_t*>(dims_[i].data());
      buffers[i] = {sizeof(XLA_FFI_Buffer), nullptr, dtypes_[i], addresses[i], (int64_t)dims_[i].size(), dims};
      places[i] = &buffers[i];
    }
    std::vector<XLA_FFI_ArgType> arg_types(args_, XLA_FFI_ArgType_BUFFER);
    std::vector<XLA_FFI_RetType> ret_types(n - args_, XLA_FFI_RetType_BUFFER);
    XLA_FFI_CallFrame frame = {};
    frame.struct_size = XLA_FFI_CallFrame_STRUCT_SIZE;
    frame.api = &runtime();
    frame.stage = XLA_FFI_ExecutionStage_EXECUTE;
    frame.args = {XLA_FFI_Args_STRUCT_SIZE, nullptr, args_, arg_types.data(), places.data()};
    frame.rets = {XLA_FFI_Rets_STRUCT_SIZE, nullptr, (int64_t)n - args_, ret_types.data(), places.data() + args_};
    frame.attrs = {XLA_FFI_Attrs_STRUCT_SIZE, nullptr, (int64_t)names_.size(),
                   const_cast<XLA_FFI_AttrType*>(types_.data()), const_cast<XLA_FFI_ByteSpan**>(names_.data()),
                   const_cast<void**>(values_.data())};
    return std::unique_ptr<XLA_FFI_Error>(handler_(&frame));
  }

 private:
  XLA_FFI_Handler* handler_;
  int64_t args_;
  std::vector<XLA_FFI_DataType> dtypes_;
  std::vector<std::vector<int64_t>> dims_;
  std::vector<Attribute> attributes_;
  std::vector<XLA_FFI_ByteSpan*> names_;
  std::vector<XLA_FFI_AttrType> types_;
  std::vector<void*> values_;
};

XLA_FFI_Handler* handler_of(const std::string& target) {
  if (target == "jaxbm_train") return jaxbm_train;
  if (target == "jaxbm_apply") return jaxbm_apply;
  return target == "jaxbm_along" ? jaxbm_along : nullptr;
}

}  // namespace
}  // namespace jaxbm

// A call that was described, for `jaxbm_direct_run`; null for a target that there is none of.
JAXBM_EXPORT void* jaxbm_direct_call(const char* target, int64_t args, int64_t rets, const char* names,
                                     const int64_t* description) {
  XLA_FFI_Handler* handler = jaxbm::handler_of(target);
  return handler ? new jaxbm::DirectCall(handler, args, rets, names, description) : nullptr;
}

// Makes it, with the addresses of its buffers. Null, or what is wrong, which this thread may read until its next call.
JAXBM_EXPORT const char* jaxbm_direct_run(const void* call, void* const* addresses) {
  static thread_local std::string told;
  const auto error = static_cast<const jaxbm::DirectCall*>(call)->run(addresses);
  if (!error) return nullptr;
  told = error->message;
  return told.c_str();
}

JAXBM_EXPORT void jaxbm_direct_free(void* call) { delete static_cast<jaxbm::DirectCall*>(call); }
