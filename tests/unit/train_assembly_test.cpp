// How ranks come together after a death.
#include <gmock/gmock.h>

#include "job/error.hpp"
#include "train/assembly.hpp"

namespace shardmill::train {
namespace {

using ::testing::ElementsAre;

comm::Standing standing(int generation, std::int64_t position, std::vector<std::int64_t> held = {}, double speed = 1) {
  return {generation, generation - 1, position, std::move(held), speed};
}

TEST(Assembly, WaitsForAllWhoAreAlive) {
  Assembly assembly(0, 4, 3, 8);
  const int generation = assembly.begin();
  EXPECT_FALSE(assembly.stand(0, standing(generation, 1)));
  EXPECT_FALSE(assembly.settle({0, 1, 2}));
  EXPECT_FALSE(assembly.stand(2, standing(generation, 1)));
  EXPECT_FALSE(assembly.settle({0, 1, 2}));
  const auto deal = assembly.settle({0, 2});  // 1 has died meanwhile
  ASSERT_TRUE(deal);
  EXPECT_THAT(deal->members, ElementsAre(0, 2));
  EXPECT_THAT(deal->owner, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1));
  EXPECT_TRUE(deal->behind.empty());
  EXPECT_FALSE(assembly.settle({0, 2})) << "once only";
}

TEST(Assembly, KeepsWhatSurvivorsHaveComputed) {
  Assembly assembly(0, 4, 3, 8);
  const int generation = assembly.begin();
  assembly.stand(0, standing(generation, 7, {0, 1, 2}));
  assembly.stand(2, standing(generation, 7, {6, 7}));
  const auto deal = assembly.settle({0, 2});
  ASSERT_TRUE(deal);
  // 3, 4 and 5 are missing: the dead rank's.
  EXPECT_THAT(deal->owner, ElementsAre(0, 0, 0, 0, 0, 1, 1, 1));
}

TEST(Assembly, WhoIsBehindCopiesTheStateAndWhatItHeldIsVoid) {
  Assembly assembly(0, 4, 4, 4);
  const int generation = assembly.begin();
  assembly.stand(0, standing(generation, 7, {0}));
  assembly.stand(1, standing(generation, 9));
  assembly.stand(3, standing(generation, -1));
  const auto deal = assembly.settle({0, 1, 3});
  ASSERT_TRUE(deal);
  EXPECT_EQ(deal->position, 9);
  EXPECT_EQ(deal->source, 1);
  EXPECT_THAT(deal->behind, ElementsAre(0, 3));
  EXPECT_THAT(deal->owner, ElementsAre(0, 0, 1, 2));
}

TEST(Assembly, SparesStepInForTheDeadOnly) {
  Assembly assembly(0, 4, 2, 4);
  int generation = assembly.begin();
  for (const int rank : {0, 1, 2}) assembly.stand(rank, standing(generation, 1));
  EXPECT_THAT(assembly.settle({0, 1, 2})->members, ElementsAre(0, 1));
  generation = assembly.begin();
  assembly.stand(0, standing(generation, 5));
  assembly.stand(2, standing(generation, 1));
  const auto deal = assembly.settle({0, 2});
  EXPECT_THAT(deal->members, ElementsAre(0, 2));
  EXPECT_THAT(deal->behind, ElementsAre(2));
}

TEST(Assembly, ADeathInBetweenAsksAgain) {
  Assembly assembly(0, 4, 3, 8);
  const int first = assembly.begin();
  assembly.stand(0, standing(first, 1));
  assembly.stand(1, standing(first, 1));
  const int second = assembly.begin();
  EXPECT_GT(second, first);
  assembly.stand(0, standing(first, 1));  // late
  EXPECT_FALSE(assembly.settle({0, 1}));
  assembly.stand(0, standing(second, 1));
  assembly.stand(1, standing(second, 1));
  EXPECT_EQ(assembly.settle({0, 1})->generation, second);
}

TEST(Assembly, ANewCoordinatorLearnsOfNewerGenerations) {
  Assembly assembly(0, 4, 3, 8);
  const int generation = assembly.begin();
  EXPECT_TRUE(assembly.stand(1, standing(generation + 4, 1))) << "ask again";
  EXPECT_GT(assembly.begin(), generation + 4);
}

// What the dead one has asked or dealt must never be taken for the new one's.
TEST(Assembly, NoTwoCoordinatorsUseTheSameGeneration) {
  Assembly first(0, 4, 3, 8);
  const int generation = first.begin();
  for (int known : {0, generation - 1, generation, generation + 1}) {
    Assembly second(1, 4, 3, 8, known);
    for (int i = 0; i < 3; ++i) EXPECT_NE(second.begin() % 4, generation % 4);
    EXPECT_GT(second.generation(), known);
  }
}

TEST(Assembly, DealsTheNextGenerationOfTheDataChannel) {
  Assembly assembly(0, 4, 3, 8);
  const int generation = assembly.begin();
  assembly.stand(0, {generation, 2, 1, {}, 1});
  assembly.stand(1, {generation, 4, 1, {}, 1});
  EXPECT_EQ(assembly.settle({0, 1})->channel, 5);
}

TEST(Assembly, AMemberThatCannotGoOnBeginsItAnew) {
  Assembly assembly(0, 4, 1, 2);
  const int generation = assembly.begin();
  assembly.stand(0, standing(generation, 1));
  ASSERT_TRUE(assembly.settle({0}));
  EXPECT_TRUE(assembly.stand(0, standing(generation, 1)));
  EXPECT_FALSE(assembly.stand(0, standing(generation - 1, 1))) << "but not one that has only not heard yet";
}

TEST(Assembly, WithoutAnyStateThereIsNothingToGoOnFrom) {
  Assembly assembly(0, 4, 2, 2);
  const int generation = assembly.begin();
  assembly.stand(1, standing(generation, -1));
  EXPECT_THROW(assembly.settle({1}), RankLost);
}

}  // namespace
}  // namespace shardmill::train
