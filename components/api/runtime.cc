// \edge: turns values into bytes and back, kind by kind
#include "mobula/internal/runtime.h"

#include <mutex>

namespace mobula::internal {
namespace {

constinit std::mutex g_mutex;
constinit thread_local Runtime* t_thread = nullptr;

/// Guarded by the mutex. Never destroyed: threads of the user may outlive `main`.
std::shared_ptr<Runtime>& ProcessRuntime() {
  static auto* const runtime = new std::shared_ptr<Runtime>();
  return *runtime;
}

}  // namespace

void Release(const Reference& unshared) {
  const OwnerPtr owner = unshared.owner;  // outlives the call, in which it may lose all others
  owner && owner->released ? owner->released(const_cast<Reference&>(unshared)) : delete &unshared;
}

std::shared_ptr<Runtime> CurrentRuntime() {
  if (t_thread != nullptr) return {std::shared_ptr<void>(), t_thread};  // outlives its own thread
  const std::lock_guard lock(g_mutex);
  return ProcessRuntime();
}

void SetProcessRuntime(Runtime* runtime, std::shared_ptr<const void> owner) {
  std::shared_ptr<Runtime> next(std::move(owner), runtime);
  const std::lock_guard lock(g_mutex);
  ProcessRuntime().swap(next);
}

void SetThreadRuntime(Runtime* runtime) { t_thread = runtime; }

}  // namespace mobula::internal
