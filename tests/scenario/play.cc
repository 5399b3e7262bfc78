#include <algorithm>
#include <regex>
#include <set>

#include "sim/program.h"
#include "sim/sim_node.h"
#include "tests/scenario/script.h"

namespace mobula::scenario {
namespace {

using sim::Known;
using sim::Program;

constexpr Duration kJoinMax = std::chrono::seconds(10);

/// What must be a script's mistake ends the script; `Play` makes an error of it.
[[noreturn]] void Refuse(const std::string& why) { throw std::invalid_argument(why); }

/// Turns lines of the log into text that stays the same when ids or latencies change: without the
/// time, nodes and workers by their names, and other ids numbered in order of appearance.
class Transcript {
 public:
  void Show(const std::vector<std::string>& subjects) {
    subjects_ = {subjects.begin(), subjects.end()};
  }
  void Add(const std::string& text) { text_ += text + '\n'; }

  void AddEvent(std::string_view line) {
    static const std::regex kLine(R"( *[0-9.]+s  (\S+)  (\S+) +(\S+)(.*))");
    static const std::regex kId(R"(\b[0-9a-f]{8}\b)");
    std::match_results<std::string_view::const_iterator> part;
    if (!std::regex_match(line.begin(), line.end(), part, kLine)) return;
    const std::string who = part[1];
    const std::string event = part[3];
    LearnName(who, event, part[4]);
    if (!subjects_.contains(part[2])) return;
    std::string details = part[4];
    std::string named;
    std::smatch id;
    while (std::regex_search(details, id, kId)) {
      named += id.prefix().str() + NameOf(id.str());
      details = id.suffix();
    }
    Add(fmt::format("{}  {:<6} {}{}", who, part[2].str(), event, named + details));
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void LearnName(const std::string& who, const std::string& event, const std::string& details) {
    static const std::regex kNode(R"( node=(\S+) endpoint=sim://(\w+)\.node.*)");
    static const std::regex kWorker(R"( worker=(\S+) pid=(\S+).*)");
    std::smatch part;
    if (event == "registered" && std::regex_match(details, part, kNode)) names_[part[1]] = part[2];
    if (event == "registered" && std::regex_match(details, part, kWorker)) {
      names_[part[1]] = fmt::format("{}.w{}", who, part[2].str());
    }
  }
  std::string NameOf(const std::string& id) {
    if (id.starts_with("0000")) return id;  // jobs are numbered already
    auto& name = names_[id];
    if (name.empty()) name = fmt::format("#{}", ++last_);
    return name;
  }

  std::set<std::string, std::less<>> subjects_{"lease", "task", "node", "worker", "object"};
  std::map<std::string, std::string> names_;
  int last_ = 0;
  std::string text_;
};

struct ScriptDriver {
  ScriptDriver(sim::World& world, std::string name, core_worker::AssemblyOptions options)
      : process(world, std::move(name), std::move(options)),
        program(world, process.loop(), process.core(), nullptr) {}
  sim::SimulatedProcess process;
  Program program;
  std::map<std::string, Known> values;
};

class Stage {
 public:
  Stage() : world_(config_, Options(), sim::Plant::kNone) {
    world_.log_level = LogLevel::kDebug;
    world_.on_line = [this](std::string_view line) { transcript_.AddEvent(line); };
  }
  ~Stage() {
    world_.on_line = nullptr;
    for (const auto& [name, driver] : drivers_) driver->process.Kill();
    for (const auto& [host, node] : nodes_) node->Kill();
  }

