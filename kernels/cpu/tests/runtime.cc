#include "runtime.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

// The runtime's own, opaque to handlers.
struct XLA_FFI_Error {
  XLA_FFI_Error_Code code;
  std::string message;
};

namespace jaxbm_tests {

size_t bytes_of(XLA_FFI_DataType dtype) {
  switch (dtype) {
    case XLA_FFI_DataType_PRED: case XLA_FFI_DataType_S8: case XLA_FFI_DataType_U8: return 1;
    case XLA_FFI_DataType_S16: case XLA_FFI_DataType_F16: case XLA_FFI_DataType_BF16: return 2;
    case XLA_FFI_DataType_S64: case XLA_FFI_DataType_U64: case XLA_FFI_DataType_F64: return 8;
    default: return 4;
  }
}

Array::Array(std::string name, XLA_FFI_DataType dtype, std::vector<int64_t> dims)
    : name(std::move(name)), dtype(dtype), dims(std::move(dims)) {
  if (bytes() == 0) return;
  if (posix_memalign(&data, 64, bytes()) != 0) throw std::bad_alloc();
  std::memset(data, 0, bytes());
}

Array::Array(const Array& other) : Array(other.name, other.dtype, other.dims) {
  if (data) std::memcpy(data, other.data, bytes());
}

Array& Array::operator=(Array other) noexcept {
  std::swap(name, other.name);
  std::swap(dtype, other.dtype);
  std::swap(dims, other.dims);
  std::swap(data, other.data);
  return *this;
}

Array::~Array() { std::free(data); }

int64_t Array::elements() const {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  return n;
}

bool same_bytes(const Array& a, const Array& b) {
  return a.dtype == b.dtype && a.dims == b.dims && (a.bytes() == 0 || std::memcmp(a.data, b.data, a.bytes()) == 0);
}

Runtime::Runtime(int threads) {
  for (int i = 0; i < threads; i++) threads_.emplace_back([this] { work(); });
}

Runtime::~Runtime() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Runtime::schedule(XLA_FFI_Task* task, void* data) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.emplace_back(task, data);
  }
  changed_.notify_one();
}

void Runtime::work() {
  for (;;) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const auto [task, data] = queue_.front();
    queue_.pop_front();
    lock.unlock();
    task(data);
  }
}

struct Callbacks {
  static Runtime& runtime(XLA_FFI_ExecutionContext* ctx) { return *reinterpret_cast<Runtime*>(ctx); }
  static XLA_FFI_Error* create(XLA_FFI_Error_Create_Args* a) { return new XLA_FFI_Error{a->errc, a->message}; }
  static void destroy(XLA_FFI_Error_Destroy_Args* a) { delete a->error; }
  static XLA_FFI_Error* schedule(XLA_FFI_ThreadPool_Schedule_Args* a) {
    Runtime& r = runtime(a->ctx);
    if (r.refuses || r.threads_.empty()) return new XLA_FFI_Error{XLA_FFI_Error_Code_UNIMPLEMENTED, "no thread pool"};
    r.schedule(a->task, a->data);
    return nullptr;
  }
  static XLA_FFI_Error* num_threads(XLA_FFI_ThreadPool_NumThreads_Args* a) {
    Runtime& r = runtime(a->ctx);
    if (!r.counts) return new XLA_FFI_Error{XLA_FFI_Error_Code_UNIMPLEMENTED, "no thread pool"};
    *a->num_threads = (int64_t)r.threads_.size();
    return nullptr;
  }
  // Without the call that reads an error's message: its arguments differ between versions of the runtime, so a handler
  // that makes it crashes here.
  static XLA_FFI_Api table() {
    XLA_FFI_Api api = {};
    api.struct_size = XLA_FFI_Api_STRUCT_SIZE;
    api.api_version = {XLA_FFI_Api_Version_STRUCT_SIZE, nullptr, XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR};
    api.XLA_FFI_Error_Create = create;
    api.XLA_FFI_Error_Destroy = destroy;
    api.XLA_FFI_ThreadPool_Schedule = schedule;
    api.XLA_FFI_ThreadPool_NumThreads = num_threads;
    return api;
  }
};

namespace {

// An attribute in the runtime's form, with the memory that it points to.
struct Held {
  XLA_FFI_AttrType type = XLA_FFI_AttrType_SCALAR;
  XLA_FFI_Scalar scalar = {};
  XLA_FFI_Array array = {};
  XLA_FFI_ByteSpan text = {};
  float as_float = 0;
  int32_t as_int32 = 0;

