// Random shapes and windows.
#pragma once

#include "problem/problem.h"
#include "random.h"

namespace poolbench::pool {

// Which shapes: each kernel is good for some of them.
enum class Profile {
  kTiny, kImage, kShortRows, kLongRows, kChannels, kVectorsOfChannels,
  kManyPlanes, kVolume, kWhole, kSame, kAnything, kLarge, kTallPlanes, kSamePlanes
};
constexpr const char* kProfileNames[] = {
    "tiny", "image", "short rows", "long rows", "channels", "vectors of channels",
    "many planes", "volume", "whole", "same size", "anything", "large", "tall planes", "planes of the same size"};

Profile draw_profile(Random& random, Pass pass);

// Sets the batch, the channels and the axes. Draws until the work is small enough: most problems are, so that there can
// be many. No window of a maximum is left without elements.
void draw_shape(Random& random, Problem& problem, Profile profile);

}  // namespace poolbench::pool