  void Do(const Command& command) {
    transcript_.Add("> " + command.text);
    const auto word = [&](std::size_t index) {
      if (index >= command.words.size()) Refuse(command.name + " wants more words");
      return command.words[index];
    };
    if (command.name == "show") return transcript_.Show(command.words);
    if (command.name == "cluster") {
      for (std::int64_t i = std::stoll(command.settings.at("nodes")); i > 0; --i) AddNode(command);
    } else if (command.name == "node") {
      AddNode(command);
    } else if (command.name == "driver") {
      AddDriver(word(0), command);
    } else if (command.name == "submit") {
      Submit(DriverOf(word(0)), word(1), command);
    } else if (command.name == "get") {
      Get(word(0), word(1));
    } else if (command.name == "drop") {
      if (DriverOf(word(0)).values.erase(word(1)) == 0) Refuse("no value " + word(1));
    } else if (command.name == "holds") {
      const std::string left = DriverOf(word(0)).process.Leftovers();
      transcript_.Add(left.empty() ? word(0) + "  holds nothing" : left);
    } else if (command.name == "kill") {
      Kill(word(0), word(1));
    } else if (command.name == "partition") {
      world_.network.Part(word(0), word(1));
      world_.network.Part(word(1), word(0));
    } else if (command.name == "heal") {
      world_.network.Heal();
    } else if (command.name == "run") {
      const Result<Duration> time = ParseTime(word(0));
      if (!time) Refuse(time.error().message());
      world_.loop.RunFor(*time);
    } else {
      Refuse(
          "unknown command; known: show, cluster, node, driver, submit, get, drop, holds, kill, "
          "partition, heal, run");
    }
    if (world_.violation) transcript_.Add("VIOLATED " + *world_.violation);
  }
  [[nodiscard]] const std::string& text() const { return transcript_.text(); }

 private:
  static sim::SimOptions Options() {
    sim::SimOptions options;
    options.seed = 1;
    options.latency_us = 100;
    options.inline_bytes_max = 1000;
    return options;
  }
  ScriptDriver& DriverOf(const std::string& name) {
    const auto it = drivers_.find(name);
    if (it == drivers_.end()) Refuse("no driver " + name);
    return *it->second;
  }

  /// Settings other than these are amounts of resources.
  static ResourceSet AmountsOf(const Command& command) {
    static const std::set<std::string> kOther = {"nodes",   "time",    "takes", "contains",
                                                 "retries", "returns", "bytes", "on"};
    ResourceSet amounts;
    for (const auto& [key, value] : command.settings) {
      if (kOther.contains(key)) continue;
      amounts.Set(key == "cpus" ? std::string(kCpu) : key, Amount::FromDouble(std::stod(value)));
    }
    return amounts;
  }

  void AddNode(const Command& command) {
    const std::string host = fmt::format("n{}", last_host_++);
    auto node = sim::SimulatedNode::Make(world_, host, host == "n0", AmountsOf(command));
    if (!node) Refuse(node.error().message());
    sim::SimulatedNode& made = *(nodes_[host] = std::move(*node));
    made.OnMustExit([this, host](const Error&) { Kill("node", host); });
    bool has_joined = false;
    made.Start([&](const Result<void>& joined) { has_joined = joined.has_value(); });
    if (!world_.loop.RunUntil([&] { return has_joined; }, kJoinMax)) Refuse(host + " cannot join");
  }

  void AddDriver(const std::string& name, const Command& command) {
    core_worker::AssemblyOptions options;
    options.program.set_hash("the scenario's program");
    const std::string host = command.settings.contains("on") ? command.settings.at("on") : "n0";
    options.is_driver = true;
    options.raylet_endpoint = nodes_.at(host)->local_endpoint();
    ScriptDriver& driver = *(drivers_[name] = std::make_unique<ScriptDriver>(
                                 world_, host + "." + name, std::move(options)));
    driver.process.Start([](const Result<void>&) {});
    if (!world_.loop.RunUntil([&] { return driver.process.has_joined(); }, kJoinMax)) {
      Refuse(name + " cannot join");
    }
  }

  /// The values that a setting such as `takes=a,b` names.
  static std::vector<Known> ValuesOf(ScriptDriver& driver, const Command& command,
                                     const std::string& key) {
    std::vector<Known> found;
    const auto it = command.settings.find(key);
    if (it == command.settings.end()) return found;
    std::istringstream names(it->second);
    for (std::string name; std::getline(names, name, ',');) {
      if (!driver.values.contains(name)) Refuse("no value " + name);
      found.push_back(driver.values.at(name));
    }
    return found;
  }

