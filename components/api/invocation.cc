// \edge: turns values into bytes and back, kind by kind
#include "mobula/internal/invocation.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <typeinfo>

namespace mobula::internal {
namespace {

std::string Demangled(const char* name) {
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, nullptr), &std::free);
  return Readable(text == nullptr ? name : text.get());
}

/// What of an exception's text travels.
constexpr std::size_t kMessageBytesMax = 64 << 10;

std::string Shorten(std::string_view text) {
  if (text.size() <= kMessageBytesMax) return std::string(text);
  return fmt::format("{}… ({} of {} bytes)", text.substr(0, kMessageBytesMax), kMessageBytesMax,
                     text.size());
}

Error TaskFailed(const FunctionEntry& function, std::string type, std::string message) {
  return Error(ErrorCode::kTaskFailed, std::move(message))
      .WithRemote({.task_name = Readable(function.key().name),
                   .type_name = std::move(type),
                   .node_id = {},
                   .pid = 0});
}

}  // namespace

Result<SerializedValue> Invoke(const FunctionEntry& function, Runtime& runtime,
                               std::span<const Payload> arguments,
                               std::shared_ptr<void>* instance) {
  Invocation call{runtime, arguments, instance, {}, {}};
  try {
    function.invoker()(call);
  } catch (const abi::__forced_unwind&) {
    throw;  // the thread is being cancelled; to swallow that is to abort
  } catch (const std::exception& failure) {
    return Fail(TaskFailed(function, Demangled(typeid(failure).name()), Shorten(failure.what())));
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    std::string name = type == nullptr ? "unknown" : Demangled(type->name());
    std::string message =
        fmt::format("threw something of type {}, which is no std::exception", name);
    return Fail(TaskFailed(function, std::move(name), std::move(message)));
  }
  if (call.error) {
    return Fail(std::move(*call.error).Context(Readable(function.key().name)));
  }
  return std::move(call.result);
}

void SetArgumentError(Invocation& call, std::size_t index, std::string_view type, Error error) {
  call.error = std::move(error).Context(
      fmt::format("argument {} should be a {}", index + 1, Readable(type)));
}

bool CheckArgumentCount(Invocation& call, std::size_t expected) {
  if (call.arguments.size() == expected) return true;
  call.error = Error(ErrorCode::kCorrupt, fmt::format("takes {} arguments, was given {}", expected,
                                                      call.arguments.size()));
  return false;
}

std::string Readable(std::string_view name) {
  static constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {"std::__cxx11::", "std::"},
      {"std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"},
      {"std::basic_string<char>", "std::string"},
      {"std::basic_string_view<char>", "std::string_view"},
      {"{anonymous}::", ""},
      {"(anonymous namespace)::", ""},
      {"<lambda closure object>", ""},
      {"> >", ">>"}};
  std::string text(name);
  for (const auto& [from, to] : kReplacements) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

}  // namespace mobula::internal
