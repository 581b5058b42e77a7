// Random places in memory for the arrays of a problem.
#pragma once

#include "draw.h"
#include "random.h"

namespace poolbench::pool {

// Sets the views and the steps of a problem whose shape is known. What is read may have any steps, zero among them; the
// elements of what is written do not overlap.
void draw_layouts(Random& random, Drawn& drawn);

}  // namespace poolbench::pool
