#include "mobula/buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "mobula/object_ref.h"
#include "mobula/serialization.h"
#include "tests/include/mobula/fake_runtime.h"

namespace mobula {
namespace {

using ::testing::ElementsAre;
using testing::FakeRuntime;

struct Image {
  std::string name;
  Array<float> pixels;
  std::vector<Buffer> tiles;
};

TEST(ArrayTest, IsWrittenOnceAndThenShared) {
  auto builder = Array<double>::Make(3);
  std::iota(builder.begin(), builder.end(), 1.0);  // NOLINT(modernize-use-ranges): not in GCC 12
  const double* const place = builder.data();
  const Array<double> array = std::move(builder).Share();
  const Array<double> copy = array;  // NOLINT(performance-unnecessary-copy-initialization): tested
  EXPECT_THAT(copy, ElementsAre(1, 2, 3));
  EXPECT_EQ(copy.data(), place);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 64, 0U);
}

TEST(ArrayTest, TakesOverAVector) {
  std::vector<int> numbers = {1, 2, 3};
  const int* const place = numbers.data();
  const Array<int> array(std::move(numbers));
  EXPECT_EQ(array.data(), place);
  EXPECT_EQ(array, Array<int>::CopyOf(std::vector{1, 2, 3}));
  EXPECT_TRUE(Array<int>().empty());
  EXPECT_TRUE(Array<int>::Make(0).span().empty());
}

TEST(ArrayTest, TooLargeASizeIsRefused) {
  EXPECT_THROW((void)Array<double>::Make(SIZE_MAX / 2), std::bad_alloc);
}

TEST(BufferTest, SlicesShareTheMemory) {
  const Buffer buffer("hello world");
  EXPECT_EQ(buffer.Slice(6, 5).text(), "world");
  EXPECT_EQ(buffer.Slice(6, 5).data(), buffer.data() + 6);
  EXPECT_EQ(Buffer::CopyOf(buffer.bytes()), buffer);
}

TEST(BufferTest, LargeOnesTravelBesideTheDocumentAndAreNotCopied) {
  const Image image{"i",
                    Array<float>(std::vector<float>(5000, 0.5F)),
                    {Buffer(std::string(5000, 'a')), Buffer("small"), Buffer()}};
  const auto value = internal::EncodeValue(image);
  ASSERT_EQ(value->pieces.size(), 2U);
  EXPECT_LT(value->document.size(), 64U);
  EXPECT_EQ(value->pieces[0].offset, 64U);
  EXPECT_EQ(value->pieces[0].bytes.bytes().data(), std::as_bytes(image.pixels.span()).data());
  EXPECT_EQ(value->pieces[1].offset, 64U + 20032U);
  EXPECT_EQ(value->size, value->pieces[1].offset + 5000);
  const Payload bytes = FakeRuntime::Flatten(*value);
  const auto back = internal::DecodeValue<Image>(bytes, nullptr);
  ASSERT_TRUE(back) << back.error().ToString();
  EXPECT_EQ(std::as_bytes(back->pixels.span()).data(), bytes.bytes().data() + 64);
  EXPECT_EQ(back->pixels, image.pixels);
  EXPECT_EQ(back->tiles, image.tiles);
}

TEST(BufferTest, AViewKeepsTheObjectAlive) {
  Buffer view;
  std::weak_ptr<const void> object;
  {
    const Payload bytes =
        FakeRuntime::Flatten(*internal::EncodeValue(Buffer(std::string(5000, 'a'))));
    object = bytes.keep();
    view = *internal::DecodeValue<Buffer>(bytes, nullptr);
  }
  EXPECT_FALSE(object.expired());
  EXPECT_EQ(view.text(), std::string(5000, 'a'));
  view = Buffer();
  EXPECT_TRUE(object.expired());
}

TEST(BufferTest, AMisalignedArrayIsCopied) {
  const auto back = internal::DecodeValue<Array<double>>(
      FakeRuntime::Flatten(*internal::EncodeValue(Array<double>(std::vector{1.0, 2.0}))), nullptr);
  EXPECT_THAT(*back, ElementsAre(1.0, 2.0));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(back->data()) % alignof(double), 0U);
}

TEST(ReferenceSerializationTest, AnOwnerIsWrittenOnce) {
  FakeRuntime runtime;
  const auto a = std::make_shared<const std::string>(200, 'a');
  const auto b = std::make_shared<const std::string>(200, 'b');
  std::vector<ObjectRef<int>> refs;
  for (int i = 0; i < 10'000; ++i) {
    refs.emplace_back(runtime.Handle(runtime.NewId(), i % 2 == 0 ? a : b));
  }
  const auto value = internal::EncodeValue(refs);
  EXPECT_LT(value->size, 10'000U * 25);
  EXPECT_EQ(value->references.size(), 10'000U);
  const auto back =
      internal::DecodeValue<std::vector<ObjectRef<int>>>(FakeRuntime::Flatten(*value), &runtime);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, refs);
  EXPECT_EQ((*back)[9998].reference()->owner, (*back)[0].reference()->owner);
  EXPECT_EQ((*back)[9999].reference()->owner->address, *b);
}

TEST(ReferenceSerializationTest, RefsAreFoundWhereverTheyAre) {
  FakeRuntime runtime;
  struct Deep {
    std::map<std::string, std::optional<ObjectRef<void>>> refs;
    std::unique_ptr<ObjectRef<std::string>> one;
  };
  Deep deep;
  deep.refs["a"] = ObjectRef<void>(runtime.Handle(runtime.NewId()));
  deep.refs["b"] = ObjectRef<void>();
  deep.one = std::make_unique<ObjectRef<std::string>>(runtime.Handle(runtime.NewId()));
  const auto value = internal::EncodeValue(deep);
  EXPECT_EQ(value->references.size(), 2U);
  const auto back = internal::DecodeValue<Deep>(FakeRuntime::Flatten(*value), &runtime);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->refs, deep.refs);
  EXPECT_EQ(*back->one, *deep.one);
  EXPECT_TRUE(back->refs.at("b")->IsNull());
}

}  // namespace
}  // namespace mobula