  void Submit(ScriptDriver& driver, const std::string& name, const Command& command) {
    const auto setting = [&](const std::string& key, std::string usual) {
      const auto it = command.settings.find(key);
      return it == command.settings.end() ? usual : it->second;
    };
    sim::Plan plan;
    plan.set_id(world_.oracle.NewId());
    plan.set_constant(plan.id());
    const Result<Duration> time = ParseTime(setting("time", "1ms"));
    if (!time) Refuse(time.error().message());
    plan.set_time_us(std::chrono::duration_cast<std::chrono::microseconds>(*time).count());
    plan.set_max_retries(std::stoi(setting("retries", "0")));
    plan.set_value_bytes(static_cast<std::uint32_t>(std::stoul(setting("bytes", "0"))));
    if (setting("returns", "") == "put") plan.set_inner(sim::PUT);
    if (setting("returns", "") == "contained") plan.set_inner(sim::CONTAINED);
    const ResourceSet amounts = AmountsOf(command);
    for (const auto& [key, amount] : amounts.entries()) {
      (*plan.mutable_resources())[key] = amount.ToDouble();
    }
    const std::vector<Known> takes = ValuesOf(driver, command, "takes");
    const std::vector<Known> contains = ValuesOf(driver, command, "contains");
    const auto ids = [](const std::vector<Known>& values) {
      std::vector<std::uint32_t> list;
      for (const Known& value : values) list.push_back(value.id);
      return list;
    };
    world_.oracle.AddTask(plan, ids(takes), ids(contains), name);
    Known& made = driver.values[name];
    made.id = plan.id();
    made.reference = driver.program.Submit(plan, takes, contains);
  }

  /// The outcome is an event of its own. A reference inside the value gets the name `a.inner`.
  void Get(const std::string& who, const std::string& name) {
    ScriptDriver& driver = DriverOf(who);
    const auto known = driver.values.find(name);
    if (known == driver.values.end()) Refuse("no value " + name);
    const std::uint32_t id = known->second.id;
    driver.process.core().Get(
        known->second.reference, [this, &driver, who, name, id](const Result<Payload>& value) {
          if (!value) {
            return transcript_.Add(
                fmt::format("{}  got    {}: {}", who, name, ErrorCodeName(value.error().code())));
          }
          const Result<sim::Value> decoded = sim::DecodeValue(value->text());
          const bool is_right = decoded && decoded->hash() == world_.oracle.HashOf(id);
          transcript_.Add(
              fmt::format("{}  got    {}: {}", who, name, is_right ? "its value" : "DAMAGE"));
          if (!decoded || !decoded->has_inner()) return;
          Known& inner = driver.values[name + ".inner"];
          inner.id = world_.oracle.InnerOf(id);
          inner.reference = driver.program.Borrow(decoded->inner());
        });
  }

  void Kill(const std::string& kind, const std::string& name) {
    if (kind == "driver") {
      auto driver = drivers_.extract(name);
      if (driver.empty()) Refuse("no driver " + name);
      driver.mapped()->process.Kill();
      world_.loop.Post([dead = std::move(driver.mapped())]() mutable { dead.reset(); });
    } else if (kind == "node") {
      auto node = nodes_.extract(name);
      if (node.empty()) Refuse("no node " + name);
      node.mapped()->Kill();
      world_.loop.Post([dead = std::move(node.mapped())]() mutable { dead.reset(); });
    } else if (kind == "worker") {
      const std::size_t dot = name.find(".w");
      if (dot == std::string::npos) Refuse("a worker is called n0.w1001");
      nodes_.at(name.substr(0, dot))->launcher().Kill(std::stoll(name.substr(dot + 2)));
    } else {
      Refuse("kill what? driver, node or worker");
    }
  }

  Transcript transcript_;
  sim::SimConfig config_;
  sim::World world_;
  std::map<std::string, std::unique_ptr<sim::SimulatedNode>> nodes_;
  std::map<std::string, std::unique_ptr<ScriptDriver>> drivers_;
  int last_host_ = 0;
};

}  // namespace

Result<std::string> Play(const std::vector<Command>& commands) {
  Stage stage;
  for (const Command& command : commands) {
    try {
      stage.Do(command);
    } catch (const std::exception& mistake) {  // of the script: a number or a name that is none
      return Fail(ErrorCode::kInvalidArgument, "{}: {}: {}", command.line, command.text,
                  mistake.what());
    }
  }
  return stage.text();
}

}  // namespace mobula::scenario
