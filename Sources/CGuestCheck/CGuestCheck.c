#include "CGuestCheck.h"
