#include <gtest/gtest.h>

#include "job/dtype.hpp"

namespace shardmill {
namespace {

TEST(DType, NamesReadBackToTheSameType) {
  const auto names = dtype_names();
  EXPECT_EQ(names.size(), 13u);
  for (const auto& name : names) {
    const auto dtype = dtype_from_name(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(name_of(*dtype), name);
  }
  EXPECT_FALSE(dtype_from_name("complex64"));
  EXPECT_FALSE(dtype_from_name(""));
}

TEST(DType, SizesAreThoseOfOneElement) {
  EXPECT_EQ(size_of(DType::boolean), 1u);
  EXPECT_EQ(size_of(DType::uint16), 2u);
  EXPECT_EQ(size_of(DType::bfloat16), 2u);
  EXPECT_EQ(size_of(DType::float32), 4u);
  EXPECT_EQ(size_of(DType::int64), 8u);
  EXPECT_EQ(size_of(DType::float64), 8u);
}

}  // namespace
}  // namespace shardmill