  void* set(Attribute& a) {
    switch (a.kind) {
      case Attribute::kInteger: scalar = {XLA_FFI_DataType_S64, a.values.data()}; return &scalar;
      case Attribute::kFloat:
        as_float = (float)a.values[0];
        scalar = {XLA_FFI_DataType_F32, &as_float};
        return &scalar;
      case Attribute::kInt32:
        as_int32 = (int32_t)(uint32_t)a.values[0];
        scalar = {XLA_FFI_DataType_S32, &as_int32};
        return &scalar;
      case Attribute::kText: type = XLA_FFI_AttrType_STRING; text = {"text", 4}; return &text;
      default:
        type = XLA_FFI_AttrType_ARRAY;
        array = {XLA_FFI_DataType_S64, a.values.size(), a.values.data()};
        return &array;
    }
  }
};

XLA_FFI_Buffer buffer_of(Array& a, void* data) {
  return {sizeof(XLA_FFI_Buffer), nullptr, a.dtype, data, (int64_t)a.dims.size(), a.dims.data()};
}

template <class T>
std::vector<void*> pointers(std::vector<T>& values) {
  std::vector<void*> p;
  for (T& value : values) p.push_back(&value);
  return p;
}

Array& named(std::vector<Array>& arrays, const std::string& name) {
  for (Array& a : arrays)
    if (a.name == name) return a;
  throw std::logic_error("no array is called " + name);
}

}  // namespace

Array& Call::arg(const std::string& name) { return named(args, name); }
Array& Call::ret(const std::string& name) { return named(rets, name); }

Outcome Call::run(Runtime& runtime) {
  static const XLA_FFI_Api api = Callbacks::table();
  std::vector<XLA_FFI_Buffer> arg_buffers, ret_buffers;
  for (Array& a : args) arg_buffers.push_back(buffer_of(a, a.data));
  for (size_t i = 0; i < rets.size(); i++) {
    const size_t from = in_place && i < arg_of_ret.size() ? (size_t)arg_of_ret[i] : args.size();  // -1 is no argument
    const bool shared = from < args.size() && args[from].bytes() == rets[i].bytes();
    ret_buffers.push_back(buffer_of(rets[i], shared ? args[from].data : rets[i].data));
  }
  std::vector<XLA_FFI_ArgType> arg_types(args.size(), XLA_FFI_ArgType_BUFFER);
  std::vector<XLA_FFI_RetType> ret_types(rets.size(), XLA_FFI_RetType_BUFFER);
  auto arg_pointers = pointers(arg_buffers), ret_pointers = pointers(ret_buffers);
  std::vector<Held> held(attributes.size());
  std::vector<XLA_FFI_ByteSpan> names;
  std::vector<XLA_FFI_AttrType> types;
  std::vector<void*> values;
  for (auto& [name, attribute] : attributes) {  // a map: sorted by name, as handlers expect
    names.push_back({name.data(), name.size()});
    values.push_back(held[values.size()].set(attribute));
    types.push_back(held[types.size()].type);
  }
  auto name_pointers = pointers(names);
  XLA_FFI_CallFrame frame = {};
  frame.struct_size = XLA_FFI_CallFrame_STRUCT_SIZE;
  frame.api = &api;
  frame.ctx = reinterpret_cast<XLA_FFI_ExecutionContext*>(&runtime);
  frame.stage = XLA_FFI_ExecutionStage_EXECUTE;
  frame.args = {XLA_FFI_Args_STRUCT_SIZE, nullptr, (int64_t)args.size(), arg_types.data(), arg_pointers.data()};
  frame.rets = {XLA_FFI_Rets_STRUCT_SIZE, nullptr, (int64_t)rets.size(), ret_types.data(), ret_pointers.data()};
  frame.attrs = {XLA_FFI_Attrs_STRUCT_SIZE, nullptr, (int64_t)names.size(), types.data(),
                 reinterpret_cast<XLA_FFI_ByteSpan**>(name_pointers.data()), values.data()};
  const std::unique_ptr<XLA_FFI_Error> error(handler(&frame));
  for (size_t i = 0; i < rets.size(); i++)  // so that results are in `rets` either way
    if (ret_buffers[i].data != rets[i].data) std::memcpy(rets[i].data, ret_buffers[i].data, rets[i].bytes());
  return error ? Outcome{error->code, error->message} : Outcome{};
}

}  // namespace jaxbm_tests
