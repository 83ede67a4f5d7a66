#include <numeric>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "train/augment.hpp"

namespace shardmill::train {
namespace {

template <class T>
std::vector<T> changed(const ImageChange& change, std::vector<T> image, std::int64_t channels, std::int64_t height,
                       std::int64_t width) {
  std::vector<T> out(image.size(), T(99));
  apply_change(change, {channels, height, width, sizeof(T)}, image.data(), out.data());
  return out;
}

TEST(TrainAugment, NoChangeIsACopy) {
  const std::vector<float> image = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(changed(ImageChange{}, image, 1, 2, 3), image);
}

TEST(TrainAugment, FlipsColumnsOfEachRowAndChannel) {
  ImageChange change;
  change.flip = true;
  EXPECT_EQ(changed<std::uint8_t>(change, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 2, 3),
            (std::vector<std::uint8_t>{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10}));
}

TEST(TrainAugment, CutsAWindowWithZerosAround) {
  const std::vector<std::int16_t> image = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(changed(ImageChange{1, 1, false}, image, 1, 3, 3), (std::vector<std::int16_t>{5, 6, 0, 8, 9, 0, 0, 0, 0}));
  EXPECT_EQ(changed(ImageChange{-1, -2, false}, image, 1, 3, 3),
            (std::vector<std::int16_t>{0, 0, 0, 0, 0, 1, 0, 0, 4}));
  // The window is cut first and then flipped.
  EXPECT_EQ(changed(ImageChange{1, 1, true}, image, 1, 3, 3), (std::vector<std::int16_t>{0, 6, 5, 0, 9, 8, 0, 0, 0}));
  EXPECT_EQ(changed(ImageChange{0, 5, false}, image, 1, 3, 3), std::vector<std::int16_t>(9, 0));
  EXPECT_EQ(changed(ImageChange{0, -5, true}, image, 1, 3, 3), std::vector<std::int16_t>(9, 0));
}

TEST(TrainAugment, DrawsEveryWindowAndFlipsTheShareAskedFor) {
  job::Augmentation augmentation;
  augmentation.flip = 0.25;
  augmentation.crop_padding = 2;
  std::set<std::pair<std::int64_t, std::int64_t>> windows;
  int flips = 0;
  for (std::int64_t record = 0; record < 10000; ++record) {
    const ImageChange change = draw_change(augmentation, 1, 0, record);
    windows.emplace(change.down, change.right);
    flips += change.flip ? 1 : 0;
    EXPECT_EQ(change, draw_change(augmentation, 1, 0, record));
  }
  EXPECT_EQ(windows.size(), 25U);
  EXPECT_EQ(windows.begin()->first, -2);
  EXPECT_EQ(windows.rbegin()->second, 2);
  EXPECT_NEAR(flips, 2500, 220);
}

TEST(TrainAugment, ProbabilitiesZeroAndOneAreCertain) {
  job::Augmentation augmentation;
  for (std::int64_t record = 0; record < 1000; ++record) {
    augmentation.flip = 0;
    EXPECT_EQ(draw_change(augmentation, 1, 0, record), ImageChange{});
    augmentation.flip = 1;
    EXPECT_TRUE(draw_change(augmentation, 1, 0, record).flip);
  }
}

TEST(TrainAugment, EpochsDiffer) {
  job::Augmentation augmentation;
  augmentation.crop_padding = 100;
  EXPECT_NE(draw_change(augmentation, 1, 0, 5), draw_change(augmentation, 1, 1, 5));
  EXPECT_NE(draw_change(augmentation, 1, 0, 5), draw_change(augmentation, 2, 0, 5));
}

}  // namespace
}  // namespace shardmill::train
