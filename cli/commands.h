/// \file
/// \brief The commands of the binary `mobula`. Each adds itself to the command line.
///
/// A command returns its exit code: 0 done, 1 failed, 2 wrong usage or configuration. People get
/// plain text; `--format json` gives machines one JSON document on standard output.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "components/base/result.h"

namespace mobula::cli {

/// What the chosen command does; set by its callback and run after parsing.
using Action = std::function<int()>;

void AddStart(CLI::App& app, Action& action);
void AddStop(CLI::App& app, Action& action);
void AddStatus(CLI::App& app, Action& action);
void AddRun(CLI::App& app, Action& action);
void AddNew(CLI::App& app, Action& action);
void AddSim(CLI::App& app, Action& action);

/// Prints "mobula: …" to standard error. \return the exit code for it.
int Complain(const Error& error);

/// \return the head's "host:port": `given`, else $MOBULA_ADDRESS, else that of the nodes of this
///         host. kNotFound with the three ways; kInvalidArgument if they are of several clusters.
[[nodiscard]] Result<std::string> FindAddress(const std::string& given);

/// \return the folder of this executable, where `node` is too.
[[nodiscard]] std::string BinaryFolder();

}  // namespace mobula::cli
