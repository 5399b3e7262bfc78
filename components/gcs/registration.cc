#include "components/gcs/registration.h"

#include <utility>

#include "components/gcs/faulty/storage.h"
#include "components/gcs/memory/storage.h"

namespace mobula::gcs {
namespace {

Result<std::unique_ptr<Storage>> MakeMemory(const ConfigValue& config,
                                            const StorageContext& context) {
  ConfigReader reader(config, context.path);
  std::ignore = reader.Text("kind", "memory");
  if (auto read = reader.Finish(); !read) return Fail(std::move(read.error()));
  return std::make_unique<MemoryStorage>(context.loop);
}

Result<StorageFault> ReadFault(const ConfigValue& config, const std::string& path) {
  using Operation = StorageFault::Operation;
  ConfigReader reader(config, path);
  StorageFault fault;
  const std::string operation = reader.Text("operation", "any");
  if (operation == "write") {
    fault.operation = Operation::kWrite;
  } else if (operation == "read") {
    fault.operation = Operation::kRead;
  } else if (operation == "scan") {
    fault.operation = Operation::kScan;
  } else if (operation != "any") {
    reader.Reject("operation", "must be any, write, read or scan");
  }
  fault.table = reader.Text("table", "");
  fault.skip = reader.Integer("skip", fault.skip, 0, INT64_MAX);
  fault.chance = reader.Number("chance", 1, 0, 1);
  fault.delay = reader.Time("delay", Duration(0));
  fault.error = reader.Boolean("error", false);
  fault.applied = reader.Boolean("applied", false);
  if (auto read = reader.Finish(); !read) return Fail(std::move(read.error()));
  return fault;
}

Result<std::unique_ptr<Storage>> MakeFaulty(const ConfigValue& config,
                                            const StorageContext& context) {
  ConfigReader reader(config, context.path);
  std::ignore = reader.Text("kind", "faulty");
  const ConfigValue& inner = reader.Child("inner");
  const ConfigValue& listed = reader.Child("rules");
  std::vector<StorageFault> rules;
  if (const ConfigValue::List* list = listed.list()) {
    for (const ConfigValue& item : *list) {
      auto rule = ReadFault(item, fmt::format("{}.rules[{}]", context.path, rules.size()));
      if (!rule) return Fail(std::move(rule.error()));
      rules.push_back(std::move(*rule));
    }
  } else if (reader.Has("rules")) {
    reader.Reject("rules", "must be a list, not {}", listed.TypeName());
  }
  if (auto read = reader.Finish(); !read) return Fail(std::move(read.error()));
  auto made = MakeStorage(inner, {context.loop, context.random.Fork("inner"), context.registry,
                                  context.path + ".inner"});
  if (!made) return Fail(std::move(made.error()));
  return std::make_unique<FaultyStorage>(context.loop, context.random.Fork("faulty"),
                                         std::move(*made), std::move(rules));
}

}  // namespace

Registry<StorageMaker> BuiltInStorages() {
  Registry<StorageMaker> registry("gcs storage");
  registry.Add("faulty", MakeFaulty);
  registry.Add("memory", MakeMemory);
  return registry;
}

Result<std::unique_ptr<Storage>> MakeStorage(const ConfigValue& config,
                                             const StorageContext& context) {
  const std::string kind = ConfigReader(config, context.path).Text("kind", "memory");
  const auto maker = context.registry.Find(kind);
  if (!maker) return Fail(Error(maker.error()).Context(context.path));
  return (**maker)(config, context);
}

}  // namespace mobula::gcs
