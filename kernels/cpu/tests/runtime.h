// As much of the XLA runtime as a handler sees: the API's table, a thread pool, and a call's frame, built by hand.
#pragma once
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "xla/ffi/api/c_api.h"

namespace jaxbm_tests {

size_t bytes_of(XLA_FFI_DataType dtype);

// A buffer of exactly its size, so that a sanitizer sees the first byte beyond it. Like XLA's, one without elements
// has no address, and others start on a cache line.
class Array {
 public:
  Array(std::string name, XLA_FFI_DataType dtype, std::vector<int64_t> dims);
  Array(const Array& other);
  Array& operator=(Array other) noexcept;
  ~Array();

  int64_t elements() const;
  size_t bytes() const { return bytes_of(dtype) * (size_t)elements(); }
  template <class T>
  T* as() { return static_cast<T*>(data); }
  template <class T>
  const T* as() const { return static_cast<const T*>(data); }

  std::string name;
  XLA_FFI_DataType dtype;
  std::vector<int64_t> dims;
  void* data = nullptr;
};

bool same_bytes(const Array& a, const Array& b);  // in dtype, shape and content

struct Attribute {
  enum Kind { kInteger, kIntegers, kFloat, kInt32, kText } kind;
  std::vector<int64_t> values;
};

// Worker threads. A runtime can also have none, refuse work, or not know how many threads it has.
class Runtime {
 public:
  explicit Runtime(int threads);
  ~Runtime();

  bool refuses = false;
  bool counts = true;

 private:
  friend struct Callbacks;
  void schedule(XLA_FFI_Task* task, void* data);
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<XLA_FFI_Task*, void*>> queue_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

// What a call gave: nothing, or an error.
struct Outcome {
  XLA_FFI_Error_Code code = XLA_FFI_Error_Code_OK;
  std::string message;
  bool ok() const { return code == XLA_FFI_Error_Code_OK; }
};

// A call of one handler. The first `state` results are arguments changed in place, with `in_place` in the same
// memory, as XLA does for donated buffers.
struct Call {
  XLA_FFI_Handler* handler = nullptr;
  std::vector<Array> args, rets;
  std::map<std::string, Attribute> attributes;
  std::vector<int> arg_of_ret;  // for each result: the argument whose memory it may share, or -1
  bool in_place = false;

  Array& arg(const std::string& name);
  Array& ret(const std::string& name);
  Outcome run(Runtime& runtime);
};

}  // namespace jaxbm_tests
