/// \file
/// \brief Holds method constants against the service descriptors they name.
#pragma once

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "components/transport/rpc/method.h"

namespace mobula::transport::rpc {

/// Give it every constant of a `.proto` file, then ask for `ExpectAllOf` the file:
///
///     MethodCheck check;
///     check.Expect(kRegisterNode);
///     check.ExpectAllOf(*NodeInfo::descriptor()->file());
class MethodCheck {
 public:
  /// The method exists, with these message types, and no other has its id.
  template <typename Request, typename Reply>
  void Expect(const Method<Request, Reply>& method) {
    std::string name(method.name);
    SCOPED_TRACE(name);
    std::ranges::replace(name, '/', '.');
    const auto* pool = Request::descriptor()->file()->pool();
    const auto* found = pool->FindMethodByName(name);
    ASSERT_NE(found, nullptr) << "no such method; the form is package.Service/Method";
    EXPECT_EQ(found->input_type(), Request::descriptor());
    EXPECT_EQ(found->output_type(), Reply::descriptor());
    if (Reply::descriptor()->name() == "NoReply") {
      EXPECT_EQ(method.timeout, Duration(0)) << "a notification is not waited for";
    } else {
      EXPECT_NE(method.timeout, Duration(0)) << "a method has a default deadline, or says: none";
    }
    EXPECT_NE(method.id, 0U);
    const auto [it, is_new] = by_id_.emplace(method.id, name);
    EXPECT_TRUE(is_new) << "id " << method.id << " is that of " << it->second;
    names_.insert(name);
  }

  /// Every method of the file's services was given.
  void ExpectAllOf(const google::protobuf::FileDescriptor& file) const {
    for (int s = 0; s < file.service_count(); ++s) {
      for (int m = 0; m < file.service(s)->method_count(); ++m) {
        const std::string& name = file.service(s)->method(m)->full_name();
        EXPECT_TRUE(names_.contains(name)) << "there is no constant for " << name;
      }
    }
  }

 private:
  std::map<std::uint32_t, std::string> by_id_;
  std::set<std::string> names_;
};

}  // namespace mobula::transport::rpc
