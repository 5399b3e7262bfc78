// \edge: turns values into bytes and back, kind by kind
#include "mobula/internal/function_table.h"

#include <link.h>

#include <atomic>
#include <string>

#include "components/base/check.h"
#include "mobula/internal/type_name.h"

namespace mobula::internal {
namespace {

// Constant-initialised: entries link themselves in before main, in any order. A global by nature:
// it is part of the program's text.
constinit std::atomic<const FunctionEntry*> g_first = nullptr;

struct Search {
  std::uintptr_t address;
  FunctionKey* key;
  bool is_first = true;
};

// Looks for the binary that holds the address. The first one visited is the main program.
int Visit(dl_phdr_info* binary, std::size_t, void* data) {
  Search& search = *static_cast<Search*>(data);
  const bool is_program = std::exchange(search.is_first, false);
  for (const auto& segment : std::span(binary->dlpi_phdr, binary->dlpi_phnum)) {
    const std::uintptr_t begin = binary->dlpi_addr + segment.p_vaddr;
    if (segment.p_type != PT_LOAD || search.address < begin ||
        search.address - begin >= segment.p_memsz) {
      continue;
    }
    search.key->offset = search.address - binary->dlpi_addr;
    if (!is_program) {
      const std::string_view path = binary->dlpi_name;
      search.key->module = path.substr(path.rfind('/') + 1);
    }
    return 1;
  }
  return 0;
}

bool Same(const FunctionKey& a, const FunctionKey& b) {
  return a.offset == b.offset && a.name == b.name && a.module == b.module;
}

}  // namespace

FunctionEntry::FunctionEntry(Invoker invoker, std::string_view name)
    : invoker_(invoker), next_(g_first.load(std::memory_order_relaxed)) {
  key_.name = name;
  Search search{reinterpret_cast<std::uintptr_t>(invoker), &key_};
  Check(dl_iterate_phdr(&Visit, &search) == 1, "a remote function lies in a loaded binary");
  while (!g_first.compare_exchange_weak(next_, this, std::memory_order_release)) {
  }
}

const FunctionEntry* FirstFunction() { return g_first.load(std::memory_order_acquire); }

Result<const FunctionEntry*> FindFunction(const FunctionKey& key) {
  bool same_name = false;
  for (const FunctionEntry* entry = FirstFunction(); entry != nullptr; entry = entry->next()) {
    if (Same(entry->key(), key)) return entry;
    same_name = same_name || entry->key().name == key.name;
  }
  return Fail(ErrorCode::kVersionMismatch,
              "this program has no remote function '{}' at {}+{:#x}{}; caller and worker must be "
              "the same build",
              Readable(key.name), key.module.empty() ? "the program" : key.module, key.offset,
              same_name ? " (it has one of that name elsewhere)" : "");
}

}  // namespace mobula::internal
