/// \file
/// \brief What /proc says of processes: memory and processor time.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bench {

/// \return `roots` and all their descendants.
[[nodiscard]] std::vector<pid_t> FamilyOf(const std::vector<pid_t>& roots);
/// \return resident memory without what is shared with other processes by name (the store), in MB.
[[nodiscard]] double ResidentMb(pid_t pid);
/// \return private memory that was written to, of all of them, in MB.
[[nodiscard]] double AnonymousMb(const std::vector<pid_t>& pids);
/// \return seconds of processor time that all of them have used so far.
[[nodiscard]] double CpuSeconds(const std::vector<pid_t>& pids);
/// \return resident memory of a child that only waits, in MB.
[[nodiscard]] double BareProcessMb();

}  // namespace bench
