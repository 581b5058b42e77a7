// What the training kernels of an instruction set share before any of their code: see isa.h.
#pragma once

#include "isa.h"
#include "backward_plan.h"
