/// \file
/// \edge
/// \brief Starting a node in the background and ending it, by its own records only.
#pragma once

#include <string>

#include "components/base/event_loop.h"
#include "components/base/result.h"
#include "node/session.h"

namespace mobula::cli {

/// Starts `node` detached from this terminal with a configuration file, and waits until it is up.
/// \return its record. Otherwise the error is what the node said.
[[nodiscard]] Result<node::NodeRecord> StartInBackground(const std::string& config);
/// The same with the text of a configuration, which errors then do not name a file for.
[[nodiscard]] Result<node::NodeRecord> StartWithText(const std::string& yaml);

/// Asks a node to end and waits; forces it after `patience`. \return false if it had to be forced.
[[nodiscard]] bool EndNode(const node::NodeRecord& record, Duration patience);

}  // namespace mobula::cli
