#include "components/raylet/assembly/head_service.h"

#include <gtest/gtest.h>

#include <string>

namespace mobula::raylet {
namespace {

/// Writes down what happens to it; the test decides when its start is done.
class FakeService final : public HeadService {
 public:
  FakeService(std::string name, std::string& story) : name_(std::move(name)), story_(story) {}
  [[nodiscard]] std::string_view Name() const override { return name_; }
  void Start(Done<void> done) override {
    story_ += "+" + name_ + " ";
    started = std::move(done);
  }
  void OnFailed(std::function<void(const Error&)> callback) override { fail = std::move(callback); }
  void Stop() override { story_ += "-" + name_ + " "; }

  Done<void> started;
  std::function<void(const Error&)> fail;

 private:
  std::string name_;
  std::string& story_;
};

struct Head {
  std::string story;  // before the services, which write into it to their end
  HeadServices services;
  FakeService& a = services.Add(std::make_unique<FakeService>("a", story));
  FakeService& b = services.Add(std::make_unique<FakeService>("b", story));
  FakeService& c = services.Add(std::make_unique<FakeService>("c", story));
};

TEST(HeadServicesTest, StartOneAfterTheOtherAndStopInReverse) {
  Head head;
  bool is_up = false;
  head.services.Start([&is_up](const Result<void>& ready) { is_up = ready.has_value(); });
  EXPECT_EQ(head.story, "+a ");
  head.a.started({});
  head.b.started({});
  EXPECT_EQ(head.story, "+a +b +c ");
  EXPECT_FALSE(is_up);
  head.c.started({});
  EXPECT_TRUE(is_up);
  head.services.Stop();
  EXPECT_EQ(head.story, "+a +b +c -c -b -a ");
}

TEST(HeadServicesTest, AFailedStartNamesTheServiceAndStopsThoseBeforeIt) {
  Head head;
  std::string why;
  head.services.Start([&why](const Result<void>& ready) { why = ready.error().ToString(); });
  head.a.started({});
  head.b.started(Fail(ErrorCode::kAlreadyExists, "port 8265 is in use"));
  EXPECT_EQ(why, "already_exists: head service b: port 8265 is in use");
  EXPECT_EQ(head.story, "+a +b -c -b -a ");
}

TEST(HeadServicesTest, TheFirstFailureIsToldOnceAndNamesTheService) {
  Head head;
  std::string told;
  head.services.OnFailed([&told](const Error& why) { told += why.message() + "; "; });
  head.services.Start([](const Result<void>&) {});
  head.a.started({});
  head.a.fail(Error(ErrorCode::kInternal, "the disk is gone"));
  head.b.fail(Error(ErrorCode::kUnavailable, "so is the GCS"));
  EXPECT_EQ(told, "head service a: the disk is gone; ");
}

TEST(HeadServicesTest, AHeadWithoutServicesIsUpAtOnce) {
  HeadServices none;
  bool is_up = false;
  none.Start([&is_up](const Result<void>& ready) { is_up = ready.has_value(); });
  EXPECT_TRUE(is_up);
}

}  // namespace
}  // namespace mobula::raylet
