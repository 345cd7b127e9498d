// The product's sealing, and beside it keys that seal nothing: what a page costs with and without them is measured in one run. Only here.
#pragma once
#include "../../../../Sources/Core/CSealing/include/CSealing.h"

// Keys created from now on seal and check nothing: they copy.
void csealing_benchmark_plain(bool plain);
