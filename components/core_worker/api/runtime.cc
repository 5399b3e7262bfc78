#include "mobula/internal/runtime.h"

#include <atomic>

namespace mobula::internal {
namespace {

constinit std::atomic<Runtime*> g_process = nullptr;
constinit thread_local Runtime* t_thread = nullptr;

}  // namespace

Runtime* CurrentRuntime() {
  return t_thread != nullptr ? t_thread : g_process.load(std::memory_order_acquire);
}

void SetProcessRuntime(Runtime* runtime) { g_process.store(runtime, std::memory_order_release); }
void SetThreadRuntime(Runtime* runtime) { t_thread = runtime; }

}  // namespace mobula::internal
