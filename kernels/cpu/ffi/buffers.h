// Checked access to a call's buffers.
//
// Every buffer has `lead` leading axes before those that the arithmetic knows. A leading axis is 1 where the buffer
// is shared by all members along it, else the number of members.
#pragma once
#include <cstring>
#include <exception>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace jaxbm {

namespace ffi = xla::ffi;

inline std::string text(const std::vector<int64_t>& dims) {
  std::string s = "[";
  for (size_t i = 0; i < dims.size(); i++) s += (i ? ", " : "") + std::to_string(dims[i]);
  return s + "]";
}

inline std::string text(ffi::DataType dtype) {
  std::ostringstream s;
  s << static_cast<XLA_FFI_DataType>(dtype);
  return s.str();
}

// One buffer: where member m's part begins.
template <class T>
struct Part {
  T* data = nullptr;
  std::vector<int64_t> strides;  // in elements, one for each leading axis; 0 where shared
  std::vector<int64_t> tail;
  int64_t elements = 0;

  explicit operator bool() const { return data != nullptr; }
  T* at(const std::vector<int64_t>& place) const {
    if (!data) return nullptr;
    int64_t offset = 0;
    for (size_t i = 0; i < strides.size(); i++) offset += strides[i] * place[i];
    return data + offset;
  }
};

class BadCall : public std::exception {
 public:
  explicit BadCall(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

// Takes the buffers of a call one after the other, checks each, and finds the member axes.
class Buffers {
 public:
  Buffers(ffi::RemainingArgs args, ffi::RemainingRets rets, int64_t lead) : args_(args), rets_(rets) {
    if (lead < 0 || lead > 16) throw BadCall("lead: expected 0 to 16, got " + std::to_string(lead));
    members_.assign(lead, 1);
  }

  // The next argument; a negative entry of `tail` fits any size.
  template <class T>
  Part<const T> argument(const char* name, std::vector<int64_t> tail) {
    auto buffer = args_.get<ffi::AnyBuffer>(next_arg_++);
    if (!buffer.has_value()) throw BadCall(std::string(name) + ": the call has too few arguments");
    return check<const T>(name, *buffer, tail, false);
  }

  // The next result, and the argument at its place, whose values it starts with.
  template <class T>
  Part<T> state(const char* name, std::vector<int64_t> tail) {
    auto in = argument<T>(name, tail);
    auto out = result<T>(name, tail);
    if (in.elements != out.elements) throw BadCall(std::string(name) + ": state goes in and out in one shape");
    if (in.data != out.data) std::memcpy(out.data, in.data, sizeof(T) * out.elements);
    return out;
  }

  template <class T>
  Part<T> result(const char* name, std::vector<int64_t> tail) {
    auto buffer = rets_.get<ffi::AnyBuffer>(next_ret_++);
    if (!buffer.has_value()) throw BadCall(std::string(name) + ": the call has too few results");
    return check<T>(name, **buffer, tail, true);
  }

  // All leading axes are known once every buffer is taken. Returns the number of members.
  int64_t finish() const {
    if (next_arg_ != args_.size() || next_ret_ != rets_.size())
      throw BadCall("expected " + std::to_string(next_arg_) + " arguments and " + std::to_string(next_ret_) +
                    " results, got " + std::to_string(args_.size()) + " and " + std::to_string(rets_.size()));
    int64_t n = 1;
    for (int64_t m : members_) n *= m;
    for (auto& [name, lead] : results_)
      if (lead != members_) throw BadCall(name + ": a result's leading axes must be " + text(members_));
    return n;
  }

  std::vector<int64_t> place(int64_t member) const {
    std::vector<int64_t> p(members_.size());
    for (size_t i = members_.size(); i-- > 0; member /= members_[i]) p[i] = member % members_[i];
    return p;
  }

 private:
  template <class T>
  Part<T> check(const char* name, ffi::AnyBuffer buffer, const std::vector<int64_t>& tail, bool is_result) {
    const ffi::DataType want = std::is_same_v<std::remove_const_t<T>, float>     ? ffi::F32
                               : std::is_same_v<std::remove_const_t<T>, int32_t> ? ffi::S32
                                                                                 : ffi::U32;
    if (buffer.element_type() != want)
      throw BadCall(std::string(name) + ": expected dtype " + text(want) + ", got " + text(buffer.element_type()));
    const std::vector<int64_t> dims(buffer.dimensions().begin(), buffer.dimensions().end());
    const size_t lead = members_.size();
    bool fits = dims.size() == lead + tail.size();
    for (size_t i = 0; fits && i < tail.size(); i++) fits = tail[i] < 0 || dims[lead + i] == tail[i];
    if (!fits)
      throw BadCall(std::string(name) + ": expected shape " + text(tail) + " after " + std::to_string(lead) +
                    " leading axes, got " + text(dims));
    Part<T> part;
    part.data = static_cast<T*>(buffer.untyped_data());
    part.tail.assign(dims.begin() + lead, dims.end());
    part.strides.assign(lead, 0);
    int64_t stride = 1;
    for (int64_t d : part.tail) stride *= d;
    for (size_t i = lead; i-- > 0; stride *= dims[i]) {
      if (dims[i] == 1) continue;
      if (members_[i] != 1 && members_[i] != dims[i])
        throw BadCall(std::string(name) + ": expected leading axis " + std::to_string(i) + " to be 1 or " +
                      std::to_string(members_[i]) + ", got " + std::to_string(dims[i]));
      members_[i] = dims[i];
      part.strides[i] = stride;
    }
    part.elements = stride;
    // Where nothing is to be pointed at, XLA gives no address; an absent buffer is null here.
    static T nothing{};
    if (!part.data) part.data = &nothing;
    if (is_result) results_.emplace_back(name, std::vector<int64_t>(dims.begin(), dims.begin() + lead));
    return part;
  }

  ffi::RemainingArgs args_;
  ffi::RemainingRets rets_;
  size_t next_arg_ = 0, next_ret_ = 0;
  std::vector<int64_t> members_;
  std::vector<std::pair<std::string, std::vector<int64_t>>> results_;
};

}  // namespace jaxbm
